"""Posterior of the reporting ratio under the mixture prior: weights, geometric mean and quantiles of many pairs.

Every row is solved by itself, to the same digits whichever rows stand beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, expit, gammainc, gammaincinv, gammaln

from detectors.empirical_bayes._distinct import distinct
from detectors.empirical_bayes.gamma_mixture import GammaMixture

__all__ = ["Posterior"]

_Floats = NDArray[np.float64]
_LEAST = 1e-300  # of a quantile by its rate; those of a shape near 0 leave what a float holds
_STEP = 1e-6  # a Newton step as short as this leaves an error of the order of its square


class Posterior:
    """Posterior of each row; `n` at least 0, `expected` above 0, both finite."""

    def __init__(self, prior: GammaMixture, n: _Floats, expected: _Floats) -> None:
        self._prior, self._n, self._expected = prior, n, expected
        self._counts, self._place = distinct(n)
        self._shapes = (prior.alpha1 + self._counts, prior.alpha2 + self._counts)
        self._log_rates = (np.log(prior.beta1 + expected), np.log(prior.beta2 + expected))
        self._norms = tuple(gammaln(shape) for shape in self._shapes)
        self._short = _STEP / np.sqrt(1 + n)
        self.first = self._first_component()

    def _first_component(self) -> _Floats:
        """Posterior weight of the prior's first component."""
        prior, place = self._prior, self._place
        by_count = self._norms[0] - gammaln(prior.alpha1) - self._norms[1] + gammaln(prior.alpha2)
        odds = by_count[place] + np.log(prior.p) - np.log1p(-prior.p)
        log_expected = np.log(self._expected)  # log(1 + expected / beta), without a quotient that may overflow
        odds -= prior.alpha1 * np.logaddexp(0.0, log_expected - np.log(prior.beta1))
        odds += prior.alpha2 * np.logaddexp(0.0, log_expected - np.log(prior.beta2))
        odds -= self._n * (self._log_rates[0] - self._log_rates[1])
        return np.asarray(expit(odds))

    def log_mean(self) -> _Floats:
        """Expectation of the logarithm of the ratio."""
        one, two = (
            digamma(shape)[self._place] - rate for shape, rate in zip(self._shapes, self._log_rates, strict=True)
        )
        return np.asarray(self.first * one + (1 - self.first) * two)

    def log_quantile(self, probability: float, start: _Floats | None = None) -> _Floats:
        """Logarithm of the quantile, to 1e-9, by Newton steps on the logarithms; from `start` where that is a number.

        The steps are kept between the quantiles of the two components, which the mixture's lies between.
        """
        one, two = (
            np.log(np.maximum(gammaincinv(shape, probability), _LEAST))[self._place] - rate
            for shape, rate in zip(self._shapes, self._log_rates, strict=True)
        )
        low, high = np.minimum(one, two), np.maximum(one, two)
        result = self.first * one + (1 - self.first) * two
        if start is not None:
            result = np.where(np.isnan(start), result, start)
        result = np.asarray(np.clip(result, low, high), dtype=np.float64)
        row = np.arange(len(result))
        for _ in range(100):
            if not len(row):
                break
            y, place = result[row], self._place[row]
            total, slope = np.full(len(row), -probability), np.zeros(len(row))
            for part, shapes, rate, norm in zip(
                (self.first, 1 - self.first), self._shapes, self._log_rates, self._norms, strict=True
            ):
                log_x, a, weight = y + rate[row], shapes[place], part[row]
                x = np.exp(log_x)
                total += weight * gammainc(a, x)
                with np.errstate(over="ignore"):  # of counts beyond 1e15 the terms no longer cancel
                    slope += weight * np.exp(a * log_x - x - norm[place])
            lowest, highest = low[row], high[row]
            lowest, highest = np.where(total < 0, y, lowest), np.where(total > 0, y, highest)
            low[row], high[row] = lowest, highest
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                new = y - total / slope
            is_inside = (new >= lowest) & (new <= highest) & np.isfinite(slope)
            new = np.where(is_inside, new, (lowest + highest) / 2)
            result[row] = new
            row = row[np.abs(new - y) > self._short[row]]
        return result
