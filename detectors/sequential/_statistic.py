"""Log likelihood ratios of an excess, in the form that boundaries and running tests share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

__all__ = ["TIE", "binomial_ratio", "poisson_ratio"]

TIE = 1e-12
"""Ratios that differ by less are the same one, computed along two ways."""


def poisson_ratio(count: ArrayLike, expected: ArrayLike) -> NDArray[np.float64]:
    """Of a Poisson count above its expectation, which is above 0; 0 where it is not above."""
    held, mean = np.broadcast_arrays(np.asarray(count, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    return np.where(held > mean, mean - held + xlogy(held, held / mean), 0.0)


def binomial_ratio(count: ArrayLike, total: ArrayLike, chance: float) -> NDArray[np.float64]:
    """Of a share of `total` events, which is above 0, beyond `chance`; 0 where it is not beyond."""
    held, events = np.broadcast_arrays(np.asarray(count, dtype=np.float64), np.asarray(total, dtype=np.float64))
    share = np.minimum(held / events, 1.0)
    rest = np.maximum(events - held, 0)
    return np.where(share > chance, xlogy(held, share / chance) + xlogy(rest, (1 - share) / (1 - chance)), 0.0)
