"""`kelsey score --exposure`: rates beside the measures, empty where there is no exposure, errors by their row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from detectors.exposure import ExposureRateRatio, ReportingRate
from kelsey.cli import cli
from kelsey.score_input import read_counts

COUNTS = "drug,reaction,count\nmmr,fever,12\nmmr,rash,3\ndtp,fever,40\nopv,fever,5\nnew,rash,2\n"
REPORTS = "case_id,drug,reaction,sex\n1,mmr,fever,f\n2,mmr,fever,m\n2,dtp,fever,m\n3,opv,rash,m\n"
RATES = [*ReportingRate.columns, *ExposureRateRatio.columns]


def score(folder: Path, exposure: str, *options: str, kind: str = "--counts", text: str = COUNTS) -> Result:
    (folder / "in.csv").write_text(text)
    (folder / "exposure.csv").write_text(exposure)
    arguments = ["score", kind, str(folder / "in.csv"), "--out", str(folder / "out.csv")]
    return CliRunner().invoke(cli, [*arguments, "--exposure", str(folder / "exposure.csv"), *options])


def test_rates_stand_beside_the_measures(tmp_path: Path) -> None:
    result = score(tmp_path, "drug,exposure\nmmr,2.5\ndtp,4e0\nopv,\n", "--measures", "prr", "--json")
    assert result.exit_code == 0, result.stderr
    frame = pl.read_csv(tmp_path / "out.csv")
    assert frame.columns[-7:] == [*RATES, "ema"]
    arrays, given = read_counts(tmp_path / "in.csv"), {"mmr": 2.5, "dtp": 4.0}
    for measure in (ReportingRate(level=0.95), ExposureRateRatio(level=0.95)):
        written = frame.select(pl.col(measure.columns).fill_null(np.nan)).to_numpy()
        np.testing.assert_array_equal(written, measure.score_many(arrays, given))
    without = frame.filter(pl.col("drug").is_in(["opv", "new"]))
    assert without.select(RATES).null_count().row(0) == (2,) * 6
    summary = json.loads(result.stdout)
    assert summary["drugs_with_exposure"] == 2
    assert summary["variants"]["rate"] == "exact Poisson limits"
    assert summary["variants"]["rate_ratio"] == "conditional binomial limits"


def test_a_rule_may_speak_of_rates(tmp_path: Path) -> None:
    rule = tmp_path / "mine.toml"
    rule.write_text(
        '[mine]\ntitle="t"\nsource="s"\nsource_date=2026-01-01\nconditions=[{column="rate_ratio_lower", above=1}]\n'
    )
    result = score(tmp_path, "drug,exposure\nmmr,2\ndtp,90\n", "--rule", str(rule), "--json")
    assert json.loads(result.stdout)["rules"] == {"mine": 2}


def test_reports_and_what_a_condition_leaves_out(tmp_path: Path) -> None:
    exposure = "drug,exposure\nmmr,10\ndtp,20\nopv,30\n"
    result = score(tmp_path, exposure, "--subset", "sex=f", kind="--reports", text=REPORTS)
    assert result.exit_code == 0, result.stderr
    assert pl.read_csv(tmp_path / "out.csv").select("drug", "rate").rows() == [("mmr", 0.1)]
    assert "drugs with exposure" in result.stdout


def test_groups_have_the_exposure_of_the_group(tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("kind,name,group\ndrug,mmr,live\ndrug,opv,live\n")
    options = ("--groups", str(groups))
    result = score(tmp_path, "drug,exposure\nlive,4\n", *options, kind="--reports", text=REPORTS)
    assert result.exit_code == 0, result.stderr
    frame = pl.read_csv(tmp_path / "out.csv").filter(pl.col("drug") == "live")
    assert frame.select("reaction", "rate").rows() == [("fever", 0.5), ("rash", 0.25)]
    refused = score(tmp_path, "drug,exposure\nmmr,4\n", *options, kind="--reports", text=REPORTS)
    assert "exposure.csv: row 2: no report names the drug 'mmr'" in refused.stderr


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("mmr,2\ndpt,4", "row 3: no report names the drug 'dpt' (the nearest are 'dtp'"),
        ("mmr,2\ndtp,-4", "row 3: exposure must be a number above 0, not '-4'"),
        ("mmr,0", "row 2: exposure must be a number above 0, not '0'"),
        ("mmr,nan", "row 2: exposure must be a number above 0, not 'nan'"),
        ("mmr,inf", "row 2: exposure must be a number above 0, not 'inf'"),
        ("mmr,many", "row 2: exposure must be a number above 0, not 'many'"),
        ('mmr,"1,000"', "row 2: exposure must be a number above 0, not '1,000'"),
        ("mmr,2\nmmr,2", "row 3: the drug 'mmr' stands there a second time"),
        ("mmr,2\n,3", "row 3: drug has no value"),
        ("mmr,\ndtp, ", "column exposure has no value in any row"),
        ("", "the file holds no row, only a header"),
    ],
)
def test_exposures_that_cannot_be(tmp_path: Path, rows: str, message: str) -> None:
    result = score(tmp_path, f"drug,exposure\n{rows}\n" if rows else "drug,exposure\n")
    assert (result.exit_code, (tmp_path / "out.csv").exists(), result.stdout) == (1, False, "")
    assert f"exposure.csv: {message}" in result.stderr
    assert result.stderr.count("\n") == 1
