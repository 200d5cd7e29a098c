"""Masking and timeline beside recounts of whole tables, onset beside scipy and enumeration; and what is refused."""

from __future__ import annotations

from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from scipy import stats

from cases import ParameterError, UnknownTermError
from detectors import ChiSquare, CountTable, InformationComponent, ReportingOddsRatio, score_all
from detectors.context import Masking, OnsetComparison, Timeline
from detectors.context._two_samples import anderson_darling, kolmogorov_smirnov
from tests.detectors.context_reports import report_frames


def recount(frame: pl.DataFrame) -> dict[str, Any] | None:
    """All measures of (a, x), by the count table; None where (a, x) is not reported."""
    table = CountTable.from_reports(frame["case_id"], frame["drug"], frame["reaction"])
    arrays = table.arrays()
    pairs = list(zip(arrays.drug, arrays.reaction, strict=True))
    if ("a", "x") not in pairs:
        return None
    return {name: column[pairs.index(("a", "x"))] for name, column in score_all(arrays).items()}


@given(report_frames())
def test_unmasking_is_the_table_without_the_product(frame: pl.DataFrame) -> None:
    masking = Masking.of(frame, "a", "x", measure=ReportingOddsRatio(level=0.95))
    whole = recount(frame)
    if whole is not None:
        assert_array_equal(
            [masking.n, masking.value.point, masking.value.lower], [whole[name] for name in ("n", "ror", "ror_lower")]
        )  # NaN where rows that are no combinations leave a cell below 0
    named = frame.filter(pl.col("case_id").is_in(frame.filter(pl.col("reaction") == "x")["case_id"].implode()))
    assert {each.product for each in masking.products} == set(named["drug"]) - {"a"}
    for each in masking.products:
        with_product = frame.filter(pl.col("drug") == each.product)["case_id"].implode()
        rest = recount(frame.filter(~pl.col("case_id").is_in(with_product)))
        if rest is None or whole is None:
            continue
        assert [each.n, each.n_drug, each.n_reaction, each.n_total] == [
            rest[name] for name in ("n", "n_drug", "n_reaction", "n_total")
        ]
        assert_array_equal(
            [each.value.point, each.value.lower, each.value.upper],
            [rest[name] for name in ("ror", "ror_lower", "ror_upper")],
        )
        assert each.masking_ratio == pytest.approx(rest["prr"] / whole["prr"], rel=1e-12, nan_ok=True)
        assert_array_equal(each.gain, each.value.point - masking.value.point)
    gains = [each.gain for each in masking.products if not np.isnan(each.gain)]
    assert gains == sorted(gains, reverse=True)
    assert (masking.strongest is not None) == bool(gains and gains[0] > 0)


@given(report_frames(), st.randoms())
def test_the_order_of_rows_does_not_matter(frame: pl.DataFrame, random: Any) -> None:
    order = list(range(len(frame)))
    random.shuffle(order)
    assert repr(Masking.of(frame[order], "a", "x")) == repr(Masking.of(frame, "a", "x"))
    one, other = (Timeline.of(rows, "a", "x", period="quarter") for rows in (frame, frame[order]))
    assert one.periods.equals(other.periods, null_equal=True)
    assert (one.first_crossed, one.acceleration) == (other.first_crossed, other.acceleration)


def test_without_co_reports_only_the_background_changes() -> None:
    counts = [("a", "x", 5), ("a", "y", 95), ("b", "x", 300), ("b", "y", 700), ("c", "x", 10), ("c", "y", 890)]
    rows = [(drug, reaction) for drug, reaction, count in counts for _ in range(count)]
    frame = pl.DataFrame(rows, schema=["drug", "reaction"], orient="row").with_row_index("case_id")
    masking = Masking.of(frame, "a", "x")
    first, second = masking.products
    assert (first.product, first.n, first.n_drug, first.n_reaction, first.n_total) == ("b", 5, 100, 15, 1000)
    assert masking.strongest is first
    assert first.masking_ratio == pytest.approx((5 / 100) / (10 / 900) / ((5 / 100) / (310 / 1900)), rel=1e-12)
    assert first.value.point == pytest.approx(np.log2(5.5 / (100 * 15 / 1000 + 0.5)), rel=1e-12)
    assert second.gain < 0 < first.gain
    assert second.masking_ratio < 1


def by_hand(frame: pl.DataFrame, until: date, since: date = date.min) -> dict[str, Any] | None:
    return recount(part) if len(part := frame.filter(pl.col("date").is_between(since, until))) else None


