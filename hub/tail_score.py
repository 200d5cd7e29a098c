"""A score that is normal in the far tail, where alarms are raised, also for small counts with little noise.

The ordinary score z takes a Poisson count for normal: at an expected count of 1 and without noise z = 4.1 is passed by
chance 6 times in 10,000, not 2 in 100,000. The signed root of the likelihood ratio of count plus noise is right there,
and equals z where noise or counts are large.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["tail_chance", "tail_score"]

_NEWTON_STEPS = 20


def tail_score(
    count: NDArray[np.float64], expected: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Signed root of the likelihood ratio (saddlepoint exponent) of a Poisson count with Gaussian noise.

    With :math:`K(t) = E(e^t - 1) + v t^2 / 2` and :math:`K'(t) = y` it is
    :math:`\mathrm{sign}(t)\sqrt{2 (t y - K(t))}`.

    Parameters
    ----------
    count
        Noisy counts y; may be negative.
    expected
        Expected counts E, above 0.
    variance
        Variance v of the noise, of the count's and the expectation's together; at least 0.

    Returns
    -------
    ndarray
        For counts above expectation; 0 at and below it, where nothing is looked for.

    References
    ----------
    Lugannani R, Rice S (1980), Advances in Applied Probability 12:475-490, doi:10.2307/1426607
    """
    result = np.zeros_like(count)
    above = np.flatnonzero(count > expected)
    y, e, v = count[above], expected[above], variance[above]
    # Both are right of the root of a convex rising function: Newton then falls onto it without overshooting.
    t = np.minimum(np.log(y / e), (y - e) / (v + e))
    for _ in range(_NEWTON_STEPS):
        grown = e * np.exp(t)
        t -= (grown + v * t - y) / (grown + v)
    exponent = t * y - e * np.expm1(t) - 0.5 * v * t * t
    result[above] = np.sqrt(2 * np.maximum(exponent, 0.0))
    return result


def tail_chance(score: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Chance of a `tail_score` at least as high without association: :math:`1 - \Phi(z)`, and 1 where the score is 0.

    Never too small by more than a hundredth where the noise has a standard deviation of at least half a report, and up
    to two fifths too large where it is that small; without any noise counts are whole numbers, and it is right on
    average. NaN stays NaN.

    Examples
    --------
    >>> tail_chance(np.array([0.0, 1.0, 4.1, np.nan])).round(6).tolist()
    [1.0, 0.158655, 2.1e-05, nan]
    """
    return np.where(score == 0, 1.0, ndtr(-score))
