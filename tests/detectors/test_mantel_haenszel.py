"""Odds ratios over strata, against printed numbers and against sums and roots done one stratum at a time."""

from __future__ import annotations

from math import exp, isnan, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from cases import ParameterError, UnknownTermError
from detectors import CountTable, MantelHaenszel, ReportingOddsRatio
from tests.detectors.tables import reports, table_of

Fourfold = tuple[int, int, int, int]

# Admissions to the University of California at Berkeley, 1973, six departments (R's data set UCBAdmissions)
BERKELEY: tuple[Fourfold, ...] = (
    (512, 313, 89, 19), (353, 207, 17, 8), (120, 205, 202, 391), (138, 279, 131, 244), (53, 138, 94, 299),
    (22, 351, 24, 317),
)  # fmt: skip
MEASURE = MantelHaenszel(level=0.95)


def stratified(*strata: Fourfold) -> CountTable:
    table = CountTable()
    for number, counts in enumerate(strata):
        for count, drug, reaction in zip(counts, "xxyy", "rsrs", strict=True):
            for _ in range(count):
                table.update([drug], [reaction], (str(number),))
    return table


def by_hand(*strata: Fourfold) -> list[float]:
    """The same numbers, a stratum at a time, with the fitted counts found by search."""
    r = s = pr = mixed = qs = excess = spread = 0.0
    for a, b, c, d in strata:
        n = a + b + c + d
        p, q = (a + d) / n, (b + c) / n
        r, s = r + a * d / n, s + b * c / n
        pr, qs = pr + p * a * d / n, qs + q * b * c / n
        mixed += p * b * c / n + q * a * d / n
        excess += a - (a + b) * (a + c) / n
        spread += (a + b) * (c + d) * (a + c) * (b + d) / n**2 / (n - 1)
    ratio, se = r / s, sqrt(pr / (2 * r * r) + mixed / (2 * r * s) + qs / (2 * s * s))
    test = (abs(excess) - 0.5) ** 2 / spread
    breslow_day = off_sum = variance_sum = 0.0
    for a, b, c, d in strata:
        drug, reaction, n = a + b, a + c, a + b + c + d

        def odds(x: float, drug: int = drug, reaction: int = reaction, n: int = n) -> float:
            return x * (n - drug - reaction + x) - ratio * (drug - x) * (reaction - x)

        x = brentq(odds, max(0, drug + reaction - n), min(drug, reaction), xtol=1e-13)
        variance = 1 / (1 / x + 1 / (drug - x) + 1 / (reaction - x) + 1 / (n - drug - reaction + x))
        breslow_day, off_sum, variance_sum = (
            breslow_day + (a - x) ** 2 / variance,
            off_sum + a - x,
            variance_sum + variance,
        )
    tarone = breslow_day - off_sum**2 / variance_sum
    z = float(norm.ppf(0.975))
    return [
        ratio, exp(log(ratio) - z * se), exp(log(ratio) + z * se), test, float(chi2.sf(test, 1)), tarone,
        float(chi2.sf(tarone, len(strata) - 1)),
    ]  # fmt: skip


def test_printed_numbers_of_the_berkeley_admissions() -> None:
    found = MEASURE.score_one(stratified(*BERKELEY), "x", "r")
    assert found["ror_mh"] == pytest.approx(0.9046968, abs=5e-8)
    assert found["ror_mh_lower"] == pytest.approx(0.7719074, abs=5e-8)
    assert found["ror_mh_upper"] == pytest.approx(1.0603298, abs=5e-8)
    assert found["chi2_mh"] == pytest.approx(1.4269, abs=5e-5)
    assert found["p_mh"] == pytest.approx(0.2323, abs=5e-5)
    assert found["chi2_homogeneity"] == pytest.approx(18.826, abs=5e-4)
    assert found["homogeneity_p"] == pytest.approx(0.002071, abs=5e-7)


@pytest.mark.parametrize("strata", [BERKELEY, ((10, 90, 20, 880), (30, 70, 100, 300)), ((3, 5, 2, 9), (4, 1, 1, 7))])
def test_one_stratum_at_a_time(strata: tuple[Fourfold, ...]) -> None:
    found = MEASURE.score_one(stratified(*strata), "x", "r")
    assert list(found.values()) == pytest.approx(by_hand(*strata), rel=1e-9)


def test_one_stratum_is_the_crude_ratio_and_has_nothing_to_compare() -> None:
    table = stratified((30, 70, 20, 880))
    found = MEASURE.score_one(table, "x", "r")
    crude = ReportingOddsRatio(level=0.95).score_one(table, "x", "r")
    assert found["ror_mh"] == pytest.approx(crude.point)
    assert found["ror_mh_lower"] == pytest.approx(crude.lower)  # the variance is Woolf's there
    assert isnan(found["homogeneity_p"])


def test_a_stratum_without_the_drug_adds_nothing() -> None:
    with_it = MEASURE.score_one(stratified(*BERKELEY, (0, 0, 40, 60)), "x", "r")
    without = MEASURE.score_one(stratified(*BERKELEY), "x", "r")
    assert list(with_it.values()) == pytest.approx(list(without.values()), rel=1e-12)


def test_an_infinite_ratio_says_so_and_has_no_homogeneity() -> None:
    found = MEASURE.score_one(stratified((5, 3, 0, 20), (4, 2, 0, 30)), "x", "r")
    assert found["ror_mh"] == float("inf")
    assert found["p_mh"] < 0.001
    assert isnan(found["homogeneity_p"])


@given(reports)
def test_strata_add_up_and_one_equals_many(some_reports: list[tuple[tuple[str, ...], tuple[str, ...], object]]) -> None:
    table = table_of(some_reports)  # type: ignore[arg-type]  # the same alias
    strata = table.arrays_by_stratum()
    if not strata:
        return
    whole = table.arrays()
    for name in ("n", "n_drug", "n_reaction", "n_total"):
        np.testing.assert_array_equal(sum(getattr(part, name) for part in strata.values()), getattr(whole, name))
    assert all((part.drug, part.reaction) == (whole.drug, whole.reaction) for part in strata.values())
    many = MEASURE.score_strata(strata)
    for row, pair in enumerate(zip(whole.drug, whole.reaction, strict=True)):
        np.testing.assert_array_equal(list(MEASURE.score_one(table, *pair).values()), many[row])


def test_bad_input_is_refused() -> None:
    with pytest.raises(ParameterError, match="level"):
        MantelHaenszel(level=1.0)
    with pytest.raises(ParameterError, match="at least one stratum"):
        MEASURE.score_strata({})
    one, other = stratified((1, 1, 1, 1)).arrays(), stratified((1, 0, 0, 1)).arrays()
    with pytest.raises(ParameterError, match="same rows"):
        MEASURE.score_strata({"one": one, "other": other})
    table = stratified((1, 1, 0, 1))
    with pytest.raises(UnknownTermError, match="names both"):
        MEASURE.score_one(table, "y", "r")
    with pytest.raises(UnknownTermError, match="no report names the drug 'q'"):
        MEASURE.score_one(table, "q", "r")
