"""Contract of every measure, found by discovery, and the traps of small, noisy and degenerate counts."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import detectors
from cases import ParameterError, UnknownTermError
from detectors import (
    STANDARD_RULES,
    CountTable,
    Interval,
    IntervalMeasure,
    Measure,
    PairArrays,
    load_presets,
    score_all,
    score_pairs,
)
from detectors.chi_square import chi_square
from detectors.empirical_bayes import EmpiricalBayes, GammaMixture
from detectors.information_component import information_component
from detectors.proportional_reporting_ratio import proportional_reporting_ratio
from detectors.reporting_odds_ratio import reporting_odds_ratio
from detectors.score import measures
from tests.detectors.tables import Report, reports, table_of, two_by_two


def discovered() -> list[type[Measure]]:
    """Every concrete measure of the package, by walking its modules."""
    found: set[type[Measure]] = set()
    for module in pkgutil.iter_modules(detectors.__path__):
        for _, item in inspect.getmembers(importlib.import_module(f"detectors.{module.name}"), inspect.isclass):
            if issubclass(item, Measure) and not inspect.isabstract(item) and item is not IntervalMeasure:
                found.add(item)
    return sorted(found, key=lambda item: item.__name__)


MEASURES = discovered()
SHRUNKEN = {"ClosedFormInformationComponent", "InformationComponent", "NormalInformationComponent"}
few = settings(max_examples=40)  # of each measure
every_measure = pytest.mark.parametrize("kind", MEASURES, ids=lambda kind: kind.__name__)


def make(kind: type[Measure], level: float = 0.95) -> Measure:
    if kind is EmpiricalBayes:
        prior = GammaMixture(alpha1=2.0, beta1=4.0, alpha2=0.2, beta2=0.1, p=0.7)
        return EmpiricalBayes(prior=prior, level=level)
    constructor: Any = kind  # every interval measure takes its level, though one has no other than 0.95
    measure: Measure = constructor(level=level) if issubclass(kind, IntervalMeasure) else constructor()
    return measure


def noisy(n: float, n_drug: float, n_reaction: float, n_total: float) -> PairArrays:
    """One row of counts as they are after noise."""
    counts: list[Any] = [np.array([value]) for value in (n, n_drug, n_reaction, n_total)]
    expected = np.divide(counts[1] * counts[2], counts[3], out=np.full(1, np.nan), where=counts[3] != 0)
    row = np.zeros(1, dtype=np.int64)
    return PairArrays(
        drug_names=("drug",),
        reaction_names=("reaction",),
        drug_index=row,
        reaction_index=row,
        n=counts[0],
        n_drug=counts[1],
        n_reaction=counts[2],
        n_total=counts[3],
        expected=expected,
    )


def test_the_known_measures_are_discovered() -> None:
    assert {kind.__name__ for kind in MEASURES} >= {
        "ChiSquare", "ExactReportingOddsRatio", "InformationComponent", "ProportionalReportingRatio",
        "ReportingOddsRatio",
    }  # fmt: skip


@every_measure
def test_many_equals_the_loop_of_one(kind: type[Measure]) -> None:
    measure = make(kind)
    random = np.random.default_rng(7)
    table = CountTable()
    for _ in range(300):
        drugs = random.choice(["a", "b", "c", "d", "e"], size=random.integers(1, 4), replace=False).tolist()
        reactions = random.choice(list("uvwxyz"), size=random.integers(1, 4), replace=False).tolist()
        table.update(drugs, reactions)
    table.update(["single"], ["lonely"])  # c = 0 and b = 0
    arrays = table.arrays()
    many = measure.score_many(arrays)
    ones = []
    for drug, reaction in zip(arrays.drug, arrays.reaction, strict=True):
        one = measure.score_one(table, drug, reaction)
        ones.append([one.point, one.lower, one.upper] if isinstance(one, Interval) else one)
    np.testing.assert_array_equal(many, np.array(ones))
    assert many.shape == ((len(arrays), 3) if issubclass(kind, IntervalMeasure) else (len(arrays),))
    assert many.dtype == np.float64


@every_measure
def test_names_its_variant_and_its_columns(kind: type[Measure]) -> None:
    assert kind.variant
    assert len(kind.columns) == (3 if issubclass(kind, IntervalMeasure) else 1)
    assert len({column for other in MEASURES for column in other.columns}) == sum(
        len(other.columns) for other in MEASURES
    )


@every_measure
def test_an_unknown_term_is_an_error(kind: type[Measure]) -> None:
    with pytest.raises(UnknownTermError, match=r"'drog'.*'drug'"):
        make(kind).score_one(two_by_two(1, 2, 3, 4), "drog", "reaction")


@every_measure
def test_an_empty_table_gives_no_rows(kind: type[Measure]) -> None:
    assert len(make(kind).score_many(CountTable().arrays())) == 0


@every_measure
@pytest.mark.parametrize("level", [0, 1, -0.1, 95, float("nan")])
def test_the_level_must_lie_in_the_open_unit_interval(kind: type[Measure], level: float) -> None:
    if issubclass(kind, IntervalMeasure):
        with pytest.raises(ParameterError, match=r"level must lie in \(0, 1\)"):
            make(kind, level)


@every_measure
@few
@given(reports)
def test_the_order_of_reports_is_irrelevant(kind: type[Measure], some_reports: list[Report]) -> None:
    measure = make(kind)
    one = measure.score_many(table_of(some_reports).arrays())
    np.testing.assert_array_equal(one, measure.score_many(table_of(some_reports[::-1]).arrays()))


@every_measure
@few
@given(a=st.integers(1, 60), b=st.integers(1, 60), c=st.integers(1, 60), d=st.integers(1, 200))
def test_doubling_all_counts_narrows_the_interval_and_leaves_the_point(
    kind: type[Measure], a: int, b: int, c: int, d: int
) -> None:
    measure = make(kind)
    once = measure.score_one(two_by_two(a, b, c, d), "drug", "reaction")
    twice = measure.score_one(two_by_two(2 * a, 2 * b, 2 * c, 2 * d), "drug", "reaction")
    if not isinstance(once, Interval) or not isinstance(twice, Interval):
        assert isinstance(once, float)
        assert isinstance(twice, float)
        if not kind.__name__.startswith("Fisher"):  # a chance: less where there is an excess, else more or less
            assert twice >= once - 1e-9  # chi-square grows with the number of reports
        elif a * d > 2 * b * c:
            assert twice <= once
        return
    assert once.lower <= once.point <= once.upper
    if kind is EmpiricalBayes:
        return  # drawn to a prior with two humps: neither point nor width need move one way
    if kind.__name__ in SHRUNKEN:
        assert twice.upper - twice.lower < once.upper - once.lower
        if kind.__name__ != "NormalInformationComponent":  # a posterior mean, which is not 0 at n = expected
            assert abs(twice.point) >= abs(once.point) - 1e-12  # shrunken less
        return
    assert math.log(twice.upper / twice.lower) < math.log(once.upper / once.lower)
    if kind.__name__ != "ExactReportingOddsRatio":  # the conditional estimate moves a little
        assert twice.point == pytest.approx(once.point, rel=1e-12)


@every_measure
@few
@given(a=st.integers(0, 40), b=st.integers(0, 40), c=st.integers(0, 40), d=st.integers(1, 40))
def test_a_higher_level_is_wider(kind: type[Measure], a: int, b: int, c: int, d: int) -> None:
    if not issubclass(kind, IntervalMeasure) or a + b == 0 or a + c == 0:
        return
    if kind.__name__ == "ClosedFormInformationComponent":
        with pytest.raises(ParameterError, match=r"must be 0\.95, not 0\.8"):
            make(kind, 0.8)
        return
    table = two_by_two(a, b, c, d)
    narrow, wide = (make(kind, level).score_one(table, "drug", "reaction") for level in (0.8, 0.99))
    assert isinstance(narrow, Interval)
    assert isinstance(wide, Interval)
    assert not wide.lower > narrow.lower
    assert not wide.upper < narrow.upper


counts = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-100, 1e4) | st.integers(-5, 100).map(float)


@every_measure
@few
@example(n=0.0, n_drug=13.0, n_reaction=20.0, n_total=1.4e-305)  # expected, divided by a prior's rate, is no float
@given(n=counts, n_drug=counts, n_reaction=counts, n_total=counts)
def test_noisy_counts_neither_wrap_nor_crash(
    kind: type[Measure], n: float, n_drug: float, n_reaction: float, n_total: float
) -> None:
    if kind.__name__ == "ExactReportingOddsRatio" and not abs(n_total) < 1e5:
        return  # solves for each row: whole numbers of this size would take for ever
    with np.errstate(all="ignore"):
        arrays = noisy(n, n_drug, n_reaction, n_total)
    scores = make(kind).score_many(arrays)
    if kind is EmpiricalBayes:
        assert np.isnan(scores).all() or (n >= 0 and arrays.expected[0] > 0)
        return
    cells = (n, n_drug - n, n_reaction - n, n_total - n_drug - n_reaction + n)
    on_expected_alone = {"ClosedFormInformationComponent", "InformationComponent", "LogLikelihoodRatio"}
    if kind.__name__ not in on_expected_alone and not all(cell >= 0 for cell in cells):
        assert np.isnan(scores).all()  # documented: the counts make no two-by-two table
    if not n >= 0:
        assert np.isnan(scores).all()


@pytest.mark.parametrize("n", [-3.25, -0.001, float("nan"), float("inf")])
def test_a_count_below_zero_has_no_score_and_spoils_no_other(n: float) -> None:
    many = np.array([n, 5.0])
    margins = (np.array([40.0, 40.0]), np.array([30.0, 30.0]), 1000.0)
    for scores in (
        proportional_reporting_ratio(many, *margins, level=0.95),
        reporting_odds_ratio(many, *margins, level=0.95),
        chi_square(many, *margins),
        information_component(many, [1.2, 1.2], level=0.95),
    ):
        assert np.isnan(scores[0]).all()
        assert np.isfinite(scores[1]).all()


def test_fractional_counts_score_between_whole_ones() -> None:
    low, middle, high = proportional_reporting_ratio([5, 5.5, 6], 40, 30, 1000, level=0.95)[:, 0]
    assert low < middle < high


def test_counts_whose_products_leave_64_bits_do_not_wrap() -> None:
    big = np.array([4_000_000_000], dtype=np.int64)
    arguments = (big, big * 10, big * 10, big * 1000)
    small = tuple(value // 4_000_000 for value in arguments)
    assert proportional_reporting_ratio(*arguments, level=0.95)[0, 0] == pytest.approx(
        proportional_reporting_ratio(*small, level=0.95)[0, 0], rel=1e-12
    )
    assert reporting_odds_ratio(*arguments, level=0.95)[0, 0] == pytest.approx(
        reporting_odds_ratio(*small, level=0.95)[0, 0], rel=1e-12
    )
    assert chi_square(*arguments)[0] == pytest.approx(4e6 * chi_square(*small)[0], rel=1e-2)
    assert chi_square(*arguments)[0] > 0


@pytest.mark.parametrize("cells", [(1, 3, 0, 9000), (1, 0, 3, 9000), (0, 4, 3, 9000), (4, 3, 2, 0), (1, 0, 0, 9000)])
def test_an_empty_cell_adds_a_half_to_all_four(cells: tuple[int, int, int, int]) -> None:
    a, b, c, d = (cell + 0.5 for cell in cells)
    n, n_drug, n_reaction, total = cells[0], cells[0] + cells[1], cells[0] + cells[2], sum(cells)
    prr = proportional_reporting_ratio(n, n_drug, n_reaction, total, level=0.95)
    ror = reporting_odds_ratio(n, n_drug, n_reaction, total, level=0.95)
    assert prr[0] == pytest.approx((a / (a + b)) / (c / (c + d)), rel=1e-12)
    spread = math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    assert math.log(prr[2] / prr[0]) == pytest.approx(1.959963984540054 * spread, rel=1e-12)
    assert ror[0] == pytest.approx(a * d / (b * c), rel=1e-12)
    assert math.log(ror[0] / ror[1]) == pytest.approx(
        1.959963984540054 * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d), rel=1e-12
    )


def test_the_signs_of_the_prr_variance() -> None:
    """With all four signs positive the upper limit would be 0.967, not 0.940."""
    upper = proportional_reporting_ratio(10, 1000, 210, 11000, level=0.95)[2]
    assert upper == pytest.approx(0.9404641581451973, rel=1e-12)
    wrong = math.exp(math.log(0.5) + 1.96 * math.sqrt(1 / 10 + 1 / 1000 + 1 / 200 + 1 / 10000))
    assert abs(upper - wrong) > 0.005


def test_one_report_of_a_reaction_no_other_drug_has_is_no_signal() -> None:
    table = two_by_two(1, 3, 0, 9000)
    scores = score_pairs(table, [("drug", "reaction")])
    assert scores["prr"][0] > 1000  # huge from one report: this is why rules look at n
    assert {name: bool(rule.flags(scores)[0]) for name, rule in load_presets(STANDARD_RULES).items()} == {
        "evans": False,
        "ema": False,
        "umc": False,
    }


def test_a_drug_that_every_report_names_has_no_chi_square() -> None:
    table = CountTable.from_counts([("drug", "reaction", 4), ("drug", "other reaction", 6)])
    scores = score_pairs(table, [("drug", "reaction")])
    assert np.isnan(scores["chi2"][0])
    assert scores["ic"][0] == 0
    assert np.isfinite(scores["prr"][0])


def test_a_difference_below_the_correction_is_no_difference() -> None:
    assert chi_square(10, 20, 20, 40) == 0
    assert chi_square(10, 20, 20, 41) == 0


def test_nothing_is_rounded_but_for_display() -> None:
    interval = Interval(1.23456789, 0.999999999, 2.0, 0.95)
    assert interval.round(2) == Interval(1.23, 1.0, 2.0, 0.95)
    assert interval.lower < 1  # a rule must see this, not the 1.0 that is printed
    rule = load_presets()["ema"]
    almost = {"prr_lower": np.array([0.999999999, 1.0]), "n": np.array([9, 9])}
    assert rule.flags(almost).tolist() == [False, True]


@given(reports)
def test_a_few_pairs_score_like_all(some_reports: list[Report]) -> None:
    table = table_of(some_reports)
    arrays = table.arrays()
    every = score_all(arrays)
    few = score_pairs(table, list(zip(arrays.drug, arrays.reaction, strict=True)))
    assert list(few) == list(every)
    for name, column in every.items():
        np.testing.assert_array_equal(few[name], column)


def test_score_all_has_the_columns_rules_speak_of_in_order() -> None:
    scores = score_all(two_by_two(3, 4, 5, 60).arrays())
    assert list(scores) == [
        "n", "n_drug", "n_reaction", "n_total", "expected", "prr", "prr_lower", "prr_upper",
        "ror", "ror_lower", "ror_upper", "chi2", "ic", "ic_lower", "ic_upper",
    ]  # fmt: skip
    assert {len(column) for column in scores.values()} == {4}
    assert [column for measure in measures(level=0.95) for column in measure.columns] == list(scores)[5:]
    assert score_all(two_by_two(3, 4, 5, 60).arrays(), level=0.5)["prr_lower"][0] > scores["prr_lower"][0]


def test_importing_the_package_leaves_scipy_stats_alone() -> None:
    """It would take as long as everything else together, at each call of the command line."""
    code = "import sys, detectors; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
