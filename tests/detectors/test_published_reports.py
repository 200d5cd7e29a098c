"""The statistics of real and simulated report data whose results are published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detectors import CountTable, ExactReportingOddsRatio, load_presets, score_all, score_pairs

pytestmark = pytest.mark.shared_data


def read(path: Path, case: str, drug: str, reaction: str, *strata: str) -> CountTable:
    frame = pl.read_csv(path, infer_schema=False)
    return CountTable.from_reports(
        frame[case], frame[drug], frame[reaction], {name: frame[name] for name in strata} or None
    )


@pytest.fixture(scope="module")
def pvda(shared_data: Path) -> CountTable:
    return read(shared_data / "synthetic" / "pvda_drug_event_df.csv", "report_id", "drug", "event", "group")


@pytest.fixture(scope="module")
def caers(shared_data: Path) -> CountTable:
    return read(shared_data / "caers" / "caers_2012_supplements.csv", "id", "var1", "var2")


PVDA_COLUMNS = (
    "n", "expected", "ic", "ic_lower", "ic_upper", "prr", "prr_lower", "prr_upper", "ror", "ror_lower", "ror_upper",
)  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "published"),
    [
        (
            ("Drug_Z", "Event_1"),
            (88, 55.568, 0.6585, 0.3412, 0.944, 1.7671, 1.4975, 2.0852, 2.8385, 1.9929, 4.043),
        ),
        (("Drug_Z", "Event_2"), (75, 52.397, 0.5133, 0.1681, 0.8211)),
        (("Drug_V", "Event_2"), (80, 56.908, 0.4877, 0.1541, 0.7864)),
    ],
)
def test_pvda_top_pairs(pvda: CountTable, pair: tuple[str, str], published: tuple[float, ...]) -> None:
    scores = score_pairs(pvda, [pair])
    assert [round(float(scores[name][0]), 4) for name in PVDA_COLUMNS[: len(published)]] == list(published)


def test_pvda_counts_of_flagged_pairs(pvda: CountTable) -> None:
    scores = score_all(pvda.arrays())
    assert (pvda.report_count, len(scores["n"])) == (1000, 1306)
    assert int((scores["ic_lower"] > 0).sum()) == 5
    assert int(load_presets()["umc"].flags(scores).sum()) == 5
    assert int(((scores["prr_lower"] > 1) & (scores["n"] >= 3)).sum()) == 6
    assert int(((scores["ror_lower"] > 1) & (scores["n"] >= 3)).sum()) == 6


@pytest.mark.parametrize(
    ("group", "digits", "published"),
    [
        ("0.0", 4, (45, 26.496, 0.7531, 0.3006, 1.1436, 1.9245, 1.5365)),
        ("1.0", 2, (43, 29.1, 0.56, 0.09, 0.96, 1.63, 1.28)),
    ],
)
def test_pvda_by_group(pvda: CountTable, group: str, digits: int, published: tuple[float, ...]) -> None:
    arrays = pvda.arrays(stratum=(group,))
    row = list(zip(arrays.drug, arrays.reaction, strict=True)).index(("Drug_Z", "Event_1"))
    scores = score_all(arrays)
    got = [round(float(scores[name][row]), digits) for name in PVDA_COLUMNS[:7]]
    assert round(got[1], 3 if digits == 4 else 1) == published[1]
    assert got[2:] == list(published[2:])
    assert got[0] == published[0]


def test_caers_counts_reports_not_rows(shared_data: Path, caers: CountTable) -> None:
    arrays = caers.arrays()
    assert len(pl.read_csv(shared_data / "caers" / "caers_2012_supplements.csv", infer_schema=False)) == 20156
    assert caers.report_count == 3356  # 19,917 rows of distinct pairs
    assert (len(arrays), int(arrays.n.sum()), int((arrays.n >= 3).sum())) == (17189, 19917, 439)
    assert (len(arrays.drug_names), len(arrays.reaction_names)) == (2874, 1328)
    assert arrays.expected.sum() == pytest.approx(2086.50446961, rel=1e-11)


@pytest.mark.parametrize(
    ("drug", "reaction", "n", "expected", "ratio", "prr"),
    [
        ("1-PHENYLALANINE", "HEART RATE INCREASED", 1, 0.0360548272, 27.74, 27.96),
        ("11 UNSPECIFIED VITAMINS", "ASTHMA", 1, 0.0038736591, 258.15, 279.58),
        ("11 UNSPECIFIED VITAMINS", "CARDIAC FUNCTION TEST", 1, 0.0002979738, 3356.0, None),
    ],
)
def test_caers_first_rows(
    caers: CountTable, drug: str, reaction: str, n: int, expected: float, ratio: float, prr: float | None
) -> None:
    scores = score_pairs(caers, [(drug, reaction)])
    cell = caers.pair(drug, reaction)
    assert (cell.n, round(cell.expected, 10), round(cell.n / cell.expected, 2)) == (n, expected, ratio)
    # openEBGM's PRR is uncorrected; so is ours unless a cell is 0
    a, b, c = cell.n, cell.n_drug - cell.n, cell.n_reaction - cell.n
    d = cell.n_total - a - b - c
    if prr is None:
        assert c == 0
    elif b:
        assert round(float(scores["prr"][0]), 2) == prr
    else:
        assert round((a / (a + b)) / (c / (c + d)), 2) == prr
    assert np.isfinite(scores["prr"][0])


def test_caers_flagged_pairs(caers: CountTable) -> None:
    scores, presets = score_all(caers.arrays()), load_presets()
    assert int((scores["ic_lower"] > 0).sum()) == 257
    assert int(presets["umc"].flags(scores).sum()) == 257
    assert int(presets["evans"].flags(scores).sum()) == 319  # with Yates' correction


def test_caers_as_a_stream_equals_caers_as_columns(shared_data: Path, caers: CountTable) -> None:
    frame = pl.read_csv(shared_data / "caers" / "caers_2012_supplements.csv", infer_schema=False)
    single = (
        frame.group_by("id")
        .agg(pl.col("var1").unique(), pl.col("var2").unique())
        .filter(
            pl.col("var1").list.len() == 1  # the rows of one drug are all combinations of it and the reactions
        )
    )
    streamed = CountTable()
    for _, drugs, reactions in single.iter_rows():
        streamed.update(drugs, reactions)
    rows = frame.filter(pl.col("id").is_in(single["id"].implode()))
    assert streamed == CountTable.from_reports(rows["id"], rows["var1"], rows["var2"])
    assert streamed.report_count == 2564


@pytest.mark.parametrize(
    ("drugs", "reaction", "published"),
    [
        ({"paracetamol"}, "nausea", (2, 1.57, 0.17, 6.64)),
        ({"infliximab", "etanercept", "adalimumab"}, "nausea", (3, 1.32, 0.25, 4.53)),
    ],
)
def test_diana_odds_ratios(
    shared_data: Path, drugs: set[str], reaction: str, published: tuple[int, float, float, float]
) -> None:
    """Printed cut off after two digits; a report whose drug has no name counts in the total."""
    folder = shared_data / "faers" / "diana_sample"
    drug = pl.read_csv(folder / "Drug.csv", infer_schema=False).with_columns(pl.col("substance").fill_null("(no name)"))
    rows = drug.join(pl.read_csv(folder / "Reac.csv", infer_schema=False), on="primaryid")
    group = pl.when(pl.col("substance").is_in(list(drugs))).then(pl.lit("group")).otherwise("substance")
    rows = rows.with_columns(group.alias("substance"))
    table = CountTable.from_reports(rows["primaryid"], rows["substance"], rows["pt"])
    cell, found = table.pair("group", reaction), ExactReportingOddsRatio(level=0.95).score_one(table, "group", reaction)
    assert (cell.n, cell.n_total) == (published[0], 1000)
    for value, printed in zip((found.point, found.lower, found.upper), published[1:], strict=True):
        assert printed <= value < printed + 0.01
