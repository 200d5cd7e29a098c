"""A protocol comes into force: signed by the parties, accepted at a site, activated at the hub; and what refuses it."""

from __future__ import annotations

import json
import re
from datetime import date
from math import sqrt
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from cases import ConfigurationError
from connectors import default_vocabulary
from hub.api.context import build_context
from hub.rules import DEFAULT_RULES
from hub.settings import load_hub_settings
from kelsey.cli import cli
from kelsey.keys import make_site_keys
from kelsey.protocol_diff import Effect, differences, verdict
from privacy.accounting import epsilon_from_mu, mu_from_epsilon_delta
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from streams.acceptance import accepted_protocols
from streams.run import run_gate
from streams.settings import load_site_settings
from tests.privacy.examples import protocol

SITE = """
[site]
id = "north"
data_directory = "data"
pseudonym_key_file = "north/pseudonym.key"
signing_key_file = "north/signing.pem"
protocol_file = "protocol.json"
[kafka]
bootstrap = "127.0.0.1:1"
[hub]
url = "http://127.0.0.1:1"
api_key_file = "hub.key"
[[signer]]
name = "Ethics board"
public_key_file = "board/signing.pub"
"""
HUB = """
[hub]
database_url = "sqlite:///{folder}/hub.sqlite"
protocol_file = "protocol.json"
[[site]]
id = "north"
public_key_file = "north/signing.pub"
[[aggregator]]
role = "leader"
public_key_file = "leader/signing.pub"
[[aggregator]]
role = "helper"
public_key_file = "helper/signing.pub"
"""


def under(era: str = "2027", **fields: Any) -> SurveillanceProtocol:
    return protocol(vocabulary=default_vocabulary().label, era=era, **fields)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for party in ("north", "board", "leader", "helper", "stranger"):
        make_site_keys(tmp_path / party)
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "hub.toml").write_text(HUB.format(folder=tmp_path))
    under().dump(tmp_path / "protocol.json")
    return tmp_path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, [str(each) for each in arguments], prog_name="kelsey")
    return result.exit_code, result.stdout, result.stderr


def sign(folder: Path, who: str, party: str, role: str = "site") -> None:
    key = folder / who / "signing.pem"
    code, text, _ = run("protocol", "sign", folder / "protocol.json", "--key", key, "--party", party, "--role", role)
    assert code == 0
    assert "protocol.signatures.json: signed by" in text


def test_a_site_accepts_what_its_signers_signed_and_the_gate_runs_under_nothing_else(folder: Path) -> None:
    settings = load_site_settings(folder / "site.toml")
    accept = ("protocol", "accept", "--config", folder / "site.toml")
    with pytest.raises(ConfigurationError, match=r"has not accepted protocol example .*--by NAME"):
        run_gate(settings, metrics_listen="127.0.0.1:0")
    code, _, err = run(*accept, "--by", "Dr Vass")
    assert code == 1
    assert "is not signed by Ethics board (any role)" in err
    sign(folder, "stranger", "Ethics board", "authority")
    assert run(*accept, "--by", "Dr Vass")[0] == 1, "the name alone is not enough"
    sign(folder, "board", "Ethics board", "authority")
    code, text, _ = run(*accept)
    assert code == 0
    assert "signed by: Ethics board (authority)" in text
    assert "nothing recorded" in text
    assert accepted_protocols(settings.data_directory) == []
    code, _, err = run(*accept, "--by", "Dr Vass", "--hash", "0" * 12)
    assert (code, "the protocol has hash" in err) == (1, True)
    code, text, _ = run(*accept, "--by", "Dr Vass", "--hash", under().hash[:12])
    assert code == 0
    assert "accepted by Dr Vass on 20" in text
    run(*accept, "--by", "Somebody else")
    (recorded,) = accepted_protocols(settings.data_directory)
    assert (recorded.protocol, recorded.accepted_by) == (under(), "Dr Vass")
    assert recorded.signed_by == ("Ethics board (authority)",)
    assert recorded.accepted_at.tzinfo is not None
    # accepted, so the gate goes on to the next thing it needs, the hub's key
    with pytest.raises(ConfigurationError, match="api_key_file"):
        run_gate(settings, metrics_listen="127.0.0.1:0")

    under(epsilon=2.0).dump(folder / "protocol.json")  # somebody swaps the file
    with pytest.raises(ConfigurationError, match="has not accepted"):
        run_gate(settings, metrics_listen="127.0.0.1:0")
    assert "changed after it was signed" in run(*accept, "--by", "Dr Vass")[2]
    (folder / "protocol.signatures.json").unlink()
    sign(folder, "board", "Ethics board", "authority")
    code, text, err = run(*accept, "--by", "Dr Vass")
    assert code == 1
    assert "epsilon: 3 -> 2" in text
    assert "era 2027 was accepted under protocol" in err


