"""Squashing: many rows with nearly the same count and expected count as one row with their number as its weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["squashed"]

_Floats = NDArray[np.float64]
_EXACT = 16  # counts up to here keep to themselves
_COUNT_BINS = 4.0  # of larger counts, to each factor e
_EXPECTED_BINS = 5.0  # to each factor e


def squashed(n: _Floats, expected: _Floats, weight: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """Counts, expected counts and weights of at most a few thousand rows that stand for all, at their means.

    The likelihood of these rows is near that of all, close enough to begin from its optimum; it is not a result.
    """
    by_count = np.where(n <= _EXACT, n, _EXACT + np.ceil(_COUNT_BINS * np.log(np.maximum(n, 1) / _EXACT)))
    by_expected = np.floor(_EXPECTED_BINS * np.log(expected))
    by_expected -= by_expected.min()
    key = (by_count * (by_expected.max() + 1) + by_expected).astype(np.int64)
    total = np.bincount(key, weight).astype(np.float64)
    there = np.flatnonzero(total)
    total = total[there]
    means = [np.bincount(key, weight * values)[there] / total for values in (n, expected)]
    return means[0], means[1], total
