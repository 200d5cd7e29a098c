"""The published results of public data, as the command line prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from kelsey.cli import cli

pytestmark = pytest.mark.shared_data


def score(frame: pl.DataFrame, kind: str, folder: Path, *options: str) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The file written, read as a stranger would, and the summary."""
    source, out = folder / "in.csv", folder / "out.csv"
    frame.write_csv(source)
    result = CliRunner().invoke(cli, ["score", kind, str(source), "--out", str(out), "--json", *options])
    assert result.exit_code == 0, result.stderr
    return pl.read_csv(out), json.loads(result.stdout)


def row(frame: pl.DataFrame, drug: str, reaction: str) -> dict[str, Any]:
    return frame.row(by_predicate=(pl.col("drug") == drug) & (pl.col("reaction") == reaction), named=True)


def printed(frame: pl.DataFrame, drug: str, reaction: str, *columns: str, digits: int = 4) -> list[float]:
    found = row(frame, drug, reaction)
    return [round(found[column], digits) for column in columns]


LIMITS = ("n", "expected", "ic", "ic_lower", "ic_upper", "prr", "prr_lower", "prr_upper")


def test_pvda(tmp_path: Path, shared_data: Path) -> None:
    source = pl.read_csv(shared_data / "synthetic" / "pvda_drug_event_df.csv", infer_schema=False)
    reports = source.rename({"report_id": "case_id", "event": "reaction"})
    frame, summary = score(reports, "--reports", tmp_path)
    assert (summary["reports"], summary["pairs"]) == (1000, len(frame)) == (1000, 1306)
    assert printed(frame, "Drug_Z", "Event_1", *LIMITS, "ror", "ror_lower", "ror_upper") == [
        88, 55.568, 0.6585, 0.3412, 0.944, 1.7671, 1.4975, 2.0852, 2.8385, 1.9929, 4.043,
    ]  # fmt: skip
    assert printed(frame, "Drug_V", "Event_2", *LIMITS[:5]) == [80, 56.908, 0.4877, 0.1541, 0.7864]
    assert summary["rules"]["umc"] == 5
    assert frame.filter((pl.col("ror_lower") > 1) & (pl.col("n") >= 3)).height == 6
    part, _ = score(reports, "--reports", tmp_path, "--subset", "group=0.0")
    assert printed(part, "Drug_Z", "Event_1", *LIMITS[:7]) == [45, 26.496, 0.7531, 0.3006, 1.1436, 1.9245, 1.5365]


def test_caers(tmp_path: Path, shared_data: Path) -> None:
    source = pl.read_csv(shared_data / "caers" / "caers_2012_supplements.csv", infer_schema=False)
    reports = source.rename({"id": "case_id", "var1": "drug", "var2": "reaction"})
    frame, summary = score(reports, "--reports", tmp_path)
    assert (summary["reports"], summary["pairs"], summary["drugs"], summary["reactions"]) == (3356, 17189, 2874, 1328)
    assert (int(frame["n"].sum()), round(frame["expected"].sum(), 8)) == (19917, 2086.50446961)
    assert printed(frame, "1-PHENYLALANINE", "HEART RATE INCREASED", "n", "expected", digits=10) == [1, 0.0360548272]
    assert (summary["rules"]["evans"], summary["rules"]["umc"], summary["rules"]["fda"]) == (319, 257, 131)
    assert summary["negative_log_likelihood"] <= 4162.46  # ours is no worse than that printed
    worst = [("REUMOFAN PLUS", "WEIGHT INCREASED", 16, 15.68, 23.26, 33.48),
             ("REUMOFAN PLUS", "IMMOBILE", 6, 10.16, 18.28, 30.83)]  # fmt: skip
    for drug, reaction, n, eb05, ebgm, eb95 in worst:
        found = printed(frame, drug, reaction, "n", "eb05", "ebgm", "eb95")
        assert found == pytest.approx([n, eb05, ebgm, eb95], rel=2e-3)  # by a prior fitted to squashed data


def test_statins(tmp_path: Path, shared_data: Path) -> None:
    source = pl.read_csv(shared_data / "faers" / "tables" / "pvLRT_statin46.csv", infer_schema=False)
    counts = source.rename({"event": "reaction", "n": "count"})
    frame, summary = score(counts, "--counts", tmp_path, "--measures", "llr,ror")
    assert (summary["reactions"], summary["drugs"]) == (47, 7)
    for reaction, drug, n, expected, ratio in (
        ("Myalgia", "Atorvastatin", 5362, 483.119, 8026.5382),
        ("Rhabdomyolysis", "Simvastatin", 1376, 48.5064, 3275.5562),
        ("Myopathy", "Atorvastatin", 849, 26.9011, 2108.5564),
    ):
        assert printed(frame, drug, reaction, "n", "expected", "llr") == [n, expected, ratio]
    # 110 printed as the largest of the whole table; as the largest of the drug, each ratio is at least as rare
    assert frame.filter(pl.col("llr_p") < 0.05).height >= 110
