"""Negative log likelihood of the gamma-Poisson mixture and its gradient, truncated by component."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, digamma, expit, gammaln

__all__ = ["Likelihood"]

_Floats = NDArray[np.float64]


class Likelihood:
    """Likelihood of counts by ``x = (ln alpha1, ln beta1, ln alpha2, ln beta2, logit p)``.

    A count below `truncation` cannot be observed: each component is divided by its own chance of reaching it.
    """

    def __init__(self, n: _Floats, expected: _Floats, weight: _Floats, *, truncation: int) -> None:
        self.counts, self._position = np.unique(n, return_inverse=True)
        self._n, self._expected, self.weight = n, expected, weight
        self._truncation = truncation
        self._constant = gammaln(self.counts + 1)[self._position]

    def _component(self, alpha: float, beta: float) -> tuple[_Floats, _Floats, _Floats]:
        """Log probability of each count under one component, and its derivatives by ln alpha and ln beta."""
        n, expected = self._n, self._expected
        total = beta + expected
        log_zero = -np.log1p(expected / beta)  # ln(beta / (beta + E))
        log_probability = (gammaln(alpha + self.counts) - gammaln(alpha))[self._position] - self._constant
        log_probability += alpha * log_zero + n * (np.log(expected) - np.log(total))
        by_alpha = (digamma(alpha + self.counts) - digamma(alpha))[self._position] + log_zero
        by_beta = (alpha * expected - n * beta) / (beta * total)
        if self._truncation == 1:
            below = np.exp(alpha * log_zero)
            reached = -np.expm1(alpha * log_zero)
            log_probability -= np.log(reached)
            by_alpha += below * log_zero / reached
            by_beta += below * alpha * expected / (beta * total) / reached
        elif self._truncation > 1:
            k = self._truncation
            share = expected / total
            reached = betainc(k, alpha, share)
            lost = np.zeros_like(expected)
            for low in range(k):
                chance = np.exp(
                    gammaln(alpha + low) - gammaln(alpha) - gammaln(low + 1) + alpha * log_zero + low * np.log(share)
                )
                lost += chance * (digamma(alpha + low) - digamma(alpha) + log_zero)
            density = np.exp((k - 1) * np.log(share) + (alpha - 1) * log_zero - betaln(k, alpha))
            log_probability -= np.log(reached)
            by_alpha += lost / reached
            by_beta += density * expected / total**2 / reached
        return log_probability, by_alpha * alpha, by_beta * beta

    def components(self, x: _Floats) -> tuple[_Floats, _Floats]:
        """Log probability of each count under either component, without their weights."""
        a1, b1, a2, b2 = np.exp(x[:4]).tolist()
        return self._component(a1, b1)[0], self._component(a2, b2)[0]

    def single(self, x: _Floats, share: _Floats) -> tuple[float, _Floats]:
        """Value and gradient by (ln alpha, ln beta) for one component that owns `share` of every count."""
        alpha, beta = np.exp(x).tolist()
        log_probability, by_alpha, by_beta = self._component(alpha, beta)
        weight = self.weight * share
        return -float(weight @ log_probability), -np.array([weight @ by_alpha, weight @ by_beta])

    def __call__(self, x: _Floats) -> tuple[float, _Floats]:
        """Negative log likelihood and its gradient, shape (5,)."""
        a1, b1, a2, b2 = np.exp(x[:4]).tolist()
        first, first_alpha, first_beta = self._component(a1, b1)
        second, second_alpha, second_beta = self._component(a2, b2)
        first = first - np.logaddexp(0, -x[4])
        second = second - np.logaddexp(0, x[4])
        both = np.logaddexp(first, second)
        owned = self.weight * np.exp(first - both)
        other = self.weight - owned
        gradient = [
            owned @ first_alpha,
            owned @ first_beta,
            other @ second_alpha,
            other @ second_beta,
            owned.sum() - self.weight.sum() * expit(x[4]),
        ]
        return -float(self.weight @ both), -np.array(gradient)

    def hessian(self, x: _Floats) -> _Floats:
        """Second derivatives, shape (5, 5), by central differences of the exact gradient."""
        step = 1e-4
        rows = [(self(x + step * unit)[1] - self(x - step * unit)[1]) / (2 * step) for unit in np.eye(5)]
        matrix = np.array(rows)
        return np.asarray((matrix + matrix.T) / 2)
