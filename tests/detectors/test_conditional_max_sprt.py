"""Conditional MaxSPRT against published statistics, integration over the history, simulation and its limit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import gamma

from cases import ParameterError
from detectors.sequential import conditional_log_likelihood_ratio, conditional_max_sprt, poisson_max_sprt
from detectors.sequential._crossing import survivors
from detectors.sequential._share import log_lower_share

# events, exposure and statistic of Table II of Silva, Li and Kulldorff (2015), doi:10.1002/sim.6805, as printed;
# 11 events in 5.3415 before. Exposures are printed to three decimals, which moves the first statistic by 0.005.
PUBLISHED = [
    (4, 0.183, 5.297), (8, 1.507, 1.914), (12, 2.638, 1.776), (16, 3.766, 1.750), (20, 5.942, 0.890),
    (4, 1.195, 0.319), (8, 1.935, 1.065), (12, 3.494, 0.748), (16, 4.486, 1.005), (20, 5.784, 0.992),
]  # fmt: skip


@pytest.mark.parametrize(("count", "exposure", "printed"), PUBLISHED)
def test_the_published_statistics(count: int, exposure: float, printed: float) -> None:
    found = conditional_log_likelihood_ratio(
        count, [exposure - 5e-4, exposure + 5e-4], events=11, history_exposure=5.3415
    )
    assert found[1] - 5e-4 <= printed <= found[0] + 5e-4


def test_no_statistic_below_the_history() -> None:
    assert conditional_log_likelihood_ratio([0, 2, 4], [1.0, 1.0, 2.0], events=20, history_exposure=10.0).tolist() == [
        0.0, 0.0, 0.0,
    ]  # fmt: skip
    assert conditional_log_likelihood_ratio(1, 0.0, events=20, history_exposure=10.0) == math.inf


def boundary(count: float, events: int, value: float) -> float:
    """Ratio of exposures at which the count just signals, by bisection of the statistic itself."""
    low, high = 0.0, count / events
    for _ in range(200):
        middle = (low + high) / 2
        is_signal = conditional_log_likelihood_ratio(count, middle, events=events, history_exposure=1.0) >= value
        low, high = (middle, high) if is_signal else (low, middle)
    return low


def integrated_risk(times: list[float], limits: list[int], events: int) -> float:
    """Chance of a signal by integration over the exposure that the history took for its events."""

    def crossing(history: float) -> float:
        alive = survivors(history * np.array(times), np.array(limits)).sum()
        return float(gamma.pdf(history, events) * (1 - alive))

    return float(quad(crossing, 0, gamma.isf(1e-15, events), epsabs=1e-12, limit=200, points=[events])[0])


@pytest.mark.parametrize(("events", "cases", "minimum"), [(20, 20, 2), (1, 12, 1), (5, 40, 1), (60, 15, 4)])
def test_the_risk_is_that_of_integration_over_histories(events: int, cases: int, minimum: int) -> None:
    found = conditional_max_sprt(alpha=0.05, events=events, cases=cases, minimum_events=minimum)
    assert found.alpha_spent == pytest.approx(0.05, abs=1e-9)
    limits = list(range(minimum, cases + 1))
    times = [boundary(count, events, found.critical_value) for count in limits]
    assert integrated_risk(times, limits, events) == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize(
    ("events", "ratio", "minimum", "delay"), [(20, 0.5, 1, 0.1), (20, 1.0, 3, 0.0), (3, 2.0, 1, 0.0), (1, 0.5, 2, 0.1)]
)
def test_a_simulated_null_signals_as_often_as_said(events: int, ratio: float, minimum: int, delay: float) -> None:
    found = conditional_max_sprt(
        alpha=0.05, events=events, length_ratio=ratio, minimum_events=minimum, delay_ratio=delay
    )
    assert found.alpha_spent <= 0.05
    random, runs = np.random.default_rng(11), 100_000
    history = random.gamma(events, size=runs)
    end = ratio * history
    time, alarm = delay * history, np.zeros(runs, dtype=bool)
    count = random.poisson(time).astype(float)
    if delay:
        alarm |= count >= minimum
        alarm &= (
            conditional_log_likelihood_ratio(count, delay, events=events, history_exposure=1) >= found.critical_value
        )
    while (time <= end).any():
        time += random.exponential(size=runs)
        count += 1
        statistic = conditional_log_likelihood_ratio(count, time / history, events=events, history_exposure=1)
        alarm |= (time <= end) & (count >= minimum) & (statistic >= found.critical_value)
    assert alarm.mean() == pytest.approx(found.alpha_spent, abs=3 * math.sqrt(0.05 * 0.95 / runs))


def test_a_simulation_by_cases_signals_as_often_as_said() -> None:
    found = conditional_max_sprt(alpha=0.05, events=20, cases=20, minimum_events=2)
    random, runs = np.random.default_rng(12), 200_000
    history = random.gamma(20, size=runs)
    ratio = np.cumsum(random.exponential(size=(runs, 20)), axis=1) / history[:, None]
    statistic = conditional_log_likelihood_ratio(np.arange(1, 21), ratio, events=20, history_exposure=1)
    alarms = (statistic[:, 1:] >= found.critical_value).any(axis=1).mean()
    assert alarms == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / runs))


def test_a_long_history_is_as_good_as_a_known_rate() -> None:
    known = poisson_max_sprt(alpha=0.05, length=5).critical_value
    gaps = [
        abs(conditional_max_sprt(alpha=0.05, events=events, length_ratio=5 / events).critical_value - known)
        for events in (10, 100, 1000, 10_000)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 2e-3


def test_the_largest_designs_neither_overflow_nor_vanish() -> None:
    found = conditional_max_sprt(alpha=0.05, events=1, cases=300)
    assert found.alpha_spent == pytest.approx(0.05, abs=1e-9)
    # the boundary of more events lies higher, and no boundary is above that of a known rate without end
    assert conditional_max_sprt(alpha=0.05, events=1, cases=100).critical_value < found.critical_value < 4


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(1e-6, 50))
def test_the_lower_share_has_lost_the_likelihood_that_it_should(inside: int, outside: int, value: float) -> None:
    log_share = float(log_lower_share(inside, outside, value))
    if inside == 0:
        assert log_share == -math.inf
        return
    rest = -math.expm1(log_share)
    total = inside + outside
    lost = inside * (math.log(inside / total) - log_share)
    lost += outside * math.log(outside / total / rest) if outside else 0.0
    assert lost == pytest.approx(value, rel=1e-6, abs=1e-8)
    assert math.exp(log_share) <= inside / total


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cases": None}, "either cases or length_ratio"), ({"length_ratio": 1.0}, "either cases or length_ratio"),
        ({"events": 0}, "events must be a whole number"), ({"events": math.nan}, "events"),
        ({"cases": 0}, r"cases must be a whole number in \[1, 1000\]"), ({"cases": 1001}, "cases"),
        ({"minimum_events": 21}, "at most cases = 20"), ({"minimum_events": 0}, "minimum_events"),
        ({"delay_ratio": 0.1}, "needs length_ratio"), ({"alpha": math.nan}, "alpha"),
        ({"cases": None, "length_ratio": 1.0, "delay_ratio": 1.0}, "delay"),
        ({"cases": None, "length_ratio": math.nan}, "length"),
        ({"cases": None, "length_ratio": 200.0}, "more than 1000 events"),
    ],
)  # fmt: skip
def test_a_design_that_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    design = {"alpha": 0.05, "events": 20, "cases": 20, **wrong}
    with pytest.raises(ParameterError, match=message):
        conditional_max_sprt(**design)  # type: ignore[arg-type]  # wrong on purpose
