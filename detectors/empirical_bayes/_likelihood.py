"""Negative log likelihood of the gamma-Poisson mixture and its derivatives, truncated by component.

A pass over all pairs is what a fit spends its time on: what depends on the count alone is computed once a count, and
each row takes eight logarithms and exponentials in all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, digamma, expit, gammaln, zeta

from detectors.empirical_bayes._distinct import distinct

__all__ = ["Likelihood"]

_Floats = NDArray[np.float64]
_Component = tuple[_Floats, tuple[_Floats, _Floats], tuple[_Floats, _Floats, _Floats]]
"""Log probability; by ln alpha, by ln beta; by both alpha, by one each, by both beta."""

_DIFFERENCE = 1e-4


def _dot(one: _Floats, other: _Floats) -> float:
    """Sum of products on this thread alone: those of BLAS wait for each other where the cores are busy."""
    return float(np.einsum("i,i->", one, other))


def _square(weight: _Floats, second: tuple[_Floats, _Floats, _Floats]) -> _Floats:
    """Weighted sums of a component's second derivatives as a matrix."""
    both_alpha, mixed, both_beta = (_dot(weight, each) for each in second)
    return np.array([[both_alpha, mixed], [mixed, both_beta]])


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

    def _by_count(self, alpha: float, beta: float) -> tuple[_Floats, _Floats, _Floats]:
        """Of each distinct count, what its log probability and derivatives by ln alpha have that no row changes."""
        log_probability = gammaln(alpha + self.counts) - gammaln(alpha) - self.counts * np.log(beta) + self._constant
        slope = alpha * (digamma(alpha + self.counts) - digamma(alpha))
        return log_probability, slope, slope + alpha**2 * (zeta(2, alpha + self.counts) - zeta(2, alpha))

    def _component(self, alpha: float, beta: float) -> _Component:
        """Log probability of each count under one component, and its derivatives by ln alpha and ln beta."""
        if self._truncation > 1:
            return self._cut_component(alpha, beta)
        n, place, expected = self._n, self._position, self._expected
        by_count, slope, bend = self._by_count(alpha, beta)
        log_zero = -np.log1p(expected / beta)  # ln(beta / (beta + E))
        share = expected / (beta + expected)
        log_none, mean = alpha * log_zero, alpha * share  # of the chance of no report; its derivative by ln beta
        log_probability = by_count[place] + log_none + n * (self._log_expected + log_zero)
        rest = 1 - share
        if self._truncation == 0:
            first = slope[place] + log_none, mean - n * rest
            return log_probability, first, (bend[place] + log_none, mean, -rest * (share * n + mean))
        reached = -np.expm1(log_none)
        lifted = 1 / reached
        odds = lifted - 1  # of a count that cannot be observed
        log_probability -= np.log(reached)
        none, lift = log_none * lifted, mean * lifted
        first = slope[place] + none, lift - n * rest
        second = (
            bend[place] + none * (1 + log_none * odds),
            lift * (1 + log_none * odds),
            odds * mean * lift - rest * (share * n + lift),
        )
        return log_probability, first, second

    def _cut_component(self, alpha: float, beta: float) -> _Component:
        """The same for a truncation above 1, second derivatives by central differences."""
        more, less = np.exp(_DIFFERENCE), np.exp(-_DIFFERENCE)
        log_probability, by_alpha, by_beta = self._cut_first(alpha, beta)
        _, more_alpha, more_mixed = self._cut_first(alpha * more, beta)
        _, less_alpha, less_mixed = self._cut_first(alpha * less, beta)
        more_beta, less_beta = (self._cut_first(alpha, beta * factor)[2] for factor in (more, less))
        twice = 2 * _DIFFERENCE
        second = (more_alpha - less_alpha) / twice, (more_mixed - less_mixed) / twice, (more_beta - less_beta) / twice
        return log_probability, (by_alpha, by_beta), second

    def _cut_first(self, alpha: float, beta: float) -> tuple[_Floats, _Floats, _Floats]:
        """Log probability and first derivatives for a truncation above 1."""
        n, place, expected = self._n, self._position, self._expected
        log_zero = -np.log1p(expected / beta)
        by_count, slope, _ = self._by_count(alpha, beta)
        log_probability = by_count[place] + alpha * log_zero + n * (self._log_expected + log_zero)
        lost, grown, reached = self._cut(alpha, beta, expected, log_zero)
        by_beta = (alpha * expected - n * beta) / (beta + expected) + beta * grown / reached
        return log_probability - np.log(reached), slope[place] + alpha * log_zero + alpha * lost / reached, by_beta

    def _cut(self, alpha: float, beta: float, expected: _Floats, log_zero: _Floats) -> tuple[_Floats, _Floats, _Floats]:
        """Chance of reaching a truncation above 1, last, after its derivatives by alpha (negated) and by beta."""
        k = self._truncation
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

    def single(self, x: _Floats, share: _Floats) -> tuple[float, _Floats, _Floats]:
        """Value, gradient and second derivatives by (ln alpha, ln beta) for one component of `share` of every count."""
        alpha, beta = np.exp(x).tolist()
        log_probability, first, second = self._component(alpha, beta)
        weight = self.weight * share
        gradient = np.array([_dot(weight, each) for each in first])
        return -_dot(weight, log_probability), -gradient, -_square(weight, second)

    def __call__(self, x: _Floats) -> tuple[float, _Floats, _Floats]:
        """Negative log likelihood, its gradient, shape (5,), and its second derivatives, shape (5, 5)."""
        a1, b1, a2, b2 = np.exp(x[:4]).tolist()
        one, (one_alpha, one_beta), one_second = self._component(a1, b1)
        two, (two_alpha, two_beta), two_second = self._component(a2, b2)
        one -= np.logaddexp(0, -x[4])
        two -= np.logaddexp(0, x[4])
        both = np.maximum(one, two) + np.log1p(np.exp(-np.abs(one - two)))
        share = np.exp(one - both)
        owned = self.weight * share
        other = self.weight - owned
        p, total = expit(x[4]), self.weight.sum()
        gradient = [
            _dot(owned, one_alpha),
            _dot(owned, one_beta),
            _dot(other, two_alpha),
            _dot(other, two_beta),
            owned.sum() - total * p,
        ]
        # of a mixture: the components' own, and how their gradients vary between them
        between, shared = (one_alpha, one_beta, -two_alpha, -two_beta, np.ones_like(share)), other * share
        matrix = np.zeros((5, 5))
        for i, column in enumerate(between):
            weighted = shared * column
            for j in range(i + 1):
                matrix[i, j] = matrix[j, i] = _dot(weighted, between[j])
        matrix[:2, :2] += _square(owned, one_second)
        matrix[2:4, 2:4] += _square(other, two_second)
        matrix[4, 4] -= total * p * (1 - p)
        return -_dot(self.weight, both), -np.array(gradient), -matrix
