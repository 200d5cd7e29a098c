"""Rates and rate ratios against published numbers, their definition, scipy, and what has no exposure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cases import ParameterError, UnknownTermError
from detectors import CountTable
from detectors.exposure import ExposureRateRatio, ReportingRate, exposure_rate_ratio, reporting_rate

COUNTS = [
    ("a", "x", 12), ("a", "y", 3), ("b", "x", 40), ("b", "z", 1), ("c", "x", 5), ("c", "y", 7), ("d", "z", 2),
]  # fmt: skip
TABLE = CountTable.from_counts(COUNTS)
EXPOSURE = {"a": 2.5, "b": 4.0, "c": 0.5}

exposures = st.floats(1e-3, 1e6)
levels = st.sampled_from([0.5, 0.9, 0.95, 0.99])


@pytest.mark.parametrize(("n", "lower", "upper"), [(0, 0, 3.69), (1, 0.03, 5.57), (5, 1.62, 11.67), (10, 4.80, 18.39)])
def test_limits_of_a_count_as_tabulated(n: int, lower: float, upper: float) -> None:
    """Exact limits of a Poisson mean at 95 %, as tables of them print."""
    assert reporting_rate(n, 1, level=0.95).round(2).tolist() == [n, lower, upper]


def test_a_rate_as_printed_by_r() -> None:
    """poisson.test(137, 24.19893): deaths of Welsh nickel workers over those expected."""
    assert reporting_rate(137, 24.19893, level=0.95) == pytest.approx([5.661407, 4.753125, 6.692709], abs=5e-7)


def test_a_ratio_as_printed_by_r() -> None:
    """poisson.test(c(11, 21), c(800, 3011)): lung cancer in Fredericia and in three other cities."""
    ratio = exposure_rate_ratio(11, 800, 21, 3011, level=0.95)
    assert ratio == pytest.approx([1.971488, 0.8584264, 4.2772659], abs=5e-7)


@settings(max_examples=60)
@given(st.integers(0, 5000), exposures, levels)
def test_limits_of_a_rate_leave_their_tails(n: int, exposure: float, level: float) -> None:
    rate, lower, upper = reporting_rate(n, exposure, level=level).tolist()
    assert rate == n / exposure
    assert stats.poisson.cdf(n, upper * exposure) == pytest.approx((1 - level) / 2, rel=1e-8)
    if n:
        assert stats.poisson.sf(n - 1, lower * exposure) == pytest.approx((1 - level) / 2, rel=1e-8)
    else:
        assert lower == 0


@settings(max_examples=60)
@given(st.integers(0, 2000), st.integers(0, 2000), exposures, exposures, levels)
def test_limits_of_a_ratio_are_those_of_the_binomial_share(
    x: int, y: int, exposure: float, other: float, level: float
) -> None:
    ratio, lower, upper = exposure_rate_ratio(x, exposure, y, other, level=level).tolist()
    if x + y == 0:
        assert np.isnan([ratio, lower, upper]).all()
        return
    share = stats.binomtest(x, x + y).proportion_ci(level, method="exact")
    scale = other / exposure
    assert ratio == pytest.approx(x / y * scale if y else math.inf, rel=1e-12)
    assert lower == pytest.approx(share.low / (1 - share.low) * scale, rel=1e-7)
    assert upper == pytest.approx(share.high / (1 - share.high) * scale if y else math.inf, rel=1e-7)
    assert lower <= ratio <= upper


@settings(max_examples=40)
@given(st.integers(0, 300), st.integers(1, 300), exposures, exposures)
def test_turned_round_a_ratio_is_its_reciprocal(x: int, y: int, exposure: float, other: float) -> None:
    ratio, lower, upper = exposure_rate_ratio(x, exposure, y, other, level=0.9).tolist()
    back = exposure_rate_ratio(y, other, x, exposure, level=0.9)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(1 / back[[0, 2, 1]], [ratio, lower, upper], rtol=1e-10)


def test_a_tiny_share_keeps_its_digits() -> None:
    """Three reports beside a hundred million: the upper share is nearly 1 turned round, and must not cancel."""
    small = exposure_rate_ratio(3, 1, 1e8, 1e8, level=0.95)
    np.testing.assert_allclose(small, [3, *reporting_rate(3, 1, level=0.95)[1:]], rtol=1e-6)
    back = exposure_rate_ratio(1e8, 1e8, 3, 1, level=0.95)
    np.testing.assert_allclose(1 / back[[0, 2, 1]], small, rtol=1e-9)


def test_many_equals_one_and_the_others_are_those_with_exposure() -> None:
    arrays = TABLE.arrays()
    for measure in (ReportingRate(level=0.9), ExposureRateRatio(level=0.9)):
        many = measure.score_many(arrays, EXPOSURE)
        assert many.shape == (7, 3)
        for row, drug, reaction in zip(many, arrays.drug, arrays.reaction, strict=True):
            one = measure.score_one(TABLE, drug, reaction, EXPOSURE)
            np.testing.assert_array_equal([one.point, one.lower, one.upper], row)
    rows = {pair: row for row, pair in enumerate(zip(arrays.drug, arrays.reaction, strict=True))}
    ratio = ExposureRateRatio(level=0.9).score_many(arrays, EXPOSURE)
    expected = exposure_rate_ratio(12, 2.5, 45, 4.5, level=0.9)
    np.testing.assert_allclose(ratio[rows["a", "x"]], expected, rtol=1e-13)
    assert np.isnan(ratio[rows["d", "z"]]).all()  # no exposure given
    alone = ratio[rows["b", "z"]]  # d has no exposure, so its two reports do not count: none of the others
    assert alone[0] == alone[2] == math.inf
    assert 0 < alone[1] < math.inf
    assert np.isnan(ReportingRate(level=0.9).score_many(arrays, EXPOSURE)[rows["d", "z"]]).all()


def test_a_pair_never_reported_has_a_rate_of_zero() -> None:
    rate = ReportingRate(level=0.95).score_one(TABLE, "a", "z", EXPOSURE)
    assert (rate.point, rate.lower) == (0, 0)
    assert rate.upper == pytest.approx(-math.log(0.025) / 2.5, rel=1e-12)
    assert ExposureRateRatio(level=0.95).score_one(TABLE, "a", "z", EXPOSURE).point == 0


def test_one_drug_with_exposure_has_nothing_to_be_compared_with() -> None:
    assert np.isnan(ExposureRateRatio(level=0.95).score_many(TABLE.arrays(), {"a": 0.1})).all()
    rates = ReportingRate(level=0.95).score_many(TABLE.arrays(), {"a": 0.1})
    assert np.isfinite(rates[:, 0]).tolist() == [True, True, False, False, False, False, False]


@pytest.mark.parametrize("amount", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("measure", [ReportingRate(level=0.95), ExposureRateRatio(level=0.95)])
def test_exposures_that_cannot_be(measure: ReportingRate | ExposureRateRatio, amount: float) -> None:
    with pytest.raises(ParameterError, match="the exposure of 'b' must be above 0 and finite"):
        measure.score_many(TABLE.arrays(), {"a": 1, "b": amount})
    with pytest.raises(UnknownTermError, match="no report names the drug 'bb'"):
        measure.score_one(TABLE, "a", "x", {"bb": 1})
    with pytest.raises(UnknownTermError, match="no report names the reaction"):
        measure.score_one(TABLE, "a", "xx", {"a": 1})


def test_what_is_no_count_has_no_rate_and_spoils_no_other() -> None:
    rates = reporting_rate([-1, math.nan, math.inf, 5, 5, 5], [1, 1, 1, 0, math.nan, 2], level=0.95)
    assert np.isnan(rates[:5]).all()
    assert np.isfinite(rates[5]).all()
    ratios = exposure_rate_ratio([-1, 5, 5, 5, 5], 2, [1, -1, 1, 1, 0.5], [1, 1, 0, math.inf, 1], level=0.95)
    assert np.isnan(ratios[:4]).all()
    assert np.isfinite(ratios[4]).all()
    for level in (0, 1, math.nan):
        with pytest.raises(ParameterError, match=r"level must lie in \(0, 1\)"):
            reporting_rate(1, 1, level=level)
        with pytest.raises(ParameterError, match=r"level must lie in \(0, 1\)"):
            ExposureRateRatio(level=level)


def test_coverage_is_at_least_that_claimed() -> None:
    random = np.random.default_rng(11)
    for mean in (0.5, 3.0, 20.0):
        draws = random.poisson(mean, 4000)
        limits = reporting_rate(draws, 1, level=0.9)
        assert ((limits[:, 1] <= mean) & (mean <= limits[:, 2])).mean() >= 0.89
        ratio = exposure_rate_ratio(draws, 2, random.poisson(mean, 4000), 1, level=0.9)
        assert (~(ratio[:, 1] > 0.5) & ~(ratio[:, 2] < 0.5)).mean() >= 0.89