@settings(max_examples=25)
@given(report_frames())
def test_the_timeline_is_the_table_of_each_prefix_and_of_each_period(frame: pl.DataFrame) -> None:
    timeline = Timeline.of(frame, "a", "x", period="month")
    starts = timeline.periods["period"].to_list()
    assert starts[0] == min(frame["date"].to_list()).replace(day=1)
    for row, end in zip(timeline.periods.rows(named=True), [*starts[1:], date(2100, 1, 1)], strict=True):
        last = date.fromordinal(end.toordinal() - 1)
        for prefix, scores in (("cumulative_", by_hand(frame, last)), ("", by_hand(frame, last, row["period"]))):
            if scores is None:
                assert row[prefix + "n"] == 0
                continue
            for name in ("n", "n_drug", "n_reaction", "n_total", "expected", "ic", "ic_lower", "ic_upper"):
                assert row[prefix + name] == pytest.approx(scores[name], rel=1e-12, abs=1e-12), name
    assert timeline.periods["n"].sum() == timeline.periods["cumulative_n"][-1]
    crossed = [day for day in sorted(set(frame["date"])) if (scores := by_hand(frame, day)) and scores["ic_lower"] > 0]
    assert timeline.first_crossed == (crossed[0] if crossed else None)
    assert timeline.is_above_at_end == bool(crossed and crossed[-1] == max(frame["date"]))


def steady(monthly: list[int]) -> pl.DataFrame:
    rows = [("a", "x", date(2025, month, 1)) for month, count in enumerate(monthly, 1) for _ in range(count)]
    for drug, reaction, count in (("a", "y", 10), ("b", "x", 10), ("b", "y", 100)):
        rows += [(drug, reaction, date(2025, month, 2)) for month in range(1, len(monthly) + 1) for _ in range(count)]
    return pl.DataFrame(rows, schema=["drug", "reaction", "date"], orient="row").with_row_index("case_id")


def test_acceleration() -> None:
    even = Timeline.of(steady([3] * 9), "a", "x").acceleration
    assert even is not None
    assert (even.n_recent, even.n_before) == (9, 18)
    assert even.expected_recent == pytest.approx(3 * 13 * 13 / 123, rel=1e-12)
    assert even.expected_before == pytest.approx(6 * 13 * 13 / 123, rel=1e-12)
    assert abs(even.log2_ratio) < 0.1
    rising = Timeline.of(steady([1, 1, 1, 1, 1, 1, 9, 9, 9]), "a", "x").acceleration
    assert rising is not None
    assert rising.log2_ratio > 1
    share = rising.expected_recent / (rising.expected_recent + rising.expected_before)
    assert rising.p_value == pytest.approx(stats.binomtest(27, 33, share, alternative="greater").pvalue, rel=1e-10)
    assert rising.p_value < 0.01 < 0.3 < even.p_value
    assert Timeline.of(steady([3, 3, 3]), "a", "x").acceleration is None  # nothing before is not "no change"


def test_days_that_are_not_there() -> None:
    frame = steady([2, 2]).with_columns(pl.when(pl.col("case_id") > 2).then("date"))
    timeline = Timeline.of(frame, "a", "x", period="year")
    assert timeline.undated == 3
    assert timeline.periods["n_total"].to_list() == [len(frame) - 3]
    gap = frame.with_columns(date=pl.Series([date(2024, 1, 5)] * (len(frame) - 1) + [date(2024, 4, 5)]))
    periods = Timeline.of(gap, "a", "x").periods
    assert periods["period"].to_list() == [date(2024, month, 1) for month in (1, 2, 3, 4)]
    assert np.isnan(periods["ic"][1])
    assert periods["cumulative_ic"][1] == periods["cumulative_ic"][0]


@pytest.mark.parametrize("seed", range(4))
def test_distances_are_those_of_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    pooled = generator.integers(0, 12, 60) if seed else np.arange(60)
    generator.shuffle(pooled)
    values, codes = np.unique(pooled, return_inverse=True)
    ties, scale = np.bincount(codes), []
    for _ in range(5):
        generator.shuffle(codes)
        first = np.bincount(codes[:23], minlength=len(values))
        one, two = values[codes[:23]], values[codes[23:]]
        assert kolmogorov_smirnov(first, ties) == pytest.approx(stats.ks_2samp(one, two).statistic, abs=1e-12)
        draws = stats.PermutationMethod(n_resamples=2, rng=np.random.default_rng(0))
        standardised = stats.anderson_ksamp([one, two], method=draws, variant="midrank").statistic
        scale.append((float(anderson_darling(first, ties)) - 1) / standardised)
    # scipy gives (A - 1) / sigma, where sigma depends on the sizes alone
    assert scale == pytest.approx([scale[0]] * 5, rel=1e-9)
    assert 0.6 < scale[0] < 0.9


