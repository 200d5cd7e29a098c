"""How often the tests that may look again and again signal where there is nothing to find.

Conditional MaxSPRT, alpha spending and e-processes promise that the chance of ever signalling is at most alpha. Each
is held against simulated surveillances without any excess, with the looks that its promise covers: at every event, at
looks of any size, or whenever somebody likes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from benchmarks.validity.study import Table
from detectors import Interval
from detectors.sequential import (
    SpendingBoundary,
    SpendingFunction,
    binomial_confidence,
    binomial_log_e_value,
    conditional_log_likelihood_ratio,
    conditional_max_sprt,
    poisson_confidence,
    poisson_log_e_value,
)

__all__ = ["sequential_under_null"]

_SEED = 20250102
_RUNS = 100_000
_LOOKS = 150
_LEVEL = 0.999

_Row = tuple[str, str, float, str, int]  # test, looks, allowed, exact risk in words, alarms


def _conditional_alarms(
    random: np.random.Generator, critical: float, *, events: int, cases: int, minimum: int, runs: int
) -> int:
    """Surveillances by cases, looked at at every event, each after a history of its own."""
    history, time, crossed = random.gamma(events, size=runs), np.zeros(runs), np.zeros(runs, dtype=bool)
    for count in range(1, cases + 1):
        time += random.exponential(size=runs)
        if count >= minimum:
            ratio = conditional_log_likelihood_ratio(count, time / history, events=events, history_exposure=1.0)
            crossed |= ratio >= critical
    return int(crossed.sum())


def _conditional_alarms_by_exposure(
    random: np.random.Generator, critical: float, *, events: int, length: float, delay: float, runs: int
) -> int:
    """Surveillances by exposure, with a look at the end of the delay and at every event after it."""
    history = random.gamma(events, size=runs)
    time, end = delay * history, length * history
    count = random.poisson(time).astype(float)
    crossed = conditional_log_likelihood_ratio(count, delay, events=events, history_exposure=1.0) >= critical
    while (time <= end).any():
        time += random.exponential(size=runs)
        count += 1
        ratio = conditional_log_likelihood_ratio(count, time / history, events=events, history_exposure=1.0)
        crossed |= (time <= end) & (ratio >= critical)
    return int(crossed.sum())


def _spending_alarms(
    random: np.random.Generator, boundary: SpendingBoundary, *, sizes: Sequence[float], runs: int
) -> int:
    """Looks of the given sizes, Poisson or binomial as the boundary is."""
    count, crossed = np.zeros(runs), np.zeros(runs, dtype=bool)
    for size in sizes:
        limit = boundary.look(size).signal_count
        chance = boundary.chance
        count += random.poisson(size, runs) if chance is None else random.binomial(int(size), chance, runs)
        if limit is not None:
            crossed |= count >= limit
    return int(crossed.sum())


def _e_process_alarms(random: np.random.Generator, *, alpha: float, ratio: float, looks: int, runs: int) -> int:
    """Looks at every event, for as long as the simulation lasts: the worst that somebody who looks can do."""
    bound, time, crossed = -math.log(alpha), np.zeros(runs), np.zeros(runs, dtype=bool)
    for count in range(1, looks + 1):
        time += random.exponential(1 / ratio, size=runs)
        crossed |= poisson_log_e_value(count, time) >= bound
    return int(crossed.sum())


def _binomial_e_process_alarms(
    random: np.random.Generator, *, alpha: float, chance: float, looks: int, runs: int
) -> int:
    bound, count, crossed = -math.log(alpha), np.zeros(runs), np.zeros(runs, dtype=bool)
    for total in range(1, looks + 1):
        count += random.random(runs) < chance
        values = binomial_log_e_value(np.arange(total + 1), total, chance=chance)
        crossed |= (values >= bound)[count.astype(np.int64)]
    return int(crossed.sum())


def _sequence_misses(
    step: Callable[[], NDArray[np.int64]], limits: Callable[[int, int], Interval], *, truth: float, looks: int
) -> int:
    """Surveillances whose limits leave out the truth at any look; `step` draws what each period adds."""
    count = step()
    missed = np.zeros(len(count), dtype=bool)
    for look in range(1, looks + 1):
        values, place = np.unique(count, return_inverse=True)
        intervals = [limits(value, look) for value in values.tolist()]
        missed |= np.array([not each.lower <= truth <= each.upper for each in intervals])[place]
        count = count + step()
    return int(missed.sum())


def _planned(random: np.random.Generator, runs: int) -> list[_Row]:
    """Tests that end as planned, and whose risk is known exactly."""
    rows: list[_Row] = []
    for events, cases, minimum in ((5, 20, 1), (20, 20, 2), (100, 50, 1)):
        exact = conditional_max_sprt(alpha=0.05, events=events, cases=cases, minimum_events=minimum)
        alarms = _conditional_alarms(
            random, exact.critical_value, events=events, cases=cases, minimum=minimum, runs=runs
        )
        name = f"conditional MaxSPRT, c = {events}, K = {cases}, M = {minimum}"
        rows.append((name, "every event", 0.05, f"{exact.alpha_spent:.5f}", alarms))
    exact = conditional_max_sprt(alpha=0.05, events=20, length_ratio=0.5, delay_ratio=0.1)
    alarms = _conditional_alarms_by_exposure(random, exact.critical_value, events=20, length=0.5, delay=0.1, runs=runs)
    rows.append(
        ("conditional MaxSPRT, c = 20, T = 0.5, D = 0.1", "every event", 0.05, f"{exact.alpha_spent:.5f}", alarms)
    )
    for family, chance, sizes in (
        ("power", None, (0.4, 3.0, 1.1, 5.5)), ("obrien-fleming", None, (5.0, 6.0, 6.0)),
        ("pocock", None, (0.5,) * 40), ("pocock", 0.25, (7.0, 1.0, 20.0, 12.0)),
    ):  # fmt: skip
        boundary = SpendingBoundary(
            alpha=0.05, length=sum(sizes), spending=SpendingFunction(family=family), chance=chance
        )
        alarms = _spending_alarms(random, boundary, sizes=sizes, runs=runs)
        kind = "Poisson" if chance is None else "binomial, 1:3"
        name = f"spending, {'linear' if family == 'power' else family}, {kind}"
        rows.append((name, f"{len(sizes)} looks", 0.05, f"{boundary.last.alpha_spent:.5f}", alarms))
    return rows


def _anytime(random: np.random.Generator, runs: int, looks: int) -> list[_Row]:
    """Tests without an end, as far as `looks` go."""
    rows: list[_Row] = []
    for ratio, alpha in ((1.0, 0.05), (1.0, 0.01), (0.8, 0.05)):
        alarms = _e_process_alarms(random, alpha=alpha, ratio=ratio, looks=looks, runs=runs)
        rows.append((f"e-process, Poisson, ratio {ratio:g}", f"each of {looks} events", alpha, "at most", alarms))
    alarms = _binomial_e_process_alarms(random, alpha=0.05, chance=0.25, looks=looks, runs=runs)
    rows.append(("e-process, binomial, 1:3", f"each of {looks} events", 0.05, "at most", alarms))
    for ratio in (0.5, 1.0, 3.0):
        misses = _sequence_misses(
            lambda ratio=ratio: random.poisson(ratio, runs),  # type: ignore[misc]  # a default that binds the loop
            lambda count, look: poisson_confidence(count, float(look), level=0.95),
            truth=ratio, looks=looks,
        )  # fmt: skip
        name = f"confidence sequence, Poisson, ratio {ratio:g}, misses"
        rows.append((name, f"{looks} looks", 0.05, "at most", misses))
    misses = _sequence_misses(
        lambda: random.binomial(1, 0.25, runs),
        lambda count, look: binomial_confidence(count, look, chance=0.25, level=0.95),
        truth=1.0, looks=looks,
    )  # fmt: skip
    rows.append(("confidence sequence, binomial, 1:3, misses", f"{looks} looks", 0.05, "at most", misses))
    return rows


def sequential_under_null(*, runs: int = _RUNS, looks: int = _LOOKS) -> Table:
    """Share of `runs` simulated surveillances without any excess in which each test signals, or each sequence errs."""
    random = np.random.default_rng(_SEED)
    rows = _planned(random, runs) + _anytime(random, runs, looks)
    return Table(
        title="False alarms of tests that look as they like",
        about=f"{runs:,} simulated surveillances each (seed {_SEED}) with the rate expected, or less where said: share "
        "in which a test ever signals, or a confidence sequence ever leaves out the truth.",
        header=("test", "looks", "allowed", "exact", "simulated", "bound", "never above"),
        rows=[
            (
                name, how, f"{alpha:g}", said, f"{alarms / runs:.5f}", f"{_bound(alpha, runs):.5f}",
                "yes" if alarms / runs <= _bound(alpha, runs) else "NO",
            )
            for name, how, alpha, said, alarms in rows
        ],
        notes=(
            f"Never above: no more than the bound, the {100 * _LEVEL:g} % quantile of the simulated share if the risk "
            "were exactly the one allowed (one-sided, binomial).",
            "c events of history, K to follow, no signal with fewer than M; T and D are multiples of the history's "
            "exposure. Histories are drawn anew for each surveillance.",
            "An e-process may go on for ever: what is simulated is a part of its risk.",
        ),
    )  # fmt: skip


def _bound(alpha: float, runs: int) -> float:
    """Largest simulated share that a risk of exactly `alpha` leaves unexceptional."""
    return float(binom.ppf(_LEVEL, runs, alpha)) / runs
