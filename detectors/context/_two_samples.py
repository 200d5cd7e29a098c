"""Distances between the distributions of samples, from how often each distinct value occurs in each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["anderson_darling", "kolmogorov_smirnov"]


def kolmogorov_smirnov(first: NDArray[np.int64], ties: NDArray[np.int64]) -> NDArray[np.float64]:
    """Largest distance of the two distribution functions.

    `first` counts the values of the first sample, shape (..., values), `ties` those of both samples
    together, in ascending order of the values.
    """
    share_first = np.cumsum(first, axis=-1) / first.sum(axis=-1, keepdims=True)
    second = ties - first
    share_second = np.cumsum(second, axis=-1) / second.sum(axis=-1, keepdims=True)
    distance: NDArray[np.float64] = np.abs(share_first - share_second).max(axis=-1)
    return distance


def anderson_darling(first: NDArray[np.int64], ties: NDArray[np.int64]) -> NDArray[np.float64]:
    """Midrank form of the Anderson-Darling distance of Scholz and Stephens for two samples; counts as above.

    A value stands at half its ties. The last value would divide by 0 without ties and adds nothing there.
    """
    total = ties.sum()
    below = np.cumsum(ties) - ties / 2.0
    spread = below * (total - below) - total * ties / 4.0
    is_used = spread > 0
    weight = np.where(is_used, ties / total / np.where(is_used, spread, 1.0), 0.0)
    statistic = np.zeros(first.shape[:-1])
    for sample in (first, ties - first):
        size = sample.sum(axis=-1, keepdims=True)
        below_in_sample = np.cumsum(sample, axis=-1) - sample / 2.0
        statistic += (weight * (total * below_in_sample - size * below) ** 2).sum(axis=-1) / size[..., 0]
    result: NDArray[np.float64] = statistic * (total - 1.0) / total
    return result
