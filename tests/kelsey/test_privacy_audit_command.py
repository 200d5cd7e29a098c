"""`kelsey privacy audit` as an officer meets it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kelsey import privacy_audit
from kelsey.cli import cli
from kelsey.privacy_audit import audit_protocol, standard_protocol
from privacy.audit import AuditVerdict
from privacy.chosen_strategy import BUILT_IN
from tests.privacy.examples import protocol
from tests.privacy.planted_bugs import SigmaHalved

DOCS = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text("utf-8")


def run(*options: str) -> Result:
    return CliRunner().invoke(cli, ["privacy", "audit", *options])


def found(*options: str) -> dict[str, Any]:
    result = run("--json", *options)
    assert result.exit_code == 0, result.stderr
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def test_a_small_case_has_the_documented_keys_and_the_claims_of_its_protocol(tmp_path: Path) -> None:
    protocol(epsilon=1.0).dump(tmp_path / "protocol.json")
    report = found("--protocol", str(tmp_path / "protocol.json"), "--runs", "4000", "--seed", "3")
    assert (report["runs"], report["seed"], report["epochs"], report["patients"]) == (4000, 3, 4, 15)
    assert report["replay_is_exact"] is True
    assert report["protocol_hash"] == protocol(epsilon=1.0).hash
    assert report["tables"]["all"]["epsilon_claimed"] == pytest.approx(1.0, abs=1e-4)
    for table in report["tables"].values():
        assert 0.8 * table["mu_claimed"] < table["mu_lower_bound"] <= table["mu_claimed"]
        assert table["epsilon_lower_bound"] <= table["epsilon_claimed"]
    keys = {*report, *report["tables"], *report["tables"]["pair"]}
    assert [key for key in keys if f"`{key}`" not in DOCS] == []


def test_the_mode_is_that_of_the_protocol_and_can_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "protocol.json"
    protocol(trust_mode="secure-sum", minimum_cohort=3, honest_fraction=0.6).dump(file)
    assert found("--protocol", str(file), "--runs", "400")["trust_mode"] == "secure-sum"
    chosen = found("--protocol", str(file), "--runs", "400", "--trust", "per-site")
    assert chosen["trust_mode"] == "per-site"
    assert found("--trust", "secure-sum", "--runs", "400")["trust_mode"] == "secure-sum"


def test_a_protocol_that_names_a_matrix_is_audited_with_it() -> None:
    named = protocol(epochs=365, factorisation=BUILT_IN["daily-year"], coefficient_bits=12)
    report = audit_protocol(named, trust="per-site", runs=400, seed=1, epochs=2, patients=None)
    assert report.verdict is not AuditVerdict.FAIL
    assert 0.5 < report.tables["pair"].mu_canary / report.tables["pair"].mu_claimed <= 1


def test_the_words(tmp_path: Path) -> None:
    result = run("--runs", "2000", "--epochs", "1")
    assert result.exit_code == 0
    assert "2,000 runs of each world, 1 epochs, 5 patients" in result.stdout
    assert "bit for bit the same" in result.stdout
    assert result.stdout.splitlines()[-1].startswith(("pass: no loss", "warn: no loss"))


def test_a_loss_beyond_the_claim_ends_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(privacy_audit._PATHS, "per-site", SigmaHalved)
    result = run("--runs", "400")
    assert result.exit_code == 1
    assert "FAIL: the releases give away more than is claimed" in result.stdout
    assert "NOT THE SAME" in result.stdout


def test_other_bits_by_message_fail_whatever_the_bounds_say() -> None:
    sound = audit_protocol(protocol(), trust="per-site", runs=400, seed=1, epochs=1, patients=None)
    assert sound.verdict is not AuditVerdict.FAIL
    assert replace(sound, replay_is_exact=False).verdict is AuditVerdict.FAIL


def test_what_it_refuses(tmp_path: Path) -> None:
    protocol().dump(tmp_path / "protocol.json")
    result = run("--protocol", str(tmp_path / "protocol.json"), "--trust", "secure-sum")
    assert result.exit_code == 1
    assert "minimum_cohort and honest_fraction" in result.stderr
    assert "even number" in run("--runs", "101").stderr
    assert run("--runs", "10").exit_code == 2


def test_standard_protocols_have_no_concerns() -> None:
    assert standard_protocol(epsilon=3.0, trust="per-site").concerns() == ()
    assert standard_protocol(epsilon=1.0, trust="secure-sum").cohort is not None
