"""PRR, ROR, IC and chi-square against published and independently computed numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, gamma

from detectors import (
    ChiSquare,
    CountTable,
    ExactReportingOddsRatio,
    InformationComponent,
    ProportionalReportingRatio,
    ReportingOddsRatio,
    score_pairs,
)
from detectors.chi_square import chi_square
from detectors.information_component import (
    closed_form_information_component,
    information_component,
    information_component_quantile,
)
from detectors.normal_information_component import normal_information_component
from detectors.proportional_reporting_ratio import proportional_reporting_ratio
from detectors.reporting_odds_ratio import reporting_odds_ratio
from tests.detectors.tables import two_by_two


@pytest.mark.parametrize(
    ("a", "n_drug", "c", "n_others", "expected"),
    [  # pvda vignette and closed form
        (10, 1000, 200, 10000, (0.5, 0.26582618575603684, 0.9404641581451973)),
        (5, 10, 20, 10000, (250.0, 117.05257621041655, 533.948094296092)),
    ],
)
def test_prr(a: int, n_drug: int, c: int, n_others: int, expected: tuple[float, float, float]) -> None:
    scores = proportional_reporting_ratio(a, n_drug, a + c, n_drug + n_others, level=0.95)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    table = two_by_two(a, n_drug - a, c, n_others - c)
    interval = ProportionalReportingRatio(level=0.95).score_one(table, "drug", "reaction")
    assert (interval.point, interval.lower, interval.upper) == tuple(scores.tolist())


def test_ror() -> None:  # pvda vignette and closed form
    expected = (25.0, 11.553499256060578, 54.096164819688376)
    interval = ReportingOddsRatio(level=0.95).score_one(two_by_two(10, 20, 200, 10000), "drug", "reaction")
    assert (interval.point, interval.lower, interval.upper) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("n", "expected_count", "expected"),
    [  # pvda vignette and tests, closed form
        (10, 5, (0.932885804141463, -0.09725664177081719, 1.6894567770129585)),
        (20, 10, (0.9652345818393233, 0.2638653556613539, 1.5279894975631945)),
        (1, 1, (0.0, -3.7972272683613477, 1.6397575211226632)),
        (0, 0, (0.0, -9.991887815806862, 2.3288037813361737)),
        (3, 0, (2.807354922057604, 0.7569115662156863, 4.001150475886816)),
    ],
)
def test_ic_gamma(n: int, expected_count: float, expected: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(information_component(n, expected_count, level=0.95), expected, rtol=1e-12, atol=1e-13)


def test_ic_closed_form_is_another_variant() -> None:
    closed = closed_form_information_component(10, 5)
    np.testing.assert_allclose(closed, (0.932885804141463, -0.14429853416533095, 1.6588463268202573), rtol=1e-12)
    assert closed[1] != pytest.approx(information_component(10, 5, level=0.95)[1], abs=0.01)
    assert InformationComponent.variant == "gamma limits"


def test_ic_normal_is_the_moments_of_sampled_beta_posteriors() -> None:
    n, n_drug, n_reaction, n_total = 30, 100, 50, 1000
    random = np.random.default_rng(11)
    drug = random.beta(n_drug + 1, n_total - n_drug + 1, 400_000)
    reaction = random.beta(n_reaction + 1, n_total - n_reaction + 1, 400_000)
    prior = (n_total + 2) ** 2 / ((n_drug + 1) * (n_reaction + 1))  # the pair independent, given the margins' means
    pair = random.beta(n + 1, n_total - n + prior - 1, 400_000)
    sampled = np.log2(pair / (drug * reaction))
    point, lower, upper = normal_information_component(n, n_drug, n_reaction, n_total, level=0.95)
    assert point == pytest.approx(sampled.mean(), abs=5 * sampled.std() / 400_000**0.5)
    assert (upper - lower) / (2 * 1.959963984540054) == pytest.approx(sampled.std(), rel=0.01)
    assert lower + upper == pytest.approx(2 * point, rel=1e-12)


def test_two_by_two_of_25_75_375_9525() -> None:
    scores = score_pairs(two_by_two(25, 75, 375, 9525), [("drug", "reaction")])
    assert scores["ror"][0] == pytest.approx(8.466666666666667, rel=1e-14)
    assert scores["prr"][0] == pytest.approx(6.6, rel=1e-14)
    assert scores["chi2"][0] == pytest.approx(110.54555976430976, rel=1e-14)
    uncorrected = chi2_contingency([[25, 75], [375, 9525]], correction=False).statistic
    assert uncorrected == pytest.approx(116.00378787878788, rel=1e-14)
    assert scores["chi2"][0] != pytest.approx(uncorrected, rel=0.01)


def test_diana_comparison_of_100_50_3_20000() -> None:
    table = two_by_two(3, 97, 47, 19853)
    pair = ("drug", "reaction")
    exact = ExactReportingOddsRatio(level=0.95).score_one(table, *pair)
    # scipy's solver; DiAna prints 13.05 (2.55-41.71), its own solver's last digits
    assert (exact.point, exact.lower, exact.upper) == pytest.approx(
        (13.056798986486752, 2.5563570901809607, 41.67847582916707), rel=1e-6
    )
    assert (exact.point, exact.lower, exact.upper) == pytest.approx((13.05, 2.55, 41.71), rel=3e-3)
    prr = ProportionalReportingRatio(level=0.95).score_one(table, *pair)
    assert (round(prr.point, 1), round(prr.lower, 2), round(prr.upper, 2)) == (12.7, 4.02, 40.14)
    closed = closed_form_information_component(3, table.pair(*pair).expected)
    np.testing.assert_allclose(closed, [2.22, 0.15, 3.42], atol=0.01)  # as printed; the upper limit is 3.4289
    ic = InformationComponent(level=0.95).score_one(table, *pair)
    median = information_component_quantile(3, table.pair(*pair).expected, probability=0.5)
    assert (round(float(median), 2), round(ic.lower, 2), round(ic.upper, 2)) == (2.08, 0.17, 3.42)
    cell = table.pair(*pair)
    ratio = cell.n / cell.expected  # the relative reporting ratio
    spread = np.exp(1.959963984540054 * np.sqrt(1 / 3 - 1 / 100 + 1 / 50 - 1 / 20000))
    assert (ratio, round(ratio / spread, 2), round(ratio * spread, 2)) == (12, 3.81, 37.84)


# openEBGM's processRaw on 18 reports of one pair each: n, E, n/E, PRR (None: infinite, as c = 0)
TOY = {
    ("A", "e1"): (7, 6.66666667, 1.05, 1.12),
    ("A", "e2"): (3, 2.77777778, 1.08, 1.2),
    ("A", "e3"): (0, 0.55555556, 0, 0),
    ("B", "e1"): (4, 4.0, 1.0, 1.0),
    ("B", "e2"): (2, 1.66666667, 1.2, 1.333),
    ("B", "e3"): (0, 0.33333333, 0, 0),
    ("C", "e1"): (1, 1.33333333, 0.75, 0.727),
    ("C", "e2"): (0, 0.55555556, 0, 0),
    ("C", "e3"): (1, 0.11111111, 9.0, None),
}
TOY_STRATIFIED = {
    ("A", "e1"): (6.5, 1.077),
    ("A", "e2"): (3.0, 1.0),
    ("A", "e3"): (0.5, 0),
    ("B", "e1"): (4.16666667, 0.96),
    ("B", "e2"): (1.5, 1.333),
    ("B", "e3"): (0.33333333, 0),
    ("C", "e1"): (1.33333333, 0.75),
    ("C", "e2"): (0.5, 0),
    ("C", "e3"): (0.16666667, 6.0),
}
# a division into strata of 12, 4 and 2 reports that has the published margins
TOY_CELLS = {
    ("s12",): {("A", "e1"): 5, ("A", "e2"): 1, ("B", "e1"): 2, ("B", "e2"): 2, ("C", "e1"): 1, ("C", "e3"): 1},
    ("s4",): {("A", "e1"): 1, ("A", "e2"): 1, ("B", "e1"): 2},
    ("s2",): {("A", "e1"): 1, ("A", "e2"): 1},
}


def toy() -> CountTable:
    table = CountTable()
    for stratum, cells in TOY_CELLS.items():
        for (drug, reaction), count in cells.items():
            for _ in range(count):
                table.update([drug], [reaction], stratum)
    return table


def test_process_raw_unstratified() -> None:
    table = toy()
    prr = ProportionalReportingRatio(level=0.95)
    assert table.report_count == 18
    for (drug, reaction), (n, expected, ratio, published_prr) in TOY.items():
        cell = table.pair(drug, reaction)
        assert cell.n == n
        assert cell.expected == pytest.approx(expected, rel=1e-7)
        assert round(n / cell.expected, 3) == ratio
        point = prr.score_one(table, drug, reaction).point
        if published_prr is None or n == 0:  # ours adds 0.5 to the four cells where the package prints Inf or 0
            assert 0 < point < np.inf
        else:
            assert round(point, 3) == published_prr


def test_process_raw_stratified() -> None:
    table = toy()
    arrays = table.arrays_of(list(TOY_STRATIFIED), stratified=True)
    published = np.array(list(TOY_STRATIFIED.values()))
    np.testing.assert_allclose(arrays.expected, published[:, 0], rtol=1e-7)
    np.testing.assert_array_equal((arrays.n / arrays.expected).round(3), published[:, 1])
    crude = table.arrays_of(list(TOY_STRATIFIED))
    for measure in (ProportionalReportingRatio(level=0.95), ReportingOddsRatio(level=0.95), ChiSquare()):
        np.testing.assert_array_equal(measure.score_many(arrays), measure.score_many(crude))  # documented: crude
    ic = InformationComponent(level=0.95)
    np.testing.assert_array_equal(ic.score_many(arrays), information_component(arrays.n, arrays.expected, level=0.95))
    assert not np.array_equal(ic.score_many(arrays), ic.score_many(crude))


def test_independent_recomputation_of_random_tables() -> None:
    random = np.random.default_rng(20260105)
    for a, b, c, d in random.integers(1, 400, size=(200, 4)).tolist():
        n, n_drug, n_reaction, total = a, a + b, a + c, a + b + c + d
        expected = n_drug * n_reaction / total
        assert chi_square(n, n_drug, n_reaction, total) == pytest.approx(
            chi2_contingency([[a, b], [c, d]], correction=True).statistic, rel=1e-9, abs=1e-12
        )
        lower = reporting_odds_ratio(n, n_drug, n_reaction, total, level=0.9)[1]
        assert np.log(lower) == pytest.approx(
            np.log(a * d / (b * c)) - 1.6448536269514722 * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d), abs=1e-9
        )
        ic = information_component(n, expected, level=0.9)
        posterior = gamma(n + 0.5, scale=1 / (expected + 0.5))
        np.testing.assert_allclose(ic[1:], np.log2([posterior.ppf(0.05), posterior.ppf(0.95)]), rtol=1e-9, atol=1e-12)
