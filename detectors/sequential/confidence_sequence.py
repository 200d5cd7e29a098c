"""Limits of a rate ratio that hold at all times at once, so that one may look, and stop, whenever one likes."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betaln, gammaln, xlogy

from cases import ParameterError
from detectors.interval import Interval, check_level
from detectors.sequential._share import log_lower_share
from detectors.sequential.e_value import beta_prior, check_concentration

__all__ = ["binomial_confidence", "poisson_confidence"]


def _log_ratio(value: float, *, is_upper: bool) -> float:
    """The u, above or below 0, at which ``exp(u) - 1 - u`` is `value`; Newton's steps from outside."""
    u = math.log1p(value + math.sqrt(2 * value)) if is_upper else -1 - value
    for _ in range(200):
        slope = math.expm1(u)
        step = (slope - u - value) / slope if slope else 0.0
        u -= step
        if abs(step) <= 1e-15 * max(1.0, abs(u)):
            break
    return u


def poisson_confidence(count: int, expected: float, *, level: float = 0.95, concentration: float = 1.0) -> Interval:
    r"""Observed over expected events with limits that hold at all times at once, with chance at least `level`.

    The ratios :math:`\theta_0` for which :math:`\int (\theta / \theta_0)^c e^{-(\theta - \theta_0) E} \pi(\theta)
    d\theta < 1 / (1 - level)`, with :math:`\pi` the gamma distribution of shape and rate `concentration`: for the true
    one this is a martingale that begins at 1, and reaches the bound at any time with chance 1 - level at most.

    Parameters
    ----------
    count, expected
        Cumulated events and expectation, at least 0. NaN, all three, where nothing was expected yet.
    level
        Coverage over all times, in (0, 1).
    concentration
        The limits of a ratio near 1 are best after about so many events, in [1e-6, 1e6]; valid whatever it is.

    Notes
    -----
    Wider than an interval for one look, by the price of looking always. The limits of all looks so far may be
    intersected.

    Examples
    --------
    >>> poisson_confidence(15, 5.0).round(2)
    Interval(point=3.0, lower=1.14, upper=6.25, level=0.95)

    References
    ----------
    Robbins H (1970), Annals of Mathematical Statistics 41:1397-1409, doi:10.1214/aoms/1177696786.
    Howard SR, Ramdas A, McAuliffe J, Sekhon J (2021), Annals of Statistics 49:1055-1080, doi:10.1214/20-AOS1991
    """
    check_level(level)
    check_concentration(concentration)
    if not (0 <= count < math.inf and 0 <= expected < math.inf):
        raise ParameterError(f"count and expected must be finite and at least 0, not {count!r} and {expected!r}")
    if expected == 0:
        return Interval(math.nan, math.nan, math.nan, level)
    k = concentration
    # logarithm of the mixture over the likelihood's maximum, which is at most 0
    log_mixture = k * math.log(k) - gammaln(k) + gammaln(k + count) - (k + count) * math.log(k + expected)
    log_mixture += count + count * math.log(expected) - xlogy(count, count)
    value = max(float(-math.log1p(-level) - log_mixture), 0.0)
    if count == 0:
        return Interval(0.0, 0.0, value / expected, level)
    point = count / expected
    lower, upper = (point * math.exp(_log_ratio(value / count, is_upper=is_upper)) for is_upper in (False, True))
    return Interval(point, lower, upper, level)


def binomial_confidence(
    count: int, total: int, *, chance: float, level: float = 0.95, concentration: float = 1.0
) -> Interval:
    """Odds of counting, over those of `chance`, with limits that hold at all times at once.

    With exposed and comparison events whose times are as 1 to z and ``chance = 1 / (1 + z)`` this is the rate ratio.
    From the limits of the share by the beta mixture with the parameters of `binomial_log_e_value`, not cut off; the
    point is infinite where all events count. Else as `poisson_confidence`.

    Examples
    --------
    >>> binomial_confidence(12, 20, chance=0.25).round(2)
    Interval(point=4.5, lower=1.08, upper=21.67, level=0.95)
    """
    check_level(level)
    first, second = beta_prior(chance, concentration)
    if not 0 <= count <= total < math.inf:
        raise ParameterError(f"count must lie in [0, total], and total be finite, not {count!r} of {total!r}")
    if total == 0:
        return Interval(math.nan, math.nan, math.nan, level)
    rest = total - count
    log_mixture = betaln(first + count, second + rest) - betaln(first, second)
    log_mixture -= xlogy(count, count / total) + xlogy(rest, rest / total)
    value = max(float(-math.log1p(-level) - log_mixture), 0.0)
    null_odds = chance / (1 - chance)
    log_lower, log_other = (float(log_lower_share(*pair, value)) for pair in ((count, rest), (rest, count)))
    lower = math.exp(log_lower) / -math.expm1(log_lower)
    with np.errstate(over="ignore"):
        upper = float(np.expm1(-log_other))
    point = count / rest if rest else math.inf
    return Interval(point / null_odds, lower / null_odds, upper / null_odds, level)
