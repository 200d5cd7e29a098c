"""The likelihood ratio tests against printed numbers, exact products of Poisson chances, and their own promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from cases import ParameterError, UnknownTermError
from detectors import CountTable, PairArrays
from detectors.likelihood_ratio import likelihood_ratio_test, log_likelihood_ratio


@pytest.fixture(scope="module")
def statins(shared_data: Path) -> CountTable:
    table = pl.read_csv(shared_data / "faers" / "tables" / "pvLRT_statin46.csv")
    return CountTable.from_counts(table.select("drug", "event", "n").rows())


# pvLRT 0.5.1 on the statin table of 46 reactions and the others together
DIMENSIONS = (47, 7)
DRUG_MARGINS = [197390, 5742, 3230, 22486, 122450, 85445, 63539867]
TOP = [
    ("Myalgia", "Atorvastatin", 5362, 483.119, 8026.5382),
    ("Myalgia", "Simvastatin", 3216, 209.1296, 5782.2624),
    ("Rhabdomyolysis", "Atorvastatin", 2041, 112.0567, 3994.4269),
    ("Myalgia", "Rosuvastatin", 2757, 299.7007, 3660.7985),
    ("Rhabdomyolysis", "Simvastatin", 1376, 48.5064, 3275.5562),
    ("Myopathy", "Atorvastatin", 849, 26.9011, 2108.5564),
]
CONDITIONAL_TOP = [8087.4872, 5835.9341, 4003.8882]
INFLATION = {"Fluvastatin": 0.07124664, "Lovastatin": 0.1605045, "Pravastatin": 0.05937156}
SIGNALS, SIGNALS_INFLATED = 110, 111


@pytest.mark.shared_data
def test_ratios_are_those_printed(statins: CountTable) -> None:
    arrays = statins.arrays()
    assert (len(arrays.reaction_names), len(arrays.drug_names)) == DIMENSIONS
    assert sorted(set(arrays.n_drug.tolist())) == sorted(DRUG_MARGINS)
    ratio = log_likelihood_ratio(arrays.n, arrays.expected)
    named = zip(arrays.reaction, arrays.drug, arrays.n.tolist(), arrays.expected, ratio, strict=True)
    top = sorted((row for row in named if row[1] != "Other"), key=lambda row: -row[4])[: len(TOP)]
    for mine, theirs in zip(top, TOP, strict=True):
        assert mine[:3] == theirs[:3]
        assert mine[3:] == pytest.approx(theirs[3:], abs=5e-5)


@pytest.mark.shared_data
def test_the_conditional_ratio_is_that_of_the_pair_and_of_the_rest(statins: CountTable) -> None:
    """Huang's other form, given the drug's total: the ratio of the pair and that of what the drug has besides."""
    arrays = statins.arrays()
    rest, rest_expected = arrays.n_drug - arrays.n, arrays.n_drug - arrays.expected
    excess = arrays.n > arrays.expected
    lack = rest * np.log(rest / rest_expected) - (rest - rest_expected)
    conditional = np.where(excess, log_likelihood_ratio(arrays.n, arrays.expected) + lack, 0.0)
    others = np.array([drug != "Other" for drug in arrays.drug])
    assert np.sort(conditional[others])[::-1][:3] == pytest.approx(CONDITIONAL_TOP, abs=5e-5)


@pytest.mark.shared_data
def test_zero_inflation_is_that_printed(statins: CountTable) -> None:
    random = np.random.default_rng(1)
    found = likelihood_ratio_test(statins.arrays(), random=random, bootstraps=1, zero_inflated=True).zero_inflation
    for drug, share in INFLATION.items():  # theirs stops its iteration early
        assert found[drug] == pytest.approx(share, abs=3e-5)
    assert {drug for drug, share in found.items() if share > 0} == set(INFLATION)


@pytest.mark.shared_data
@pytest.mark.parametrize("is_inflated", [False, True])
def test_signals_are_as_many_as_printed(statins: CountTable, is_inflated: bool) -> None:
    """Theirs takes the largest of the whole table; with zero inflation its mere thousand draws give one pair more."""
    arrays = statins.arrays()
    result = likelihood_ratio_test(
        arrays,
        random=np.random.default_rng(1),
        classes=dict.fromkeys(arrays.drug_names, "all"),
        zero_inflated=is_inflated,
    )
    signals = int((result.p < 0.05).sum())
    assert signals == (SIGNALS_INFLATED - 1 if is_inflated else SIGNALS)


def _table(seed: int, drugs: int = 4, reactions: int = 6) -> CountTable:
    count = np.random.default_rng(seed).poisson(6, (drugs, reactions)) + 1
    return CountTable.from_counts(
        (f"d{drug}", f"r{reaction}", int(count[drug, reaction]))
        for drug in range(drugs)
        for reaction in range(reactions)
    )


def _exact(table: CountTable, drug: str, ratio: float) -> float:
    """Chance that the largest of the drug's ratios is at least `ratio`, its cells being independent Poisson counts."""
    arrays = table.arrays()
    below = 1.0
    for row in range(len(arrays)):
        if arrays.drug[row] == drug:
            mean = float(arrays.expected[row])
            counts = np.arange(int(mean + 60 * np.sqrt(mean + 1)))
            least = int(np.argmax(log_likelihood_ratio(counts, mean) >= ratio - 1e-12))
            below *= float(poisson.cdf(least - 1, mean))
    return 1 - below


