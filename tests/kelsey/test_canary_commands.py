"""The canary through a secure sum and every command around it: no file, log, answer or error holds a trace of it."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cases import KelseyError
from connectors import default_vocabulary
from hub.store import HubStore
from hub.sum_intake import SumIntake
from kelsey.cli import cli
from privacy.ledger import BudgetLedger
from privacy.secure_sum import Role, unpack_sharing
from streams.embedded import EmbeddedSite
from tests.hub.secure_sum import PUBLIC, SITE_KEYS, House
from tests.streams.canary import CANARY, canary_records, traces
from tests.streams.make import KEY, protocol

UNDER = msgspec.structs.replace(
    protocol(), vocabulary=default_vocabulary().label, trust_mode="secure-sum", minimum_cohort=2, honest_fraction=0.5
)
# all that work on secrets, budgets and releases; the others read report tables that a person asked them to show
GROUPS = ("aggregator", "doctor", "hub", "ledger", "privacy", "protocol", "site")
PUBLIC_TABLES = {("protocol", "cells", "counts"), ("protocol", "cells", "pairs")}  # their columns are named in errors


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, [str(each) for each in arguments], prog_name="kelsey")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout + result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that has taken the canary in, as its workers and gate leave it."""
    folder = tmp_path_factory.mktemp("site")
    site = EmbeddedSite(
        site_id="north", vocabulary=default_vocabulary(), protocol=UNDER, pseudonym_key=KEY,
        signing_key=SITE_KEYS["north"], directory=folder / "data", read_narratives=True,
    )  # fmt: skip
    site.take(canary_records())
    assert site.release(0) is not None
    assert site.wallet_summary().patients == 1
    site.close()
    (folder / "data/partitions").mkdir()
    shutil.copy(folder / "data/site.sqlite", folder / "data/partitions/casebook-0000.sqlite")
    UNDER.dump(folder / "protocol.json")
    (folder / "pseudonym.key").write_bytes(KEY)
    (folder / "signing.pem").write_bytes(
        SITE_KEYS["north"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    for name in ("pseudonym.key", "signing.pem"):
        (folder / name).chmod(0o600)
    (folder / "site.toml").write_text(
        '[site]\nid = "north"\ndata_directory = "data"\npseudonym_key_file = "pseudonym.key"\n'
        'protocol_file = "protocol.json"\n[kafka]\nbootstrap = "127.0.0.1:1"\npartitions = 1\n'
    )
    return folder


def test_no_trace_at_aggregators_and_hub(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    house = House(tmp_path / "aggregators", protocol=UNDER)
    store = HubStore(f"sqlite:///{tmp_path / 'hub.sqlite'}")
    with BudgetLedger(folder / "data/ledger.sqlite", is_read_only=True) as ledger:
        messages = unpack_sharing(ledger.payload(UNDER.era, 0) or b"")
    house.send("south", 0, {})
    for role, party in house.parties.items():
        with pytest.raises(KelseyError) as refused:
            party.aggregator.receive(CANARY[0].encode(), at=UNDER.calendar.closes_at(0))
        assert traces("error", [str(refused.value)]) == []
        party.aggregator.receive(messages[role], at=UNDER.calendar.closes_at(0))
    assert house.agree(0).accepted.sites == ("north", "south")
    house.open()
    for role in Role:
        SumIntake(store, UNDER, PUBLIC).accept(
            next(iter(house.at_hub[role, 0])), received_at=UNDER.calendar.closes_at(0)
        )
    house.stop()
    store.close()
    assert traces("log", [caplog.text]) == []
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"aggregator.sqlite", "ledger.sqlite", "hub.sqlite"} <= {path.name for path in files}
    assert [line for path in files for line in traces(path.name, [path.read_bytes()])] == []


def test_what_a_site_shows_of_wallets_merges_and_ledger_names_nobody(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert any(CANARY[0].encode() in path.read_bytes() for path in folder.rglob("*.sqlite"))  # the dead letters
    merges = tmp_path / "merges.csv"
    merges.write_text(f"old,new\nfhir:Patient/{CANARY[1]},fhir:Patient/other\n")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(f"old,new\n{CANARY[1]},{CANARY[1]}\n")
    config = folder / "site.toml"
    said = []
    for code, *arguments in (
        (0, "site", "wallet", "--config", config),
        (0, "site", "wallet", "--config", config, "--json"),
        (1, "site", "merge-patients", wrong, "--config", config),
        (0, "site", "merge-patients", merges, "--config", config, "--json"),
        (0, "site", "merge-patients", merges, "--config", config),
        (0, "ledger", "verify", folder / "data/ledger.sqlite"),
        (0, "ledger", "verify", folder / "data/ledger.sqlite", "--json"),
        (1, "ledger", "verify", folder / "data/site.sqlite"),
    ):
        found, text = run(*arguments)
        assert found == code, text
        said.append(text)
    assert json.loads(said[1])["patients"] == 1
    assert json.loads(said[3])["merged"] == 1
    assert traces("command", [*said, *capfd.readouterr()]) == []


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from commands(each, (*path, name))
    else:
        yield path, command


def readers() -> list[tuple[tuple[str, ...], str]]:
    """Commands that read a file, with each parameter that names one."""
    return [
        (path, parameter.name or "")
        for path, command in commands(cli)
        for parameter in command.params
        if path[0] in GROUPS and parameter.name != "out" and isinstance(parameter.type, click.Path | click.File)
        if (*path, parameter.name) not in PUBLIC_TABLES
    ]


def arguments_for(path: tuple[str, ...], wrong: str, records: Path, folder: Path, out: Path) -> list[str]:
    """A whole command line: `records` where the parameter `wrong` is, what is right for all that it needs besides."""
    good = {"config": "site.toml", "key": "signing.pem", "key_file": "signing.pem"}
    command = dict(commands(cli))[path]
    found = list(path)
    for parameter in command.params:
        is_file = isinstance(parameter.type, click.Path | click.File)
        if not (parameter.required or parameter.name == wrong):
            continue
        right = out if parameter.name == "out" else folder / good.get(str(parameter.name), "protocol.json")
        value = str(records if parameter.name == wrong else right)
        if not is_file:
            choices = getattr(parameter.type, "choices", None)
            value = str(choices[0]) if choices else "1"
        found += [parameter.opts[0], value] if isinstance(parameter, click.Option) else [value]
    return found


@pytest.mark.parametrize(("path", "wrong"), readers(), ids=str)
@pytest.mark.parametrize("kind", ["record", "table"])
def test_a_file_of_records_given_by_mistake_is_refused_without_a_word_of_it(
    path: tuple[str, ...], wrong: str, kind: str, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    records = tmp_path / "records"
    first = canary_records()[0].payload
    table = f"{CANARY[0]} = {CANARY[1]}\n{CANARY[2]}\n".encode()
    records.write_bytes({"record": first, "table": table}[kind])
    records.chmod(0o600)
    code, text = run(*arguments_for(path, wrong, records, folder, tmp_path / "out"))
    assert code != 0
    assert traces("command", [text, caplog.text]) == []
