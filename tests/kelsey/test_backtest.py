"""The back-test on real VAERS years: files, tables that add up, equality with an independent batch computation."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from kelsey.backtest import BacktestSettings, run_backtest
from kelsey.cli import cli
from kelsey.signal_log import SIGNAL_COLUMNS
from privacy.protocol import SurveillanceProtocol
from tests.kelsey.vaers_oracle import Oracle, count_vaers

pytestmark = pytest.mark.shared_data

YEARS = (1990, 1991)


def files(shared_data: Path, *years: int) -> tuple[Path, ...]:
    return tuple(shared_data / "vaers" / f"{year}VAERSData.zip" for year in years)


@pytest.fixture(scope="module")
def replayed(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("backtest")
    arguments = ["backtest", "vaers", *map(str, files(shared_data, *YEARS)), "--out", str(out), "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["epsilon"] <= 3.0
    return out


@pytest.fixture(scope="module")
def oracle(shared_data: Path) -> Oracle:
    return count_vaers(files(shared_data, *YEARS))


def signals(out: Path) -> list[dict[str, str]]:
    with (out / "signals.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_ingest_table_adds_up_to_the_distinct_ids(replayed: Path, oracle: Oracle) -> None:
    ingest = json.loads((replayed / "ingest.json").read_text())
    accounted = ingest["cases"] + ingest["superseded"] + sum(ingest["ignored"].values())
    assert ingest["read"] == accounted + sum(ingest["dead_letters"].values())
    assert ingest["read"] == len(oracle.ids)
    assert sum(site["read"] for site in ingest["sites"].values()) == ingest["read"]
    assert min(site["read"] for site in ingest["sites"].values()) > 0.25 * ingest["read"]


def test_streaming_statistics_equal_the_batch_recomputation(replayed: Path, oracle: Oracle) -> None:
    frame = pl.read_parquet(replayed / "pairs.parquet")
    found = {(row["drug"], row["reaction"]): row for row in frame.iter_rows(named=True)}
    assert {pair: row["n"] for pair, row in found.items()} == dict(oracle.pairs)
    assert len(found) > 4000
    for (drug, reaction), row in found.items():
        assert row["n_drug"] == oracle.n_drug[drug]
        assert row["n_reaction"] == oracle.n_reaction[reaction]
        assert row["n_total"] == oracle.n_total
        for name, value in oracle.scores(drug, reaction).items():
            assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), (drug, reaction, name)


def test_signals_hold_each_pair_once_a_view_and_meet_their_rule(replayed: Path) -> None:
    rows = signals(replayed)
    assert tuple(rows[0]) == SIGNAL_COLUMNS
    keys = [(row["view"], row["site"], row["drug"], row["reaction"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {row["view"] for row in rows} == {"pooled", "site", "hub"}
    assert {row["site"] for row in rows if row["view"] == "site"} == {"site-1", "site-2", "site-3"}
    for row in rows:
        first = date.fromisoformat(row["first_date"])
        assert date(1990, 7, 1) <= first <= date(1991, 12, 31)
        if row["view"] == "hub":
            assert float(row["noise_sd"]) > 1
            continue
        assert row["noisy_value"] == row["noise_sd"] == ""
        rules = set(row["rule"].split(";"))
        assert ("umc" in rules) == (float(row["ic_lower_at_first"]) > 0)
        if "evans" in rules:
            assert float(row["prr_at_first"]) >= 2
            assert float(row["reports_at_first"]) >= 3


def test_only_signed_releases_left_the_sites(replayed: Path) -> None:
    privacy = json.loads((replayed / "privacy.json").read_text())
    protocol = SurveillanceProtocol.decode(json.dumps(privacy["protocol"]).encode())
    assert protocol.hash == privacy["protocol_hash"]
    lines = (replayed / "releases.ndjson").read_bytes().splitlines()
    assert len(lines) == 3 * protocol.calendar.count
    assert privacy["epsilon"] == pytest.approx(3.0, rel=1e-3)
    assert privacy["epsilon"] <= 3.0
    assert set(privacy["sigma_by_table"]) == {"pair", "drug", "reaction"}
    for site in privacy["spend"].values():
        assert site["budget"]["epochs_released"] == protocol.calendar.count
        assert site["budget"]["epsilon_spent"] <= 3.0


def test_the_page_says_which_cells_and_what_that_assumes(replayed: Path) -> None:
    text = (replayed / "index.html").read_text()
    assert "occur in the replayed files themselves" in text
    assert text.count("<svg") == 4


def test_without_privacy_there_is_no_hub_and_workers_change_nothing(shared_data: Path, tmp_path: Path) -> None:
    def run(name: str, workers: int) -> Path:
        run_backtest(
            BacktestSettings(
                files=files(shared_data, 1990),
                out=tmp_path / name,
                site_count=3,
                epoch_unit="week",
                epsilon=None,
                delta=None,
                worker_count=workers,
            )
        )
        return tmp_path / name

    one, two = run("one", 1), run("two", 2)
    assert (one / "pairs.parquet").read_bytes() == (two / "pairs.parquet").read_bytes()
    assert (one / "signals.csv").read_bytes() == (two / "signals.csv").read_bytes()
    assert {row["view"] for row in signals(one)} == {"pooled", "site"}
    assert (one / "releases.ndjson").read_bytes() == b""
    assert json.loads((one / "privacy.json").read_text())["protocol"] is None


def test_history_gives_the_active_cells(shared_data: Path, tmp_path: Path) -> None:
    history = count_vaers(files(shared_data, 1990))
    replayed = count_vaers(files(shared_data, 1991))
    arguments = ["backtest", "vaers", *map(str, files(shared_data, 1991)), "--out", str(tmp_path), "--sites", "2"]
    result = CliRunner().invoke(cli, [*arguments, "--history", str(files(shared_data, 1990)[0])])
    assert result.exit_code == 0, result.output
    protocol = json.loads((tmp_path / "privacy.json").read_text())["protocol"]
    assert set(replayed.n_drug) <= set(protocol["drugs"])
    assert set(history.n_reaction) <= set(protocol["reactions"])
    assert set(replayed.n_reaction) - set(protocol["reactions"])
    assert "earlier years given as history" in (tmp_path / "index.html").read_text()


def test_under_secure_sum_the_hub_sees_the_same_reports_through_less_noise(shared_data: Path, tmp_path: Path) -> None:
    seen = {}
    for trust in ("per-site", "secure-sum"):
        arguments = ["backtest", "vaers", *map(str, files(shared_data, 1990)), "--out", str(tmp_path / trust)]
        result = CliRunner().invoke(cli, [*arguments, "--sites", "8", "--trust", trust, "--json"])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["epsilon"] <= 3.0
        seen[trust] = {(row["drug"], row["reaction"]) for row in signals(tmp_path / trust) if row["view"] == "hub"}
    assert (tmp_path / "per-site/pairs.parquet").read_bytes() == (tmp_path / "secure-sum/pairs.parquet").read_bytes()
    assert len(seen["secure-sum"]) > len(seen["per-site"])