@pytest.mark.parametrize("seed", range(5))
def test_the_bootstrap_agrees_with_the_exact_chance(seed: int) -> None:
    table = _table(seed)
    result = likelihood_ratio_test(table.arrays(), random=np.random.default_rng(seed), bootstraps=20_000)
    for drug, ratio in result.statistic.items():
        exact = _exact(table, drug, ratio)
        assert result.statistic_p[drug] == pytest.approx(exact, abs=5 * np.sqrt(exact * (1 - exact) / 20_000) + 1e-4)


def test_a_class_takes_the_largest_of_its_drugs() -> None:
    table = _table(7)
    classes = {"d0": "x", "d1": "x"}
    result = likelihood_ratio_test(table.arrays(), random=np.random.default_rng(2), bootstraps=20_000, classes=classes)
    assert set(result.statistic) == {"x", "d2", "d3"}
    ratio = result.statistic["x"]
    exact = 1 - (1 - _exact(table, "d0", ratio)) * (1 - _exact(table, "d1", ratio))
    assert result.statistic_p["x"] == pytest.approx(exact, abs=0.015)


def test_the_false_alarm_rate_is_that_asked_for() -> None:
    """Tables drawn from the hypothesis itself: a share of 5 % at most, up to luck, has p <= 0.05."""
    random, alarms, looked_at = np.random.default_rng(11), 0, 0
    for _ in range(150):
        count = random.poisson(np.outer([5, 8, 20], [1, 2, 3, 4, 2]))
        table = CountTable.from_counts((f"d{i}", f"r{j}", int(count[i, j])) for i in range(3) for j in range(5))
        result = likelihood_ratio_test(table.arrays(), random=random, bootstraps=399)
        alarms += sum(p <= 0.05 for p in result.statistic_p.values())
        looked_at += len(result.statistic_p)
    assert alarms / looked_at <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / looked_at)


def test_zero_inflation_recovers_the_share_drawn() -> None:
    random = np.random.default_rng(5)
    count = random.poisson(4.0, (20, 300))
    count[0, random.random(300) < 0.4] = 0
    table = CountTable.from_counts((f"d{i}", f"r{j}", int(count[i, j])) for i in range(20) for j in range(300))
    share = likelihood_ratio_test(table.arrays(), random=random, bootstraps=9, zero_inflated=True).zero_inflation
    assert share["d0"] == pytest.approx(0.35, abs=0.07)  # below 0.4: the drug's margin lacks what is impossible
    assert max(value for drug, value in share.items() if drug != "d0") < 0.02


def test_the_same_seed_gives_the_same_result_and_p_is_never_0() -> None:
    first, again = (
        likelihood_ratio_test(_table(3).arrays(), random=np.random.default_rng(9), bootstraps=99) for _ in range(2)
    )
    np.testing.assert_array_equal(first.p, again.p)
    assert ((first.p >= 0.01) & (first.p <= 1)).all()


@given(st.integers(0, 10_000), st.floats(1e-6, 1e6), st.floats(0.01, 100))
def test_the_ratio_is_natural_logarithms_scaled_with_the_counts(n: int, expected: float, scale: float) -> None:
    ratio = float(log_likelihood_ratio(n, expected))
    assert ratio >= 0
    assert (ratio == 0) == (n <= expected) or abs(n - expected) < 1e-6 * expected
    assert float(log_likelihood_ratio(n * scale, expected * scale)) == pytest.approx(ratio * scale, rel=1e-9, abs=1e-9)
    assert float(log_likelihood_ratio(n + 1, expected)) >= ratio


def test_what_cannot_be_expected_is_infinite_and_what_is_no_count_is_nan() -> None:
    result = log_likelihood_ratio([3, 0, -1, np.nan, 5, 2], [0, 0, 1, 1, np.inf, -1])
    np.testing.assert_array_equal(result, [np.inf, 0, np.nan, np.nan, np.nan, np.nan])


def test_bad_input_is_refused() -> None:
    random = np.random.default_rng(1)
    with pytest.raises(ParameterError, match="bootstraps must be at least 1"):
        likelihood_ratio_test(_table(1).arrays(), random=random, bootstraps=0)
    with pytest.raises(ParameterError, match="at least one pair"):
        likelihood_ratio_test(CountTable().arrays(), random=random)
    with pytest.raises(UnknownTermError, match="d1"):
        likelihood_ratio_test(_table(1).arrays(), random=random, classes={"d11": "x"})


def test_a_drug_and_a_reaction_without_reports_change_nothing() -> None:
    table = _table(4)
    pairs = [(f"d{drug}", f"r{reaction}") for drug in range(4) for reaction in range(6)]
    whole = table.arrays_of(pairs)
    empty = np.zeros(1, dtype=np.int64)
    more = PairArrays(
        (*whole.drug_names, "never"),
        whole.reaction_names,
        np.append(whole.drug_index, len(whole.drug_names)),
        np.append(whole.reaction_index, whole.reaction_index[0]),
        np.append(whole.n, empty),
        np.append(whole.n_drug, empty),
        np.append(whole.n_reaction, whole.n_reaction[0]),
        np.append(whole.n_total, whole.n_total[0]),
        np.append(whole.expected, 0.0),
    )
    plain, with_empty = (
        likelihood_ratio_test(arrays, random=np.random.default_rng(6), bootstraps=99) for arrays in (whole, more)
    )
    np.testing.assert_array_equal(with_empty.p[:-1], plain.p)
    assert with_empty.p[-1] == 1