def test_a_site_that_names_no_signers_accepts_by_a_persons_name(folder: Path) -> None:
    (folder / "site.toml").write_text(SITE.partition("[[signer]]")[0])
    code, text, _ = run("protocol", "accept", "--config", folder / "site.toml", "--by", "Dr Vass")
    assert code == 0
    assert "signed by: nobody" in text
    assert run("protocol", "accept", "--config", folder / "site.toml", "--by", " ")[0] == 1


def test_a_hub_activates_what_sites_and_aggregators_signed_and_works_under_nothing_else(folder: Path) -> None:
    summed = under(trust_mode="secure-sum", minimum_cohort=2, honest_fraction=0.5, coefficient_bits=12)
    summed.dump(folder / "protocol.json")
    activate = ("protocol", "activate", "--config", folder / "hub.toml", "--by", "Dr Oldham")
    build_context(load_hub_settings(folder / "hub.toml")).store.close()  # a trial: nothing was ever activated
    sign(folder, "north", "north")
    sign(folder, "leader", "Registry", "leader")
    sign(folder, "leader", "Institute", "helper")
    code, _, err = run(*activate)
    assert code == 1
    assert "is not signed by the aggregator (helper)" in err
    sign(folder, "helper", "Institute", "helper")
    code, text, _ = run(*activate, "--hash", summed.hash)
    assert code == 0
    assert "signed by Institute (helper), Registry (leader), north (site)" in text
    assert run(*activate)[1] == text, "a second time changes nothing"
    build_context(load_hub_settings(folder / "hub.toml")).store.close()

    (folder / "protocol.signatures.json").unlink()
    under(era="2028").dump(folder / "protocol.json")
    with pytest.raises(ConfigurationError, match=r"is active, not .*kelsey protocol activate"):
        build_context(load_hub_settings(folder / "hub.toml"))
    assert "is not signed by north (site)" in run(*activate)[2]
    sign(folder, "north", "north")
    assert run(*activate)[0] == 0
    build_context(load_hub_settings(folder / "hub.toml")).store.close()

    under(era="2027").dump(folder / "protocol.json")  # back into an era that ran under another protocol
    (folder / "protocol.signatures.json").unlink()
    sign(folder, "north", "north")
    code, _, err = run(*activate)
    assert code == 1
    assert "era 2027 runs under protocol" in err


