"""Exact sequential boundaries against printed numbers, enumeration and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from cases import ParameterError
from detectors.sequential import binomial_max_sprt, poisson_max_sprt


@pytest.mark.parametrize(
    ("length", "minimum", "printed"),
    [
        (1, 1, 2.85393700326128), (2, 1, 3.0469774628286), (5, 1, 3.29718279728549), (10, 1, 3.46795158033368),
        (20, 1, 3.62812301587201), (100, 1, 3.95232090599911), (10, 3, 3.06424796686384),
    ],
)  # fmt: skip
def test_the_printed_boundaries(length: float, minimum: int, printed: float) -> None:
    found = poisson_max_sprt(alpha=0.05, length=length, minimum_events=minimum)
    assert found.critical_value == pytest.approx(printed, abs=1e-9)
    assert found.alpha_spent == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize(
    ("length", "delay", "printed"),
    [(3, 1, 2.317139), (5, 4, 1.611553), (10, 1, 2.799333), (20, 3, 2.846635), (60, 4, 3.162908), (100, 10, 3.109251)],
)
def test_the_printed_boundaries_with_a_delay(length: float, delay: float, printed: float) -> None:
    found = poisson_max_sprt(alpha=0.05, length=length, delay=delay)
    assert found.critical_value == pytest.approx(printed, abs=2e-6)
    assert found.alpha_spent <= 0.05


@pytest.mark.parametrize(
    ("length", "minimum", "printed"),
    [(3, 6, 1.76648463065627), (6, 10, 1.74055087831132), (20, 4, 3.17637032177521), (100, 8, 3.43006496056302)],
)
def test_the_printed_boundaries_with_a_minimum(length: float, minimum: int, printed: float) -> None:
    found = poisson_max_sprt(alpha=0.05, length=length, minimum_events=minimum)
    assert found.critical_value == pytest.approx(printed, abs=1e-9)


@pytest.mark.parametrize(
    ("length", "groups", "printed"), [(25, [5, 5, 5, 5, 5], 1.9852), (50, [10, 10, 15, 15], 1.99202)]
)
def test_the_printed_binomial_boundaries(length: int, groups: list[float], printed: float) -> None:
    """Printed rounded up at the fifth digit."""
    found = binomial_max_sprt(alpha=0.05, length=length, ratio=3.5, groups=groups)
    assert math.ceil(found.critical_value * 1e5) / 1e5 == pytest.approx(printed, abs=1e-9)
    if length == 25:
        assert found.alpha_spent == pytest.approx(0.04775995, abs=5e-9)


def test_the_boundary_in_groups_is_the_least_that_keeps_the_risk() -> None:
    """Signalling at 10 events where 5 were expected would be too risky."""
    found = poisson_max_sprt(alpha=0.05, length=17, groups=[5, 6, 6])
    too_risky = 5 - 10 + 10 * math.log(10 / 5)
    assert too_risky < found.critical_value <= too_risky + 6e-9


def test_a_minimum_that_is_rarely_reached_decides_alone() -> None:
    for groups in (None, [5.0, 5.0]):
        found = poisson_max_sprt(alpha=0.05, length=10, minimum_events=16, groups=groups)
        tail = 1 - sum(math.exp(-10) * 10**k / math.factorial(k) for k in range(16))
        assert found.alpha_spent == pytest.approx(tail, abs=1e-12)
        assert found.critical_value == pytest.approx(10 - 16 + 16 * math.log(1.6), abs=1e-12)
    assert 0 < poisson_max_sprt(alpha=0.05, length=10, minimum_events=60).alpha_spent < 1e-25


@pytest.mark.parametrize(("minimum", "delay"), [(1, 0.0), (4, 0.0), (1, 3.0), (2, 1.5)])
def test_a_simulated_null_signals_as_often_as_said(minimum: int, delay: float) -> None:
    found = poisson_max_sprt(alpha=0.05, length=10, minimum_events=minimum, delay=delay)
    random = np.random.default_rng(9)
    times = np.cumsum(random.exponential(size=(100_000, 45)), axis=1)
    count = np.arange(1, 46)
    at = np.maximum(times, delay)  # an event during the delay is looked at when it ends
    ratio = np.where(count > at, at - count + count * np.log(count / at), 0)
    signalled = ((times <= 10) & (count >= minimum) & (ratio >= found.critical_value)).any(axis=1).mean()
    assert found.alpha_spent <= 0.05
    assert signalled == pytest.approx(found.alpha_spent, abs=4 * math.sqrt(0.05 * 0.95 / 100_000))


def test_groups_are_conservative_and_exact() -> None:
    found = poisson_max_sprt(alpha=0.05, length=17, groups=[5, 6, 6])
    random = np.random.default_rng(4)
    counts = np.cumsum(random.poisson([5, 6, 6], size=(200_000, 3)), axis=1)
    at = np.array([5.0, 11.0, 17.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(counts > at, at - counts + counts * np.log(counts / at), 0)
    signalled = (ratio >= found.critical_value - 1e-12).any(axis=1).mean()
    assert 0.03 < found.alpha_spent <= 0.05
    assert signalled == pytest.approx(found.alpha_spent, abs=4 * math.sqrt(0.05 * 0.95 / 200_000))


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_the_binomial_boundary_is_that_of_enumeration(ratio: float) -> None:
    length, chance = 12, 1 / (1 + ratio)

    def statistic(exposed: int, total: int) -> float:
        share = exposed / total
        if share <= chance:
            return 0.0
        rest = (total - exposed) * math.log((1 - share) / (1 - chance)) if exposed < total else 0.0
        return exposed * math.log(share / chance) + rest

    largest = []
    for path in itertools.product([0, 1], repeat=length):
        exposed = list(itertools.accumulate(path))
        weight = chance ** exposed[-1] * (1 - chance) ** (length - exposed[-1])
        largest.append((max(statistic(c, n) for n, c in enumerate(exposed, 1)), weight))

    def risk(value: float) -> float:
        return sum(weight for top, weight in largest if top >= value - 1e-12)

    found = binomial_max_sprt(alpha=0.1, length=length, ratio=ratio)
    assert found.alpha_spent == pytest.approx(risk(found.critical_value), abs=1e-12)
    assert found.alpha_spent <= 0.1
    smaller = [top for top, _ in largest if top < found.critical_value - 1e-9]
    assert risk(max(smaller)) > 0.1


def test_one_look_at_the_end_is_the_exact_test() -> None:
    found = binomial_max_sprt(alpha=0.05, length=20, groups=[20])
    tail = sum(math.comb(20, k) for k in range(15, 21)) / 2**20
    assert found.alpha_spent == pytest.approx(tail, abs=1e-14)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"alpha": 0.0}, "alpha"), ({"alpha": math.nan}, "alpha"), ({"length": 0}, "length"),
        ({"minimum_events": 0}, "minimum_events"), ({"delay": 10}, "delay"), ({"groups": [5, 6]}, "sum to the length"),
        ({"groups": [11, -1]}, "positive"),
    ],
)  # fmt: skip
def test_a_design_that_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    for test in (poisson_max_sprt, binomial_max_sprt):
        with pytest.raises(ParameterError, match=message):
            test(**{"alpha": 0.05, "length": 10, **wrong})  # type: ignore[arg-type]  # wrong on purpose


def test_a_design_too_short_to_signal_is_said() -> None:
    with pytest.raises(ParameterError, match="too short"):
        binomial_max_sprt(alpha=0.05, length=3)
