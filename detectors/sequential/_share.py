"""Where a binomial likelihood has fallen by so much from its maximum at the observed share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

__all__ = ["log_lower_share"]


def log_lower_share(inside: ArrayLike, outside: ArrayLike, value: float) -> NDArray[np.float64]:
    r"""Logarithm of the share s below that observed at which its log likelihood is lower by `value`, at least 0.

    With k events inside, c outside and q = k / (k + c): :math:`k \ln (q / s) + c \ln ((1 - q) / (1 - s)) = value`; 0
    events inside have no lower share, minus infinity. Newton's steps in ln s, from the left: the function falls and is
    convex, so that no step passes the root.
    """
    k, c = np.broadcast_arrays(np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64))
    held = np.where(k > 0, k, 1.0)
    most = xlogy(held, held / (held + c)) + xlogy(c, c / (held + c))
    log_share = (most - value) / held
    for _ in range(200):
        share = np.exp(log_share)
        rest = -np.expm1(log_share)
        above = most - value - held * log_share - xlogy(c, np.where(c > 0, rest, 1.0))
        slope = -held + np.where(c > 0, c * share / np.where(rest > 0, rest, 1.0), 0.0)
        step = np.where(slope < 0, above / np.where(slope < 0, slope, 1.0), 0.0)
        log_share = np.minimum(log_share - step, 0.0)
        if (np.abs(step) <= 1e-13 * np.maximum(1.0, np.abs(log_share))).all():
            break
    return np.where(k > 0, log_share, -np.inf)
