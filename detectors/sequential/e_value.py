"""E-values of counts: evidence for an excess that stays valid however often, and whenever, one looks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln

from cases import ParameterError
from detectors.sequential._log_tails import log_beta_tail, log_gamma_tail

__all__ = ["beta_prior", "binomial_log_e_value", "check_concentration", "poisson_log_e_value"]

_Floats = NDArray[np.float64]


def check_concentration(concentration: float) -> None:
    """Raise `ParameterError` unless it is a number above 0 that the mixtures can be computed with."""
    if not 1e-6 <= concentration <= 1e6:
        raise ParameterError(f"concentration must lie in [1e-6, 1e6], not {concentration!r}")


def beta_prior(chance: float, concentration: float) -> tuple[float, float]:
    """Parameters of the beta distribution with mean `chance` that becomes the gamma one where `chance` is small."""
    if not 0 < chance < 1:
        raise ParameterError(f"chance must lie in (0, 1), not {chance!r}")
    check_concentration(concentration)
    return concentration, concentration * (1 - chance) / chance


def poisson_log_e_value(count: ArrayLike, expected: ArrayLike, *, concentration: float = 1.0) -> _Floats:
    r"""Logarithm of the e-value of `count` events against `expected` ones, for a rate ratio above 1.

    :math:`\ln \int_1^\infty \theta^c e^{-(\theta - 1) E} \pi(\theta) d\theta`, with :math:`\pi` the gamma distribution
    of shape and rate `concentration`, cut off below 1. For every true ratio of at most 1, each :math:`\theta` above 1
    makes :math:`\theta^c e^{-(\theta - 1) E}` a nonnegative supermartingale that begins at 1, and so does the mixture.

    Parameters
    ----------
    count, expected
        Cumulated events and expectations, at least 0; shapes broadcast.
    concentration
        How near to 1 the ratios lie that it looks for, in [1e-6, 1e6]; with 1 their mean is 2, an excess of the
        expected count again.

    Examples
    --------
    >>> import numpy as np
    >>> np.exp(poisson_log_e_value([0, 5, 15], [5.0, 5.0, 5.0])).round(2).tolist()
    [0.17, 0.46, 186.91]

    References
    ----------
    Ramdas A, Grunwald P, Vovk V, Shafer G (2023), Statistical Science 38:576-601, doi:10.1214/23-STS894.
    Robbins H, Siegmund D (1974), Annals of Statistics 2:415-436, doi:10.1214/aos/1176342704
    """
    check_concentration(concentration)
    events, mean = np.asarray(count, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    _check(bool((events >= 0).all() and (mean >= 0).all() and np.isfinite(events).all() and np.isfinite(mean).all()))
    shape, rate = concentration + events, concentration + mean
    before = concentration * math.log(concentration) - float(gammaln(concentration))
    before -= float(log_gamma_tail(concentration, concentration))
    after: _Floats = mean + gammaln(shape) - shape * np.log(rate) + log_gamma_tail(shape, rate)
    return after + before


def binomial_log_e_value(count: ArrayLike, total: ArrayLike, *, chance: float, concentration: float = 1.0) -> _Floats:
    r"""Logarithm of the e-value of `count` among `total` events, each of which counts with at most `chance`.

    :math:`\ln \int_{p_0}^1 (p / p_0)^c ((1 - p) / (1 - p_0))^{n - c} \pi(p) dp`, with :math:`\pi` the beta distribution
    of parameters k and k (1 - p0) / p0, k the `concentration`, cut off below p0. Else as `poisson_log_e_value`.

    Examples
    --------
    >>> binomial_log_e_value([5, 12], 20, chance=0.25).round(3).tolist()
    [-0.864, 4.382]
    """
    first, second = beta_prior(chance, concentration)
    events, all_events = np.asarray(count, dtype=np.float64), np.asarray(total, dtype=np.float64)
    rest = all_events - events
    _check(bool((events >= 0).all() and (rest >= 0).all() and np.isfinite(all_events).all()))
    before = betaln(first, second) + log_beta_tail(first, second, chance)
    after: _Floats = betaln(first + events, second + rest) + log_beta_tail(first + events, second + rest, chance)
    return after - before - events * math.log(chance) - rest * math.log1p(-chance)


def _check(is_possible: bool) -> None:
    if not is_possible:
        raise ParameterError("counts and expectations must be finite, at least 0, and no count above its total")