def test_a_difference_says_what_it_means_for_patients(folder: Path) -> None:
    old = under()
    assert differences(old, old) == []
    assert verdict(old, old) == "the same protocol"
    new = under(
        era="2028",
        epsilon=1.0,
        rules=("evans",),
        drugs=("drug 0", "drug 2", *(f"new {number}" for number in range(7))),
        calendar=EpochCalendar("week", date(2028, 1, 3), 52),
    )
    found = {each.what: each for each in differences(old, new)}
    assert found.keys() == {"era", "epsilon", "calendar", "drugs", "rules and their thresholds"}
    assert (found["epsilon"].before, found["epsilon"].after, found["epsilon"].effect) == ("3", "1", Effect.GUARANTEE)
    assert found["calendar"].after == "52 weeks from 2028-01-03 to 2028-12-31"
    assert found["drugs"].after == "9: added new 0, new 1, new 2, new 3, new 4 and 2 more; removed drug 1"
    assert "never from a site's cases" in found["drugs"].meaning
    assert found["rules and their thresholds"].meaning.startswith("free")
    mu = (mu_from_epsilon_delta(3.0, 1e-6) ** 2 + mu_from_epsilon_delta(1.0, 1e-6) ** 2) ** 0.5
    assert f"add up to epsilon {epsilon_from_mu(mu, 1e-6):.2f} at delta 1e-06" in verdict(old, new)
    assert "not possible within era 2027" in verdict(old, under(rules=("evans",)))
    (reordered,) = differences(old, under(drugs=("drug 2", "drug 1", "drug 0")))
    assert reordered.after == "3, in another order"

    old.dump(folder / "old.json")
    new.dump(folder / "new.json")
    code, text, _ = run("protocol", "diff", folder / "old.json", folder / "new.json", "--json")
    document = json.loads(text)
    assert code == 0
    assert (document["old"], document["new"]) == (old.hash, new.hash)
    assert [each["effect"] for each in document["changes"]] == ["guarantee"] * 3 + ["cells", "reading"]
    assert "verdict: a new era" in run("protocol", "diff", folder / "old.json", folder / "new.json")[1]


def test_every_field_of_a_protocol_is_compared() -> None:
    """A field that is added later and forgotten here would change silently."""
    other: dict[str, Any] = {
        "name": "other", "version": "2", "era": "x", "vocabulary": "x@1", "drugs": ("a",), "reactions": ("b",),
        "calendar": EpochCalendar("day", date(2026, 1, 1), 3), "epsilon": 2.0, "delta": 1e-7, "wallet_capacity": 1.0,
        "wallet_operations": 8, "margin_share": 0.04, "coefficient_bits": 10, "with_narrative": True,
        "rules": ("evans",), "factorisation": "0" * 64,
    }  # fmt: skip
    together = {"trust_mode", "minimum_cohort", "honest_fraction"}
    together |= {"active_cells", "residual_buckets"}
    assert other.keys() | together | {"schema_version"} == set(SurveillanceProtocol.__struct_fields__)
    for field, value in other.items():
        assert len(differences(under(), msgspec.structs.replace(under(), **{field: value}))) == 1, field
    summed = under(trust_mode="secure-sum", minimum_cohort=2, honest_fraction=0.5)
    assert len(differences(under(), summed)) == 3
    large = under(active_cells="0" * 64, residual_buckets=4)
    assert [each.effect for each in differences(under(), large)] == [Effect.CELLS] * 2


def test_a_protocol_for_a_sum_is_made_on_the_command_line(tmp_path: Path) -> None:
    made = (
        "protocol", "new", "--name", "national", "--era", "2027", "--start", "2027-01-01", "--epoch", "day",
        "--epochs", "365", "--epsilon", "3", "--delta", "1e-7", "--trust", "secure-sum",
        "--factorisation", "daily-year", "--out", tmp_path / "p.json",
    )  # fmt: skip
    code, _, err = run(*made)
    assert (code, "needs minimum_cohort and honest_fraction" in err) == (1, True)
    assert run(*made, "--minimum-cohort", 40, "--honest-fraction", 0.8)[0] == 0
    assert SurveillanceProtocol.decode((tmp_path / "p.json").read_bytes()).rules == DEFAULT_RULES
    code, text, _ = run("protocol", "show", tmp_path / "p.json")
    assert code == 0
    assert "at least 40 sites, of which 32 are relied upon" in text
    last = ReleaseSpec.of(SurveillanceProtocol.load(tmp_path / "p.json")).running_total_sd("pair", 364)
    found = re.search(r"in the sum over 40 sites at the first epoch, ([\d.]+) at the last", text)
    assert found
    assert float(found[1]) == pytest.approx(last * sqrt(40 / 32), abs=0.05)  # all add theirs, 32 would do
