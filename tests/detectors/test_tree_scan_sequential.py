"""Looking again and again at a tree: the risk measured, the exact risk of one branch, and looks that come later."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from cases import ParameterError
from detectors import Hierarchy
from detectors.tree_scan import BernoulliCounts, NodeSets, PoissonCounts, sequential_tree_scan, tree_scan

TREE = Hierarchy.from_rows(
    [*(f"leaf {i}" for i in range(6)), "group 0", "group 1"], [*(f"group {i // 3}" for i in range(6)), "all", "all"]
)
SETS = NodeSets.of_names(TREE)
EXPECTED = np.where(TREE.is_leaf, 3.0, 0.0)
TOTAL = np.where(TREE.is_leaf, 10, 0)
ALPHA = [0.02, 0.05, 0.1]


@pytest.mark.parametrize("model", ["poisson", "poisson given", "bernoulli", "bernoulli given"])
def test_the_risk_of_a_false_signal_over_all_looks_is_kept(model: str) -> None:
    random, runs, alarms = np.random.default_rng(31), 500, 0
    for _ in range(runs):
        looks: list[PoissonCounts] | list[BernoulliCounts]
        if model.startswith("poisson"):
            is_given = model.endswith("given")
            looks = [PoissonCounts(random.poisson(EXPECTED), EXPECTED, is_conditional=is_given) for _ in ALPHA]
        else:
            chance = None if model.endswith("given") else 0.3
            looks = [BernoulliCounts(random.binomial(TOTAL, 0.3), TOTAL, chance=chance) for _ in ALPHA]
        found = sequential_tree_scan(SETS, looks, alpha=ALPHA, random=random, replications=199)
        alarms += any(look.is_signal for look in found)
    error = np.sqrt(0.1 * 0.9 / runs)
    assert 0.1 - 5 * error <= alarms / runs <= 0.1 + 4 * error


def test_the_risk_of_one_branch_is_that_added_up_exactly() -> None:
    one = Hierarchy.from_rows(["leaf"], ["top"])
    means = [2.0, 5.0, 3.0]
    looks = [PoissonCounts(one.column({"leaf": 0}), one.column({"leaf": mean})) for mean in means]
    found = sequential_tree_scan(
        NodeSets.of_names(one), looks, alpha=ALPHA, random=np.random.default_rng(2), replications=40_000
    )
    state, so_far, count = np.zeros(80), 0.0, np.arange(80)
    state[0] = 1
    for look, mean in zip(found, means, strict=True):
        so_far += mean
        state = np.convolve(state, poisson.pmf(count, mean))[:80]
        ratio = np.where(count > so_far, count * np.log(np.maximum(count, 1) / so_far) - count + so_far, 0.0)
        state[ratio > look.critical_value + 1e-6] = 0
        spent = 1 - state.sum()
        assert look.alpha_spent == pytest.approx(spent, abs=5 * np.sqrt(0.1 * 0.9 / 40_000))
        assert look.alpha_spent <= look.alpha


@settings(max_examples=60)
@given(st.lists(st.integers(0, 9), min_size=6, max_size=6), st.sampled_from([0.01, 0.05, 0.13, 0.5]))
def test_one_look_signals_exactly_where_the_scan_is_below_alpha(seen: list[int], alpha: float) -> None:
    counts = PoissonCounts(TREE.column({f"leaf {i}": n for i, n in enumerate(seen)}), EXPECTED)
    (look,) = sequential_tree_scan(SETS, [counts], alpha=[alpha], random=np.random.default_rng(4), replications=199)
    plain = tree_scan(SETS, counts, random=np.random.default_rng(4), replications=199)
    assert look.cuts == plain.cuts
    assert look.is_signal == (plain.cuts[0].p <= alpha)


def test_later_looks_leave_the_earlier_ones_as_they_were() -> None:
    random = np.random.default_rng(7)
    looks = [BernoulliCounts(random.binomial(TOTAL, 0.3), TOTAL, chance=0.3) for _ in range(3)]
    # in the second look a leaf has its first reports
    first = TOTAL * (np.array(TREE.names) != "leaf 5")
    looks[0] = BernoulliCounts(random.binomial(first, 0.3), first, chance=0.3)
    found = [
        sequential_tree_scan(SETS, looks[:end], alpha=ALPHA, random=np.random.default_rng(9), replications=300)
        for end in (1, 2, 3)
    ]
    for each in found:
        for look, last in zip(each, found[-1], strict=False):
            assert (look.critical_value, look.alpha_spent) == (last.critical_value, last.alpha_spent)
            assert [(cut.llr, cut.p) for cut in look.cuts] == [(cut.llr, cut.p) for cut in last.cuts]


def test_an_excess_is_found_when_enough_has_come() -> None:
    rate = np.where(np.isin(TREE.names, ["leaf 3", "leaf 4", "leaf 5"]), 2.2, 1.0)
    random = np.random.default_rng(12)
    first = []
    for _ in range(20):
        looks = [PoissonCounts(random.poisson(EXPECTED * rate), EXPECTED) for _ in range(6)]
        found = sequential_tree_scan(
            SETS, looks, alpha=np.linspace(0.01, 0.05, 6).tolist(), random=random, replications=299
        )
        signals = [number for number, look in enumerate(found) if look.is_signal]
        assert signals and found[signals[0]].cuts[0].name != "group 0"
        first.append(signals[0])
    assert 0 < np.mean(first) < 4


def test_a_risk_too_small_for_the_draws_lets_nothing_signal() -> None:
    counts = PoissonCounts(TREE.column({"leaf 0": 500}), EXPECTED)
    look, later = sequential_tree_scan(
        SETS, [counts, counts], alpha=[0.001, 0.05], random=np.random.default_rng(1), replications=99
    )
    assert (look.critical_value, look.is_signal, look.alpha_spent) == (np.inf, False, 0.0)
    assert later.is_signal


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda look: ([], [0.05]), "at least one look"),
        (lambda look: ([look, look], [0.05]), "alpha must have a risk for each of the 2 looks, not 1"),
        (lambda look: ([look], [np.nan]), r"alpha must rise within \(0, 1\)"),
        (lambda look: ([look, look], [0.05, 0.04]), r"alpha must rise within \(0, 1\), not \[0.05, 0.04\]"),
        (lambda look: ([look, PoissonCounts(EXPECTED, EXPECTED, is_conditional=True)], ALPHA), "all be conditional"),
    ],
)
def test_a_plan_that_is_none_is_refused(
    make: Callable[[PoissonCounts], tuple[list[PoissonCounts], list[float]]], message: str
) -> None:
    looks, alpha = make(PoissonCounts(EXPECTED, EXPECTED))
    with pytest.raises(ParameterError, match=message):
        sequential_tree_scan(SETS, looks, alpha=alpha, random=np.random.default_rng(1), replications=9)


def test_looks_of_other_chances_are_refused() -> None:
    looks = [BernoulliCounts(TOTAL, TOTAL, chance=chance) for chance in (0.3, 0.4)]
    with pytest.raises(ParameterError, match=r"looks must have one chance, not 0.3 and 0.4"):
        sequential_tree_scan(SETS, looks, alpha=ALPHA, random=np.random.default_rng(1), replications=9)