def test_p_values_are_those_of_all_relabellings() -> None:
    onset, other = np.array([1, 1, 2, 4]), np.array([2, 3, 3, 5, 9, 9])
    pooled = np.concatenate([onset, other])
    values, codes = np.unique(pooled, return_inverse=True)
    ties = np.bincount(codes)
    observed = np.bincount(codes[:4], minlength=len(values))
    every = np.array([np.bincount(codes[list(kept)], minlength=len(values)) for kept in combinations(range(10), 4)])
    comparison = OnsetComparison.of(onset, other, generator=np.random.default_rng(2), resamples=20_000)
    for distance, found in (
        (kolmogorov_smirnov, comparison.ks_p),
        (anderson_darling, comparison.anderson_darling_p),
    ):
        exact = float((distance(every, ties) >= distance(observed, ties) - 1e-12).mean())
        assert found == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5)


def test_the_p_value_keeps_its_level() -> None:
    generator = np.random.default_rng(11)
    below: NDArray[np.int64] = np.zeros(2, dtype=np.int64)
    for _ in range(400):
        pooled = generator.geometric(0.3, 40)
        comparison = OnsetComparison.of(pooled[:10], pooled[10:], generator=generator, resamples=99)
        below += np.array([comparison.ks_p <= 0.1, comparison.anderson_darling_p <= 0.1])
    assert (below <= 400 * 0.1 + 3 * (400 * 0.09) ** 0.5).all()
    assert below[1] >= 400 * 0.1 - 3.5 * (400 * 0.09) ** 0.5


def test_identical_samples_and_seeds() -> None:
    same = OnsetComparison.of([3, 3], [3, 3, 3], generator=np.random.default_rng(0), resamples=19)
    assert (same.ks, same.ks_p, same.anderson_darling, same.anderson_darling_p) == (0, 1, 0, 1)
    one, two = (OnsetComparison.of([1, 2, 9], [4, 5, 6], generator=np.random.default_rng(5)) for _ in range(2))
    assert one == two


def test_onset_of_reports() -> None:
    rows = [
        ("1", "a", "x", 4), ("1", "a", "x", 2), ("1", "a", "y", 0), ("2", "a", "x", 3), ("3", "a", "y", 8),
        ("3", "b", "y", 1), ("4", "a", "y", 9), ("4", "a", "z", 7), ("5", "a", "x", None), ("6", "b", "x", 1),
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=["case_id", "drug", "reaction", "onset_days"], orient="row")
    made = OnsetComparison.of_reports(frame, "a", "x", generator=np.random.default_rng(0), resamples=99)
    assert made == OnsetComparison.of([2, 3], [8, 7], generator=np.random.default_rng(0), resamples=99)
    with pytest.raises(ParameterError, match="row 3"):
        bad = frame.with_columns(onset_days=pl.when(pl.int_range(pl.len()) == 3).then(-1).otherwise("onset_days"))
        OnsetComparison.of_reports(bad, "a", "x", generator=np.random.default_rng(0))
    with pytest.raises(ParameterError, match="other must hold at least 2 times, not 0"):
        OnsetComparison.of([1, 2], [], generator=np.random.default_rng(0))
    with pytest.raises(ParameterError, match="must hold numbers"):
        OnsetComparison.of_reports(
            frame.with_columns(pl.col("onset_days").cast(pl.String)), "a", "x", generator=np.random.default_rng(0)
        )


@pytest.mark.parametrize("times", [[1, -1], [1, float("nan")], [1, float("inf")]])
def test_times_that_cannot_be(times: list[float]) -> None:
    with pytest.raises(ParameterError, match="every time of onset must be finite and at least 0"):
        OnsetComparison.of(times, [1, 2], generator=np.random.default_rng(0))
    with pytest.raises(ParameterError, match="resamples must be at least 1, not 0"):
        OnsetComparison.of([1, 2], [1, 2], generator=np.random.default_rng(0), resamples=0)


