r"""Likelihood of a noisy count given its true mean, up to a factor that does not depend on the mean.

.. math:: y = a + \epsilon, \qquad a \sim \mathrm{NB}(k, m), \qquad \epsilon \sim N(0, s^2)

The negative binomial is a Poisson count whose mean is itself uncertain (gamma, mean m, shape k); k without bound is the
Poisson count. For s of 1 or more the density is the saddlepoint approximation with its first correction: the tilted
mean M solves :math:`\log\frac{M}{k + M} + \frac{M - y}{s^2} = \log\frac{m}{k + m}`. For less noise the sum over the
whole numbers about y is short and taken as it is.

References
----------
Daniels HE (1954), Annals of Mathematical Statistics 25:631-650, doi:10.1214/aoms/1177728652
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = ["log_likelihood"]

_Floats = NDArray[np.float64]
_SADDLEPOINT_FROM = 1.0  # noise above which the saddlepoint density is used
_NO_NOISE = 0.05  # noise below which a count is taken as it stands
_BELOW, _ABOVE = 16, 8  # whole numbers about y that the sum runs over; the prior pulls downwards
_NEWTON_STEPS, _NEWTON_TOLERANCE = 24, 1e-4  # the density has its extremum there: errors enter squared
_TINY = 1e-280


def log_likelihood(count: _Floats, log_mean: _Floats, shape: _Floats, sd: float) -> _Floats:
    """Logarithm of the density of `count` for each of the means of its row.

    Parameters
    ----------
    count, shape
        y and k, shape (rows, 1).
    log_mean
        Logarithms of m, shape (rows, means).
    sd
        Standard deviation s of the noise, at least 0.
    """
    if sd >= _SADDLEPOINT_FROM:
        return _saddlepoint(count, log_mean, shape, sd)
    mean = np.exp(log_mean)
    log_odds, log_none = log_mean - np.log(shape + mean), -shape * np.log1p(mean / shape)
    if sd < _NO_NOISE:
        return np.asarray(np.maximum(count, 0.0) * log_odds + log_none)
    first = np.maximum(np.floor(count) - _BELOW, 0.0)
    total = np.full(log_mean.shape, -np.inf)
    for step in range(_BELOW + _ABOVE + 1):
        a = first + step
        constant = gammaln(a + shape) - gammaln(shape) - gammaln(a + 1) - 0.5 * ((count - a) / sd) ** 2
        total = np.logaddexp(total, constant + a * log_odds)
    return np.asarray(total + log_none)


def _saddlepoint(count: _Floats, log_mean: _Floats, shape: _Floats, sd: float) -> _Floats:
    s2 = sd * sd
    mean = np.exp(log_mean)
    log_odds = log_mean - np.log(shape + mean)
    target = count + s2 * log_odds
    # Both starts lie left of the root of a concave rising function: Newton then climbs to it without overshooting.
    z = log_odds + np.log(shape / s2) + count / s2
    x = np.exp(np.minimum(z, 1.0))
    tilted = s2 * np.where(z > 1, z - np.log(np.maximum(z, 1.0)), x / (1 + x))
    tilted = np.maximum(np.maximum(tilted, np.minimum(mean, count)), _TINY)
    for _ in range(_NEWTON_STEPS):
        above = shape + tilted
        step = (tilted + s2 * np.log(tilted / above) - target) / (1 + s2 * shape / (tilted * above))
        tilted = np.maximum(tilted - step, _TINY)
        if not np.any(np.abs(step) > _NEWTON_TOLERANCE * tilted):
            break
    slope = (count - tilted) / s2
    variance = tilted * (1 + tilted / shape)
    spread = variance + s2
    third, fourth = variance * (1 + 2 * tilted / shape), variance * (1 + 6 * variance / shape)
    correction = fourth / (8 * spread**2) - 5 * third**2 / (24 * spread**3)
    exponent = shape * np.log1p((tilted - mean) / (shape + mean)) - slope * tilted - 0.5 * s2 * slope**2
    return np.asarray(exponent - 0.5 * np.log(spread) + np.log1p(correction))
