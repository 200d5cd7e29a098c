"""`kelsey simulate`: its files, its keys, what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kelsey.cli import cli
from tests.structure.repository import ROOT

SMALL = ["--sites", "20", "--reports", "5000", "--drugs", "20", "--reactions", "30", "--signals", "6"]
KEYS = {
    "settings", "reports", "patients", "pairs", "weight_kept", "weight_scale", "recall", "recall_nonprivate",
    "recall_ratio", "fdr", "flagged", "rank_recall", "rank_recall_nonprivate", "auc", "auprc",
    "noise_factor_month_end", "noise_sd", "detectable_excess", "coverage", "coverage_rrr", "views",
}  # fmt: skip


def run(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["simulate", *SMALL, "--out", str(folder / "out"), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("simulation")
    options = ("--epsilon", "3", "--epsilon", "1", "--compare", "wallets", "--compare", "margins", "--json")
    code, output = run(folder, *options)
    assert code == 0, output
    return folder / "out", json.loads(output)


def test_json_has_the_documented_keys(simulated: tuple[Path, dict[str, Any]]) -> None:
    _, document = simulated
    assert set(document) == KEYS
    page = (ROOT / "docs" / "simulate.md").read_text("utf-8")
    assert [key for key in [*document, *document["views"][0]] if f"`{key}`" not in page] == []
    assert document["noise_factor_month_end"] == pytest.approx(2.236, abs=0.005)
    assert 0 <= document["recall"] <= document["recall_nonprivate"] + 0.2
    assert document["fdr"] is None or 0 <= document["fdr"] <= 1


def test_folder_holds_what_was_printed(simulated: tuple[Path, dict[str, Any]]) -> None:
    out, document = simulated
    assert json.loads((out / "simulation.json").read_text("utf-8")) == document
    with (out / "views.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [view["name"] for view in document["views"]]
    studies = [row["study"] for row in rows]
    assert {name: studies.count(name) for name in studies} == {"architecture": 14, "wallet": 20, "margins": 12}
    with (out / "bands.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 4 * len(rows)
    page = (out / "index.html").read_text("utf-8")
    assert page.count("<svg") == 2
    assert "Other wallets" in page and "Other shares of the budget" in page
    for name in ("recall.svg", "bands.svg"):
        assert (out / name).read_text("utf-8").startswith("<svg")


def test_words_are_a_table_of_the_views(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--epsilon", "2", "--cadence", "month", "--trust", "per-site", "--signals", "0")
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()[2:8]] == ["exact", "bounded", *["secure-sum"] * 2,
                                                                      *["per-site"] * 2]  # fmt: skip
    assert "noise factor at month-ends, all-in: 8.2" in output  # 1.85 of twelve months, root of 20 sites
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "<svg" not in page and "nothing to judge" in page


def test_one_failure_one_line(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--epsilon", "3", "--honest-fraction", "2")
    assert code == 1
    assert output == "kelsey: honest_fraction must lie in (0, 1], not 2.0\n"
    assert not (tmp_path / "out").exists()
    assert run(tmp_path, "--epsilon", "3", "--cadence", "hour")[0] == 2
    assert run(tmp_path)[0] == 2
