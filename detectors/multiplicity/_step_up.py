"""What the corrections of a finished set of tests share: checked input, and q values from a sort and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cases import ParameterError

__all__ = ["checked_probabilities", "step_up"]


def checked_probabilities(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """One dimension of numbers in [0, 1] or NaN; raises `ParameterError` for others, naming the first."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ParameterError(f"{name} must have one dimension, not {array.ndim}")
    inside = ((array >= 0) & (array <= 1)) | np.isnan(array)
    if not inside.all():
        first = int(np.argmin(inside))
        raise ParameterError(f"{name} must lie in [0, 1], not {float(array[first])!r} at position {first}")
    return array


def step_up(p_values: NDArray[np.float64], null_share: float) -> NDArray[np.float64]:
    """Least false discovery rate at which each is called, in the order given; NaN is no test and stays NaN."""
    q_values = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    rank = np.arange(1, len(order) + 1)
    raw = null_share * p_values[order] * len(order) / rank
    # the minimum over all later ranks: a smaller p value must never have a larger q value
    q_values[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return q_values
