"""Alpha spending against enumeration, nested sums and simulation; never more than allowed, whatever the looks."""

from __future__ import annotations

import itertools
import json
import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cases import IntegrityError, ParameterError
from detectors.sequential import (
    SPENDING_FAMILIES,
    BinomialSpendingTest,
    PoissonSpendingTest,
    ProspectiveExpectation,
    SpendingBoundary,
    SpendingFunction,
)

END = date(2024, 12, 31)
LINEAR = SpendingFunction(family="power")


@given(st.sampled_from(sorted(SPENDING_FAMILIES)), st.floats(1e-6, 0.5), st.floats(0, 1), st.floats(0, 1))
def test_functions_rise_from_nothing_to_alpha(family: str, alpha: float, one: float, other: float) -> None:
    spending = SpendingFunction(family=family)
    low, high = (spending.spent(fraction, alpha=alpha) for fraction in sorted([one, other]))
    assert 0 <= low <= high <= alpha
    assert spending.spent(0, alpha=alpha) == 0
    assert spending.spent(1, alpha=alpha) == pytest.approx(alpha, rel=1e-12)


def test_functions_are_their_formulas() -> None:
    t, alpha = 0.3, 0.05
    fleming = 2 - 2 * stats.norm.cdf(stats.norm.ppf(1 - alpha / 2) / math.sqrt(t))
    assert SpendingFunction(family="obrien-fleming").spent(t, alpha=alpha) == pytest.approx(fleming, rel=1e-9)
    pocock = alpha * math.log(1 + (math.e - 1) * t)
    assert SpendingFunction(family="pocock").spent(t, alpha=alpha) == pytest.approx(pocock, rel=1e-12)
    assert SpendingFunction(family="power", rho=2).spent(t, alpha=alpha) == pytest.approx(alpha * 0.09, rel=1e-12)
    assert LINEAR.spent(t, alpha=alpha) == pytest.approx(0.015, rel=1e-12)


def test_the_counts_of_a_poisson_plan_by_nested_sums() -> None:
    sizes = [2.0, 1.5, 3.5]
    boundary = SpendingBoundary(alpha=0.05, length=7, spending=LINEAR)
    looks = [boundary.look(size) for size in sizes]
    allowed = [0.05 * total / 7 for total in np.cumsum(sizes)]
    assert [look.alpha_allowed for look in looks] == pytest.approx(allowed)
    alive, spent = {0: 1.0}, 0.0
    for size, look, most in zip(sizes, looks, allowed, strict=True):
        moved: dict[int, float] = {}
        for held, added in itertools.product(alive, range(80)):
            moved[held + added] = moved.get(held + added, 0.0) + alive[held] * float(stats.poisson.pmf(added, size))
        limit = look.signal_count
        assert limit is not None
        risk = sum(chance for count, chance in moved.items() if count >= limit)
        assert spent + risk <= most < spent + risk + moved[limit - 1]  # and one event fewer would be too much
        spent += risk
        assert look.alpha_spent == pytest.approx(spent, rel=1e-9)
        alive = {count: chance for count, chance in moved.items() if count < limit}


@pytest.mark.parametrize("family", sorted(SPENDING_FAMILIES))
def test_a_binomial_plan_by_enumeration_of_all_paths(family: str) -> None:
    sizes, chance = [5, 3, 6], 0.3
    boundary = SpendingBoundary(alpha=0.1, length=14, spending=SpendingFunction(family=family), chance=chance)
    looks = [boundary.look(size) for size in sizes]
    spent = [0.0] * 3
    for added in itertools.product(*(range(size + 1) for size in sizes)):
        weight = math.prod(float(stats.binom.pmf(k, n, chance)) for k, n in zip(added, sizes, strict=True))
        reached = [
            look.signal_count is not None and total >= look.signal_count
            for look, total in zip(looks, itertools.accumulate(added), strict=True)
        ]
        if any(reached):
            for number in range(reached.index(True), 3):
                spent[number] += weight
    assert [look.alpha_spent for look in looks] == pytest.approx(spent, rel=1e-9, abs=1e-15)


