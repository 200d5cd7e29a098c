"""Negative log likelihood of the gamma-Poisson mixture and its gradient, truncated by component.

A pass over all pairs is what a fit spends its time on: what depends on the count alone is computed once a count, and
each row takes eight logarithms and exponentials in all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, digamma, expit, gammaln

from detectors.empirical_bayes._distinct import distinct

__all__ = ["Likelihood"]

_Floats = NDArray[np.float64]


def _dot(one: _Floats, other: _Floats) -> float:
    """Sum of products on this thread alone: those of BLAS wait for each other where the cores are busy."""
    return float(np.einsum("i,i->", one, other))


class Likelihood:
    """Likelihood of counts by ``x = (ln alpha1, ln beta1, ln alpha2, ln beta2, logit p)``.

    A count below `truncation` cannot be observed: each component is divided by its own chance of reaching it.
    """

    def __init__(self, n: _Floats, expected: _Floats, weight: _Floats, *, truncation: int) -> None:
        self.counts, self._position = distinct(n)
        self._n, self._expected, self.weight = n, expected, weight
        self._log_expected = np.log(expected)
        self._truncation = truncation
        self._constant = -gammaln(self.counts + 1)

    def _component(self, alpha: float, beta: float) -> tuple[_Floats, _Floats, _Floats]:
        """Log probability of each count under one component, and its derivatives by ln alpha and ln beta."""
        n, expected = self._n, self._expected
        log_zero = -np.log1p(expected / beta)  # ln(beta / (beta + E))
        by_count = gammaln(alpha + self.counts) - gammaln(alpha) - self.counts * np.log(beta) + self._constant
        log_probability = by_count[self._position] + alpha * log_zero + n * (self._log_expected + log_zero)
        by_alpha = alpha * (digamma(alpha + self.counts) - digamma(alpha))[self._position] + alpha * log_zero
        by_beta = (alpha * expected - n * beta) / (beta + expected)
        if self._truncation == 1:
            reached = -np.expm1(alpha * log_zero)
            odds = 1 / reached - 1  # of a count that cannot be observed
            log_probability -= np.log(reached)
            by_alpha += odds * alpha * log_zero
            by_beta += odds * alpha * expected / (beta + expected)
        elif self._truncation > 1:
            lost, grown, reached = self._cut(alpha, beta, log_zero)
            log_probability -= np.log(reached)
            by_alpha += alpha * lost / reached
            by_beta += beta * grown / reached
        return log_probability, by_alpha, by_beta

    def _cut(self, alpha: float, beta: float, log_zero: _Floats) -> tuple[_Floats, _Floats, _Floats]:
        """Chance of reaching a truncation above 1, last, after its derivatives by alpha (negated) and by beta."""
        expected, k = self._expected, self._truncation
        share = expected / (beta + expected)
        lost = np.zeros_like(expected)
        for low in range(k):
            chance = gammaln(alpha + low) - gammaln(alpha) - gammaln(low + 1) + alpha * log_zero + low * np.log(share)
            lost += np.exp(chance) * (digamma(alpha + low) - digamma(alpha) + log_zero)
        density = np.exp((k - 1) * np.log(share) + (alpha - 1) * log_zero - betaln(k, alpha))
        return lost, density * expected / (beta + expected) ** 2, np.asarray(betainc(k, alpha, share))

    def components(self, x: _Floats) -> tuple[_Floats, _Floats]:
        """Log probability of each count under either component, without their weights."""
        a1, b1, a2, b2 = np.exp(x[:4]).tolist()
        return self._component(a1, b1)[0], self._component(a2, b2)[0]

    def single(self, x: _Floats, share: _Floats) -> tuple[float, _Floats]:
        """Value and gradient by (ln alpha, ln beta) for one component that owns `share` of every count."""
        alpha, beta = np.exp(x).tolist()
        log_probability, by_alpha, by_beta = self._component(alpha, beta)
        weight = self.weight * share
        return -_dot(weight, log_probability), -np.array([_dot(weight, by_alpha), _dot(weight, by_beta)])

    def __call__(self, x: _Floats) -> tuple[float, _Floats]:
        """Negative log likelihood and its gradient, shape (5,)."""
        a1, b1, a2, b2 = np.exp(x[:4]).tolist()
        first, first_alpha, first_beta = self._component(a1, b1)
        second, second_alpha, second_beta = self._component(a2, b2)
        first -= np.logaddexp(0, -x[4])
        second -= np.logaddexp(0, x[4])
        apart = np.abs(first - second)
        both = np.maximum(first, second) + np.log1p(np.exp(-apart))
        owned = self.weight * np.exp(first - both)
        other = self.weight - owned
        gradient = [
            _dot(owned, first_alpha),
            _dot(owned, first_beta),
            _dot(other, second_alpha),
            _dot(other, second_beta),
            owned.sum() - self.weight.sum() * expit(x[4]),
        ]
        return -_dot(self.weight, both), -np.array(gradient)
