"""From pair counts to the four cells of a two-by-two table, and a ratio's interval on the log scale.

==============  ========  ===========
reports         reaction  no reaction
==============  ========  ===========
with the drug   a         b
without it      c         d
==============  ========  ===========
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from detectors.interval import check_level

__all__ = ["FloatArray", "cells", "log_interval"]

FloatArray = NDArray[np.float64]


def cells(
    n: ArrayLike, n_drug: ArrayLike, n_reaction: ArrayLike, n_total: ArrayLike, *, has_correction: bool
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Cells a, b, c and d in float64, so that no product of counts can wrap.

    Counts may be noisy, that is negative or fractional. Where that leaves a table without a meaning (a cell below 0,
    a count that is not finite, no reports at all), all four cells are NaN, and so is every measure made of them.

    With `has_correction`, 0.5 is added to all four cells of each table in which any is 0 (Haldane 1956, Anscombe
    1956).
    """
    counts = (np.asarray(count, dtype=np.float64) for count in (n, n_drug, n_reaction, n_total))
    both, drug, reaction, total = np.broadcast_arrays(*counts)
    with np.errstate(invalid="ignore", over="ignore"):  # such counts end as NaN below, as they should
        table = np.stack([both, drug - both, reaction - both, total - drug - reaction + both])
    lowest = table.min(axis=0)
    if has_correction:
        table += 0.5 * (lowest == 0)
    table[:, ~((lowest >= 0) & np.isfinite(table).all(axis=0) & (total > 0))] = np.nan
    return table[0], table[1], table[2], table[3]


def log_interval(point: FloatArray, variance: FloatArray, level: float) -> FloatArray:
    """Point, lower and upper limit, shape (..., 3), from a ratio and the variance of its logarithm."""
    half_width = float(ndtri((1 + check_level(level)) / 2)) * np.sqrt(variance)
    with np.errstate(over="ignore"):  # a cell next to 0 leaves the limit unbounded: infinity says so
        factor = np.exp(half_width)
        return np.stack([point, point / factor, point * factor], axis=-1)
