"""Storey's q values: the false discovery rate with the share of true nulls estimated from the large p values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cases import ParameterError
from detectors.multiplicity._step_up import checked_probabilities, step_up

__all__ = ["StoreyResult", "storey"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoreyResult:
    """Q values and the estimated share of true nulls that they rest on.

    Examples
    --------
    >>> storey([0.01, 0.02, 0.7, 0.9], tuning=0.5).null_share
    1.0
    """

    q_values: NDArray[np.float64]
    """In the order of the p values; NaN where the p value was."""
    null_share: float
    """Estimated share of true nulls, in (0, 1]; NaN without any test."""


def storey(p_values: ArrayLike, *, tuning: float = 0.5) -> StoreyResult:
    r"""Q values with an estimated share of true nulls.

    .. math:: \hat\pi_0 = \min\left(1, \frac{1 + \#\{p > \lambda\}}{m (1 - \lambda)}\right), \qquad
        q_{(i)} = \min_{k \ge i} \min(1, \hat\pi_0\, m\, p_{(k)} / k)

    P values of true nulls are uniform, so that those above the tuning value are nearly all nulls. The added 1 is what
    makes the control exact in finite samples (independent tests), and keeps the share above 0.

    Parameters
    ----------
    p_values
        One dimension, each in [0, 1]. NaN is a test that could not be made: it stays NaN and does not count in m.
    tuning
        The value lambda, in (0, 1): near 0 the share is too large (safe, less power), near 1 it rests on few tests and
        varies. 0.5 is Storey's own simple choice.

    Raises
    ------
    ParameterError
        A parameter outside its range.

    Notes
    -----
    Not for dependent tests (pairs of one drug share reports) nor for one-sided p values that crowd near 1, which push
    the estimate to 1 and leave Benjamini and Hochberg's values.

    Examples
    --------
    >>> random = np.random.default_rng(3)
    >>> found = storey(np.concatenate([random.uniform(size=500), random.beta(0.1, 20, size=500)]))
    >>> round(found.null_share, 2), int((found.q_values <= 0.05).sum())
    (0.51, 511)

    References
    ----------
    Storey JD (2002), Journal of the Royal Statistical Society B 64:479-498, doi:10.1111/1467-9868.00346.
    Storey JD, Taylor JE, Siegmund D (2004), Journal of the Royal Statistical Society B 66:187-205,
    doi:10.1111/j.1467-9868.2004.00439.x
    """
    if not 0 < tuning < 1:
        raise ParameterError(f"tuning must lie in (0, 1), not {tuning!r}")
    values = checked_probabilities(p_values, "p_values")
    tests = int((~np.isnan(values)).sum())
    if not tests:
        return StoreyResult(q_values=np.full(len(values), np.nan), null_share=math.nan)
    share = min(1.0, (1 + int((values > tuning).sum())) / (tests * (1 - tuning)))
    return StoreyResult(q_values=step_up(values, share), null_share=share)