sizes_of_looks = st.lists(st.floats(0, 8), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(sizes_of_looks, st.sampled_from(sorted(SPENDING_FAMILIES)), st.floats(1e-4, 0.3), st.integers(1, 4))
def test_never_more_is_spent_than_allowed(sizes: list[float], family: str, alpha: float, minimum: int) -> None:
    spending = SpendingFunction(family=family)
    poisson = SpendingBoundary(alpha=alpha, length=20, spending=spending, minimum_events=minimum)
    binomial = SpendingBoundary(alpha=alpha, length=20, spending=spending, chance=0.4, minimum_events=minimum)
    for boundary, each in itertools.product((poisson, binomial), sizes):
        before = boundary.last
        look = boundary.look(round(each) if boundary.chance else each)
        assert before.alpha_spent <= look.alpha_spent <= look.alpha_allowed <= alpha
        assert look.signal_count is None or look.signal_count >= minimum
        assert look.signal_count is None or boundary.chance is None or look.signal_count <= look.size
    assert poisson.last.size == pytest.approx(math.fsum(sizes))


def test_a_look_beyond_the_length_spends_what_is_left_and_many_looks_cost_little() -> None:
    single = SpendingBoundary(alpha=0.05, length=10, spending=LINEAR)
    assert single.look(12).alpha_allowed == 0.05
    assert single.last.signal_count == int(stats.poisson.isf(0.05, 12)) + 1
    daily = SpendingBoundary(alpha=0.05, length=10, spending=LINEAR)
    for _ in range(100):
        daily.look(0.1)
    assert 0.045 < daily.last.alpha_spent <= 0.05


def test_a_simulated_null_signals_as_often_as_said() -> None:
    random, runs = np.random.default_rng(8), 200_000
    sizes = [1.0, 4.0, 0.5, 2.5]
    boundary = SpendingBoundary(alpha=0.05, length=8, spending=SpendingFunction(family="pocock"))
    limits = [boundary.look(size).signal_count for size in sizes]
    counts = np.cumsum(random.poisson(sizes, size=(runs, 4)), axis=1)
    alarms = (counts >= np.array(limits)).any(axis=1).mean()
    spent = boundary.last.alpha_spent
    assert alarms == pytest.approx(spent, abs=3 * math.sqrt(spent * (1 - spent) / runs))


def fresh_tests() -> list[PoissonSpendingTest | BinomialSpendingTest]:
    known = ProspectiveExpectation.from_rate(0.5, source="made up", last_day=END)
    return [
        PoissonSpendingTest(expectation=known, alpha=0.05, length=10, family="power", rho=2.0, minimum_events=2),
        BinomialSpendingTest(expectation=known, alpha=0.05, length=40, family="pocock"),
    ]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8), st.integers(0, 8))
def test_a_restored_test_goes_on_as_if_it_had_never_stopped(counts: list[tuple[int, int]], at: int) -> None:
    for test in fresh_tests():
        restored: Any = test
        seen, first = 0, None
        for number, (count, rest) in enumerate(counts, start=1):
            if number == at:
                restored = type(test).restore(json.loads(json.dumps(test.snapshot())))
            day, size = END + timedelta(days=number), count + rest
            status = test.update(day, observed=count, exposure=size)
            assert (restored.update(day, observed=count, exposure=size) if restored is not test else status) == status
            seen += count
            if first is None and status.look.signal_count is not None and seen >= status.look.signal_count:
                first = day
            assert (status.signalled_on, status.is_signal) == (first, first is not None)
        assert restored.snapshot() == test.snapshot()


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    poisson, binomial = fresh_tests()
    for test in (poisson, binomial):
        test.update(END + timedelta(days=1), observed=1, exposure=4)
        before = test.snapshot()
        with pytest.raises(ParameterError, match="at most 100000"):
            test.update(END + timedelta(days=2), observed=1, exposure=400_000)
        assert test.snapshot() == before
        for state in ({}, {"sizes": [1.0]}, {"sizes": ["x"]}, {"sizes": [math.nan]}):
            with pytest.raises(IntegrityError, match="not a snapshot"):
                type(test).restore(before | {"state": state})
    with pytest.raises(ParameterError, match="at most the events of both groups"):
        binomial.update(END + timedelta(days=2), observed=5, exposure=4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"alpha": math.nan}, "alpha"), ({"length": 0}, "length"), ({"chance": 1.0}, "chance"),
        ({"chance": math.nan}, "chance"), ({"minimum_events": 0}, "minimum_events"),
    ],
)  # fmt: skip
def test_a_boundary_that_cannot_be_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        SpendingBoundary(**{"alpha": 0.05, "length": 10, "spending": LINEAR, **wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"family": "powr"}, "family must be one of power, obrien-fleming, pocock"), ({"rho": 0}, "rho"),
        ({"rho": math.nan}, "rho"), ({"family": "pocock", "rho": 2}, "rho belongs to power alone"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_be_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        SpendingFunction(**{"family": "power", **wrong})
    for fraction in (-0.1, 1.1, math.nan):
        with pytest.raises(ParameterError, match="fraction"):
            LINEAR.spent(fraction, alpha=0.05)
    boundary = SpendingBoundary(alpha=0.05, length=10, spending=LINEAR, chance=0.5)
    for size, reason in ((-1, "at least 0"), (math.nan, "finite"), (1.5, "whole number")):
        with pytest.raises(ParameterError, match=reason):
            boundary.look(size)