def test_what_is_no_report_table_is_refused() -> None:
    frame = steady([1, 1])
    with pytest.raises(UnknownTermError, match=r"no report names the drug 'aa' \(the nearest are 'a'\)"):
        Masking.of(frame, "aa", "x")
    with pytest.raises(UnknownTermError, match="no report names the reaction 'q'"):
        Timeline.of(frame, "a", "q")
    with pytest.raises(ParameterError, match=r"column 'drug' is missing \(did you mean 'drugs'\?\)"):
        Masking.of(frame.rename({"drug": "drugs"}), "a", "x")
    with pytest.raises(ParameterError, match="column reaction has no value in row 1"):
        Masking.of(frame.with_columns(reaction=pl.Series(["x", " "] + ["y"] * (len(frame) - 2))), "a", "x")
    with pytest.raises(ParameterError, match="measure must have an interval, not ChiSquare"):
        Masking.of(frame, "a", "x", measure=ChiSquare())  # type: ignore[arg-type]  # what the check is for
    with pytest.raises(ParameterError, match="period must be one of week, month, quarter, year, not 'day'"):
        Timeline.of(frame, "a", "x", period="day")
    with pytest.raises(ParameterError, match="recent must be at least 1, not 0"):
        Timeline.of(frame, "a", "x", recent=0)
    with pytest.raises(ParameterError, match="level"):
        Timeline.of(frame, "a", "x", level=float("nan"))
    with pytest.raises(ParameterError, match="must hold days"):
        Timeline.of(frame.with_columns(pl.col("date").cast(pl.String)), "a", "x")
    with pytest.raises(ParameterError, match="column date has no value in any row"):
        Timeline.of(frame.with_columns(date=pl.lit(None, dtype=pl.Date)), "a", "x")
    with pytest.raises(ParameterError, match="report of row 1 has two days"):
        Timeline.of(
            frame.with_columns(
                case_id=pl.lit("1"), date=pl.Series([date(2025, 1, 1)] + [date(2025, 2, 1)] * (len(frame) - 1))
            ),
            "a",
            "x",
        )


def test_another_measure_level_is_kept() -> None:
    masking = Masking.of(steady([4, 4]), "a", "x", measure=InformationComponent(level=0.5))
    assert masking.value.level == 0.5
    assert [each.product for each in masking.products] == ["b"]


@pytest.mark.shared_data
def test_real_days_are_full_of_ties(shared_data: Path) -> None:
    """VAERS 1997, rash after hepatitis B vaccine: the p-values of scipy's own relabelling, which no table gives."""
    with ZipFile(shared_data / "vaers" / "1997VAERSData.zip") as archive:
        data, vaccine, symptoms = (
            pl.read_csv(
                archive.read(f"1997VAERS{name}.csv").decode("latin-1").encode(),
                infer_schema=False,
                truncate_ragged_lines=True,
            )
            for name in ("DATA", "VAX", "SYMPTOMS")
        )
    terms = [name for name in symptoms.columns if name.startswith("SYMPTOM") and "VERSION" not in name]
    frame = (
        vaccine.select("VAERS_ID", drug="VAX_TYPE")
        .join(symptoms.unpivot(index="VAERS_ID", on=terms, value_name="reaction").drop_nulls(), on="VAERS_ID")
        .join(data.select("VAERS_ID", onset_days=pl.col("NUMDAYS").cast(pl.Float64)), on="VAERS_ID")
        .rename({"VAERS_ID": "case_id"})
    )
    comparison = OnsetComparison.of_reports(frame, "HEP", "Rash", generator=np.random.default_rng(0))
    times = frame.filter(pl.col("drug") == "HEP").drop_nulls("onset_days")
    times = times.group_by("case_id").agg(pl.col("onset_days").first(), has=(pl.col("reaction") == "Rash").any())
    onset, other = (times.filter(pl.col("has") == has)["onset_days"].to_numpy() for has in (True, False))
    assert (comparison.n, comparison.n_other) == (len(onset), len(other))
    assert comparison.ks == pytest.approx(stats.ks_2samp(onset, other, method="asymp").statistic, abs=1e-12)
    draws = stats.PermutationMethod(n_resamples=1999, rng=np.random.default_rng(1))
    relabelled = stats.anderson_ksamp([onset, other], method=draws, variant="midrank").pvalue
    assert relabelled == pytest.approx(comparison.anderson_darling_p, abs=0.006)
    assert comparison.anderson_darling_p < 0.02
