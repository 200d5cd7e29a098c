"""Chance that a counting process has not crossed a boundary: the one recursion behind the exact sequential tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

__all__ = ["moments", "poisson", "survivors"]

_Floats = NDArray[np.float64]


def poisson(mean: float, size: int) -> _Floats:
    """Chances of 0 to ``size - 1`` events."""
    count = np.arange(size)
    return np.asarray(np.exp(xlogy(count, mean) - mean - gammaln(count + 1)))


def survivors(times: _Floats, limits: NDArray[np.int64]) -> _Floats:
    """Chance of each count of a unit Poisson process at the last time, never having had ``limits[i]`` at ``times[i]``.

    Times rise; the result has as many entries as the last limit.
    """
    state, before = np.ones(1), 0.0
    for time, limit in zip(times.tolist(), limits.tolist(), strict=True):
        state = np.convolve(state, poisson(time - before, limit))[:limit]
        before = time
    return state


def moments(latest: _Floats, count: _Floats, *, delay: float, end: float) -> tuple[_Floats, NDArray[np.int64]]:
    """Times at which the process must be looked at, and the count at each that signals, if every event is looked at.

    ``latest[i]`` is the last time at which ``count[i]`` events signal; both rise, and the last time reaches `end`.
    Events reached before the delay is over count at its end.
    """
    first, last = int(np.searchsorted(latest, delay)), int(np.searchsorted(latest, end))
    return np.append(latest[first:last], end), np.append(count[first:last], count[last]).astype(np.int64)
