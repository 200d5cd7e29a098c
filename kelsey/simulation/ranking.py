"""How well a score puts the true associations first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_under_curve", "average_precision", "threshold_at_fdr"]

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]


def _counts_from_top(score: _Floats, is_true: _Bools) -> tuple[_Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Distinct scores, falling; how many cells, and how many true ones, have at least that score. NaN is lowest."""
    filled = np.where(np.isnan(score), -np.inf, score)
    values, group = np.unique(-filled, return_inverse=True)
    size = np.bincount(group, minlength=values.size)
    true = np.bincount(group[is_true], minlength=values.size)
    return -values, np.cumsum(size), np.cumsum(true)


def threshold_at_fdr(score: _Floats, is_true: _Bools, fdr: float) -> float:
    """Lowest score at which, of the cells that reach it, at most the share `fdr` is false; infinite if there is none.

    Chosen with knowledge of the truth: it compares scores, and is not what a regulator could do. Cells without a score
    are never taken in.
    """
    values, size, true = _counts_from_top(score, is_true)
    good = np.flatnonzero((size - true <= fdr * size) & (values > -np.inf))
    return float(values[good[-1]]) if good.size else float("inf")


def area_under_curve(score: _Floats, is_true: _Bools) -> float:
    """Chance that a true association scores above another pair, ties halved; NaN without both kinds."""
    _, size, true = _counts_from_top(score, is_true)
    false = size - true
    if not (true[-1] and false[-1]):
        return float("nan")
    steps = np.diff(true, prepend=0)
    below = false[-1] - false + 0.5 * np.diff(false, prepend=0)
    return float((steps * below).sum() / (true[-1] * false[-1]))


def average_precision(score: _Floats, is_true: _Bools) -> float:
    """Area under precision and recall, by steps; NaN without a true association."""
    _, size, true = _counts_from_top(score, is_true)
    if not true[-1]:
        return float("nan")
    return float((np.diff(true, prepend=0) / true[-1] * true / size).sum())
