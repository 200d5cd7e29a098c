"""`kelsey context`: the same numbers as the Python API, in words and as JSON, and what it refuses."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from detectors.context import Masking, Timeline
from kelsey.cli import cli

COUNTS = [("old", "bleeding", 60), ("old", "rash", 10), ("new", "bleeding", 6), ("new", "rash", 20), ("c", "rash", 100)]


@pytest.fixture
def frame() -> pl.DataFrame:
    named = [(d, r, date(2025, 1 + k % 12, 1)) for d, r, count in COUNTS for k in range(count)]
    return pl.DataFrame(named, schema=["drug", "reaction", "date"], orient="row").with_row_index("case_id")


@pytest.fixture
def reports(tmp_path: Path, frame: pl.DataFrame) -> str:
    frame.write_csv(tmp_path / "reports.csv")
    return str(tmp_path / "reports.csv")


def run(command: str, reports: str, *options: str, drug: str = "new") -> tuple[int, str]:
    pair = ["--drug", drug, "--reaction", "bleeding"]
    result = CliRunner().invoke(cli, ["context", command, reports, *pair, *options])
    return result.exit_code, result.output


def test_masking(reports: str, frame: pl.DataFrame) -> None:
    code, out = run("masking", reports)
    assert code == 0
    assert "old hides the pair most; 1 products" in out
    facts = json.loads(run("masking", reports, "--json")[1])
    expected = Masking.of(frame, "new", "bleeding")
    assert facts["strongest"] == "old"
    assert facts["value"]["point"] == expected.value.point
    assert [each["gain"] for each in facts["products"]] == [each.gain for each in expected.products]


def test_timeline(reports: str, frame: pl.DataFrame) -> None:
    code, out = run("timeline", reports, drug="old")
    assert code == 0
    assert "lower limit above 0 first on 2025-0" in out
    assert "acceleration: IC of the last 2" in out
    facts = json.loads(run("timeline", reports, "--json", "--period", "month", drug="old")[1])
    expected = Timeline.of(frame, "old", "bleeding", period="month", recent=2)
    assert facts["first_crossed"] == str(expected.first_crossed)
    assert [row["cumulative_ic"] for row in facts["periods"]] == expected.periods["cumulative_ic"].to_list()
    assert facts["acceleration"]["n_recent"] == 10


def test_json_has_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "gap.csv"
    path.write_text("case_id,drug,reaction,date\n1,new,bleeding,2025-01-01\n2,new,rash,20250401\n3,old,rash,\n")
    out = run("timeline", str(path), "--json", "--period", "month")[1]
    assert "NaN" not in out
    facts = json.loads(out)
    assert facts["periods"][1]["ic"] is None
    assert (facts["undated"], facts["periods"][1]["n_total"]) == (1, 0)
    assert "no product hides the pair" in run("masking", str(path))[1]


@pytest.mark.parametrize(
    ("row", "command", "message"),
    [
        ("1,new,,2025-01-01", "masking", "row 3: column reaction has no value"),
        ("1,new,bleeding,2025-13-01", "timeline", "row 3: date must be a day"),
        ("1,new,bleeding,2025-02-01", "timeline", "row 3: the report has another day in another row"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: str, command: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"case_id,drug,reaction,date\n1,new,bleeding,2025-01-01\n{row}\n")
    code, out = run(command, str(path))
    assert code == 1
    assert message in out


def test_a_misspelt_drug_offers_the_nearest(reports: str) -> None:
    code, out = run("masking", reports, drug="neww")
    assert code == 1
    assert "no report names the drug 'neww' (the nearest are 'new')" in out
