"""E-values and confidence sequences: integration, the supermartingale by enumeration, Ville's bound by simulation."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from cases import IntegrityError, ParameterError
from detectors.sequential import (
    BinomialEProcess,
    PoissonEProcess,
    ProspectiveExpectation,
    binomial_confidence,
    binomial_log_e_value,
    poisson_confidence,
    poisson_log_e_value,
)

END = date(2024, 12, 31)


def log_integral(log_density: Callable[[float], float], low: float, high: float, mode: float, width: float) -> float:
    """Logarithm of an integral, scaled by its largest value; most of it lies within some widths of the mode."""
    inside = min(max(mode, low), high)
    top = log_density(inside)
    edges = sorted({min(max(inside + k * width, low), high) for k in (-40, -15, -4, 0, 4, 15, 40)} | {low, high})
    parts = (
        quad(lambda x: math.exp(log_density(x) - top), a, b, epsabs=0, epsrel=1e-9, limit=200)[0]
        for a, b in itertools.pairwise(edges)
    )
    return top + math.log(sum(parts))


def poisson_oracle(count: int, expected: float, k: float) -> float:
    prior = stats.gamma(k, scale=1 / k)
    mode = max(1.0, (k + count) / (k + expected))
    width = max(math.sqrt(count + 1) / (k + expected), 1e-6)
    if expected > count:
        width = min(width, 1 / (k + expected - count))

    def log_density(ratio: float) -> float:
        return count * math.log(ratio) - (ratio - 1) * expected + float(prior.logpdf(ratio))

    return log_integral(log_density, 1.0, mode + 60 * width, mode, width) - float(prior.logsf(1.0))


def binomial_oracle(count: int, total: int, chance: float, k: float) -> float:
    prior = stats.beta(k, k * (1 - chance) / chance)
    rest = total - count
    mode = max(chance, min(count / total, 1 - 1e-9)) if total else chance
    width = math.sqrt(mode * (1 - mode) / (total + 1)) / 4

    def log_density(share: float) -> float:
        gain = count * math.log(share / chance) + rest * math.log((1 - share) / (1 - chance))
        return gain + float(prior.logpdf(share))

    return log_integral(log_density, chance, 1 - 1e-12, mode, width) - float(prior.logsf(chance))


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, 0.0), (0, 5.0), (3, 0.2), (15, 5.0), (40, 80.0), (300, 200.0), (1_003_000, 1e6), (990_000, 1e6), (10, 3000.0)],
)
@pytest.mark.parametrize("k", [1.0, 7.5])
def test_the_poisson_e_value_is_its_integral(count: int, expected: float, k: float) -> None:
    found = float(poisson_log_e_value(count, expected, concentration=k))
    assert found == pytest.approx(poisson_oracle(count, expected, k), rel=1e-8, abs=2e-8)


@pytest.mark.parametrize(
    ("count", "total"), [(0, 0), (0, 12), (12, 12), (9, 20), (30, 300), (251_500, 1_000_000), (249_000, 1_000_000)]
)
@pytest.mark.parametrize("k", [1.0, 3.0])
def test_the_binomial_e_value_is_its_integral(count: int, total: int, k: float) -> None:
    found = float(binomial_log_e_value(count, total, chance=0.25, concentration=k))
    assert found == pytest.approx(binomial_oracle(count, total, 0.25, k), rel=1e-8, abs=2e-8)


@pytest.mark.parametrize("count", [0, 1_000, 990_000, 1_000_000, 2_000_000, 50_000_000])
def test_large_counts_stay_finite_and_in_order(count: int) -> None:
    values = poisson_log_e_value([count, count + 1], 1e6)
    assert np.isfinite(values).all()
    assert values[1] > values[0]
    shares = binomial_log_e_value([min(count, 999_999), min(count, 999_999) + 1], 1_000_000, chance=0.3)
    assert np.isfinite(shares).all()
    assert shares[1] > shares[0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.floats(0, 40), st.floats(0.01, 20), st.floats(0.0, 1.0), st.floats(0.5, 50))
def test_the_poisson_process_is_a_supermartingale(
    count: int, expected: float, more: float, ratio: float, k: float
) -> None:
    """Enumerated: the mean of the next e-value is the present one at a ratio of 1, and not above it below 1."""
    now = float(poisson_log_e_value(count, expected, concentration=k))
    likely = (count + k + 60) / (expected + k)  # ratios that the evidence so far leaves
    events = np.arange(int(400 + 3 * more * likely))
    following = poisson_log_e_value(count + events, expected + more, concentration=k)

    def log_mean(true: float) -> float:
        return float(np.logaddexp.reduce(stats.poisson.logpmf(events, true * more) + following - now))

    assert log_mean(1.0) == pytest.approx(0.0, abs=1e-7)
    assert log_mean(ratio) <= 1e-9
    assert log_mean(1.5) > 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 15), st.floats(0.01, 0.99), st.floats(0, 1))
def test_the_binomial_process_is_a_supermartingale(
    count: int, rest: int, more: int, chance: float, part: float
) -> None:
    now = float(binomial_log_e_value(count, count + rest, chance=chance))
    events = np.arange(more + 1)
    following = binomial_log_e_value(count + events, count + rest + more, chance=chance)

    def mean(true: float) -> float:
        return float(np.exp(stats.binom.logpmf(events, more, true) + following - now).sum())

    assert mean(chance) == pytest.approx(1.0, rel=1e-7)
    assert mean(part * chance) <= 1 + 1e-9


def test_ville_bounds_looks_at_every_event() -> None:
    random, runs, alpha = np.random.default_rng(21), 4_000, 0.05
    times = np.cumsum(random.exponential(size=(runs, 200)), axis=1)
    log_e = poisson_log_e_value(np.arange(1, 201), times)
    ever = (log_e >= -math.log(alpha)).any(axis=1).mean()
    assert 0 < ever <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / runs)
    exposed = np.cumsum(random.random((runs, 150)) < 0.25, axis=1)
    log_e = binomial_log_e_value(exposed, np.arange(1, 151), chance=0.25)
    ever = (log_e >= -math.log(alpha)).any(axis=1).mean()
    assert 0 < ever <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / runs)


def log_mixture(count: int, expected: float, ratio: float, k: float) -> float:
    """The martingale whose bound makes the confidence sequence, by integration."""
    prior = stats.gamma(k, scale=1 / k)
    mode, width = (k + count) / (k + expected), math.sqrt(k + count) / (k + expected)

    def log_density(theta: float) -> float:
        if not theta:
            return -math.inf
        gain = count * math.log(theta / ratio) - (theta - ratio) * expected
        return gain + float(prior.logpdf(theta))

    return log_integral(log_density, 1e-12, mode + 60 * width, mode, width)


@pytest.mark.parametrize(
    ("count", "expected", "k"),
    [(1, 0.5, 1.0), (15, 5.0, 1.0), (15, 5.0, 20.0), (1_000_000, 990_000.0, 1.0), (3, 900.0, 2.0)],
)
def test_the_limits_are_where_the_martingale_reaches_its_bound(count: int, expected: float, k: float) -> None:
    found = poisson_confidence(count, expected, level=0.9, concentration=k)
    assert found.lower < found.point == count / expected < found.upper
    for limit in (found.lower, found.upper):
        assert log_mixture(count, expected, limit, k) == pytest.approx(math.log(10), abs=1e-6)


def test_limits_where_little_is_known() -> None:
    assert all(math.isnan(each) for each in (poisson_confidence(0, 0.0).point, poisson_confidence(0, 0.0).upper))
    none = poisson_confidence(0, 4.0)
    assert (none.point, none.lower) == (0.0, 0.0)
    assert log_mixture(0, 4.0, none.upper, 1.0) == pytest.approx(math.log(20), abs=1e-6)
    extreme = poisson_confidence(1_000_000, 1e-3)  # far from anything that the mixture looks for
    assert 0 <= extreme.lower < extreme.point < extreme.upper < math.inf
    every = binomial_confidence(5, 5, chance=0.5)
    assert every.lower < every.point == every.upper == math.inf
    assert binomial_confidence(0, 5, chance=0.5).lower == 0
    assert math.isnan(binomial_confidence(0, 0, chance=0.5).lower)


@pytest.mark.parametrize(
    ("count", "total", "chance"), [(12, 20, 0.25), (0, 9, 0.5), (30, 400, 0.1), (250_000, 10**6, 0.25)]
)
def test_the_limits_of_odds_are_where_the_martingale_reaches_its_bound(count: int, total: int, chance: float) -> None:
    found = binomial_confidence(count, total, chance=chance, level=0.95, concentration=2.0)
    first, second = 2.0, 2.0 * (1 - chance) / chance
    posterior, prior = stats.beta(first + count, second + total - count), stats.beta(first, second)
    for odds in {found.lower, found.upper} - {0.0}:
        share = odds * chance / (1 - chance) / (1 + odds * chance / (1 - chance))
        # Bayes: prior density over posterior density at a share is the mixture over its likelihood
        assert prior.logpdf(share) - posterior.logpdf(share) == pytest.approx(math.log(20), abs=1e-6)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_the_limits_hold_at_all_looks_at_once(ratio: float) -> None:
    random, runs, alpha = np.random.default_rng(3), 300, 0.1
    missed = 0
    for _ in range(runs):
        counts = np.cumsum(random.poisson(ratio * 1.5, size=60))
        limits = [poisson_confidence(int(c), 1.5 * n, level=1 - alpha) for n, c in enumerate(counts, start=1)]
        missed += not all(each.lower <= ratio <= each.upper for each in limits)
    assert missed / runs <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / runs)


def fresh_tests() -> list[PoissonEProcess | BinomialEProcess]:
    history = ProspectiveExpectation.from_history(events=4, exposure=8, last_day=END)
    return [PoissonEProcess(expectation=history, alpha=0.05), BinomialEProcess(expectation=history, alpha=0.05)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9), st.integers(0, 9))
def test_running_is_the_value_of_the_sums_and_goes_on_after_a_restart(counts: list[tuple[int, int]], at: int) -> None:
    for test in fresh_tests():
        restored: Any = test
        largest, seen, total = 0.0, 0, 0
        for number, (count, rest) in enumerate(counts, start=1):
            if number == at:
                restored = type(test).restore(json.loads(json.dumps(test.snapshot())))
            day = END + timedelta(days=number)
            status = test.update(day, observed=count, exposure=count + rest)
            again = restored.update(day, observed=count, exposure=count + rest) if restored is not test else status
            assert repr(again) == repr(status)  # NaN, where nothing is known, is not equal to itself
            seen, total = seen + count, total + count + rest
            if isinstance(test, PoissonEProcess):
                expected = float(poisson_log_e_value(seen, total / 2))
            else:
                expected = float(binomial_log_e_value(seen, total, chance=0.5))
            largest = max(largest, expected)
            assert status.log_e_value == pytest.approx(expected, abs=1e-12)
            assert status.p_value == pytest.approx(math.exp(-largest), rel=1e-12)
            assert status.is_signal == (status.p_value <= 0.05)
        assert restored.snapshot() == test.snapshot()


def test_a_snapshot_that_contradicts_itself_is_refused() -> None:
    test = fresh_tests()[0]
    test.update(END + timedelta(days=1), observed=9, exposure=8)
    for state in ({}, {"largest_log_e_value": 0.0}, {"largest_log_e_value": math.nan}, {"largest_log_e_value": "x"}):
        with pytest.raises(IntegrityError, match="not a snapshot of PoissonEProcess"):
            PoissonEProcess.restore(test.snapshot() | {"state": state})
    with pytest.raises(IntegrityError, match=r"schema kelsey\.binomial-e-process"):
        BinomialEProcess.restore(test.snapshot())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: poisson_log_e_value(-1, 1.0), "at least 0"), (lambda: poisson_log_e_value(1, math.nan), "finite"),
        (lambda: poisson_log_e_value(1, 1.0, concentration=0), "concentration"),
        (lambda: binomial_log_e_value(3, 2, chance=0.5), "above its total"),
        (lambda: binomial_log_e_value(1, 2, chance=math.nan), "chance"),
        (lambda: poisson_confidence(1, math.nan), "expected"), (lambda: poisson_confidence(1, 1.0, level=1), "level"),
        (lambda: binomial_confidence(3, 2, chance=0.5), "count must lie"),
        (lambda: binomial_confidence(1, 2, chance=1.0), "chance"),
        (lambda: PoissonEProcess(expectation=fresh_tests()[0].expectation, alpha=math.nan), "alpha"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()
