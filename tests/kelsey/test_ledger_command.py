"""`kelsey ledger`: verified offline from a copy, compared with the hub and an earlier copy, its cap changed by two."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors import default_vocabulary
from kelsey.cli import cli
from kelsey.keys import make_site_keys
from privacy.ledger import BudgetLedger
from privacy.release_spec import ReleaseSpec
from streams.gate import Gate
from streams.gate_store import GateStore
from streams.testing import InMemorySink
from tests.privacy.examples import protocol
from tests.streams.make import SIGNING_KEY

UNDER = protocol(vocabulary=default_vocabulary().label, epochs=6)


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, [str(each) for each in arguments], prog_name="kelsey")
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def lines(tmp_path: Path) -> list[bytes]:
    """Three releases of a site whose settings lie in `tmp_path`; a copy of its ledger after each."""
    data = tmp_path / "data"
    data.mkdir()
    sink, made = InMemorySink(), []
    for epoch in range(3):
        gate = Gate(
            site_id="north",
            protocol=UNDER,
            signing_key=SIGNING_KEY,
            store=GateStore(data / "gate.sqlite"),
            ledger=BudgetLedger(data / "ledger.sqlite"),
        )
        line = gate.release(epoch)
        assert line is not None
        made.append(line)
        gate.deliver(sink)
        gate.close()
        shutil.copy(data / "ledger.sqlite", tmp_path / f"after-{epoch}.sqlite")
    UNDER.dump(tmp_path / "protocol.json")
    signers = ""
    for name in ("vass", "oldham", "stranger"):
        make_site_keys(tmp_path / name)
        if name != "stranger":
            signers += f'[[signer]]\nname = "{name}"\npublic_key_file = "{name}/signing.pub"\n'
    (tmp_path / "site.toml").write_text(
        '[site]\nid = "north"\ndata_directory = "data"\npseudonym_key_file = "k"\nprotocol_file = "protocol.json"\n'
        + signers
    )
    return made


def test_a_ledger_is_verified_from_a_copy_and_leaves_it_alone(tmp_path: Path, lines: list[bytes]) -> None:
    copy = tmp_path / "after-2.sqlite"
    before = copy.read_bytes()
    code, text, _ = run("ledger", "verify", copy)
    assert code == 0
    assert "era 2026: mu " in text
    assert text.endswith("sound: 9 steps, every hash recomputed; 0 epochs not sent yet\n")
    document = json.loads(run("ledger", "verify", copy, "--json")[1])
    (era,) = document["eras"]
    assert document["is_sound"] is True
    assert (era["spent_micro_mu2"], era["cap_micro_mu2"]) == (
        (spec := ReleaseSpec.of(UNDER)).cost_micro_mu2,
        spec.cap_micro_mu2,
    )
    assert [entry["release"] for entry in era["entries"]] == [hashlib.sha256(line).hexdigest() for line in lines]
    assert copy.read_bytes() == before
    assert not copy.with_name("after-2.sqlite.lock").exists()
    with BudgetLedger(tmp_path / "data" / "ledger.sqlite"):  # a gate that runs does not stand in the way
        assert run("ledger", "verify", tmp_path / "data" / "ledger.sqlite")[0] == 0


def test_a_restored_backup_is_found_out_by_what_the_hub_has_and_by_a_later_copy(
    tmp_path: Path, lines: list[bytes]
) -> None:
    newest = hashlib.sha256(lines[2]).hexdigest()
    old, new = tmp_path / "after-1.sqlite", tmp_path / "after-2.sqlite"
    assert run("ledger", "verify", new, "--published", newest, "--against", old)[0] == 0
    code, _, err = run("ledger", "verify", old, "--published", newest)
    assert (code, "restored from an older backup" in err) == (1, True)
    code, _, err = run("ledger", "verify", old, "--against", new)
    assert (code, "it lacks 3 of its 9 steps" in err) == (1, True)
    with BudgetLedger(old) as forked:
        forked.reserve(UNDER.era, 2, 0, (spec := ReleaseSpec.of(UNDER)).cap_micro_mu2, spec.hash, "other data")
    code, _, err = run("ledger", "verify", old, "--against", new)
    assert (code, "went different ways" in err) == (1, True)


def test_what_is_no_digest_or_no_ledger_is_not_taken_for_an_old_backup(tmp_path: Path, lines: list[bytes]) -> None:
    code, _, err = run("ledger", "verify", tmp_path / "after-2.sqlite", "--published", "9c56cc51")
    assert (code, "published must be a SHA-256, 64 hexadecimal digits, not '9c56cc51'" in err) == (1, True)
    raw = sqlite3.connect(tmp_path / "hub.db")
    raw.execute("CREATE TABLE release (number INTEGER)")
    raw.close()
    code, _, err = run("ledger", "verify", tmp_path / "hub.db")
    assert (code, "the file is no ledger" in err) == (1, True)


def test_damage_is_named_and_fails(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "after-2.sqlite"
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER step_update")
    raw.execute("UPDATE step SET cost = 1 WHERE number = 1")
    raw.commit()
    raw.close()
    code, _, err = run("ledger", "verify", path)
    assert (code, "ledger step 1: the hash chain is broken" in err) == (1, True)


def test_two_signers_of_the_site_change_a_cap_and_one_does_not(tmp_path: Path, lines: list[bytes]) -> None:
    config, change = tmp_path / "site.toml", tmp_path / "change.json"
    propose = ("ledger", "cap", "propose", "--config", config, "--reason", "Board decision 17", "--out", change)
    assert "are spent, nothing is refunded" in run(*propose, "--epsilon", 1)[2]
    code, text, _ = run(*propose, "--epsilon", 4)
    assert (code, "era 2026, from" in text) == (0, True)

    def sign(who: str, name: str) -> None:
        key = tmp_path / who / "signing.pem"
        assert run("ledger", "cap", "sign", change, "--key", key, "--party", name)[0] == 0

    apply = ("ledger", "cap", "apply", change, "--config", config)
    sign("vass", "vass")
    assert "it needs 2 people" in run(*apply)[2]
    sign("vass", "oldham")  # the same key under the other name
    assert "oldham may not change a cap" in run(*apply)[2]
    sign("oldham", "oldham")
    with BudgetLedger(tmp_path / "data" / "ledger.sqlite"):
        assert "stop the other or wait for it" in run(*apply)[2]
    assert run(*apply)[0] == 0
    assert run(*apply)[0] == 1, "a change is made once"
    code, text, _ = run("ledger", "verify", tmp_path / "data" / "ledger.sqlite", "--config", config)
    assert code == 0
    assert "(Board decision 17), signed by vass " in text
    (tmp_path / "oldham" / "signing.pub").write_bytes((tmp_path / "stranger" / "signing.pub").read_bytes())
    assert "oldham may not" in run("ledger", "verify", tmp_path / "data" / "ledger.sqlite", "--config", config)[2]

    gate = Gate(
        site_id="north",
        protocol=UNDER,
        signing_key=SIGNING_KEY,
        store=GateStore(tmp_path / "data" / "gate.sqlite"),
        ledger=BudgetLedger(tmp_path / "data" / "ledger.sqlite"),
    )
    assert gate.release(3) is not None, "the era goes on"
    gate.close()
