"""Posterior of the reporting ratio behind a noisy count, row by row, by quadrature over its logarithm.

Each row has a grid of its own, found by closing in on where its density lies. Below the grid the likelihood is flat, so
that the density of either component of the prior is a power of the ratio, whose integral is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln

from detectors.empirical_bayes import GammaMixture
from detectors.noisy._grid_summary import grid_summary, places
from detectors.noisy._likelihood import log_likelihood

__all__ = ["posterior_summary"]

_Floats = NDArray[np.float64]
_SEARCH = 20  # points of a grid while closing in
_DROP = 12.0  # a density of exp(-12) of its largest is outside
_FLAT = 0.001  # true count and prior exponent below which the density is a power of the ratio
_ROUNDS = 12
_NOTHING = 1e-250
_LARGEST_SHAPE = 1e8  # of the expected count: beyond, it is known
_CHUNK = 256  # rows worked on at once: their arrays stay in the processor's cache


def posterior_summary(
    count: _Floats,
    expected: _Floats,
    ratio_sd: _Floats,
    *,
    sd: float,
    prior: GammaMixture,
    probabilities: Sequence[float],
) -> _Floats:
    """Logarithm of the mean, mean of the logarithm, and logarithm of each quantile; shape (rows, 2 + quantiles).

    Parameters
    ----------
    count, expected, ratio_sd
        Noisy count, expected count above 0, and relative standard deviation of the expected count, in [0, 1].
    sd
        Standard deviation of the noise of every count.
    """
    result = np.empty((len(count), 2 + len(probabilities)))
    for start in range(0, len(count), _CHUNK):
        part = slice(start, start + _CHUNK)
        rows = _Rows(
            count[part, None],
            np.log(expected[part, None]),
            np.minimum(np.maximum(ratio_sd[part, None], 1e-9) ** -2, _LARGEST_SHAPE),
            sd=sd,
            prior=prior,
        )
        result[part] = rows.summary(probabilities)
    return result


class _Rows:
    """Rows that are worked on at once; arrays have the shape (rows, 1)."""

    def __init__(
        self, count: _Floats, log_expected: _Floats, shape: _Floats, *, sd: float, prior: GammaMixture
    ) -> None:
        self._count, self._log_expected, self._shape = count, log_expected, shape
        self._sd, self._prior = sd, prior

    def summary(self, probabilities: Sequence[float]) -> _Floats:
        flat, _ = self._first_bounds()
        low, high = self._bounds()
        log_ratio = low + (high - low) * places()
        every = np.arange(len(low))
        density = self._log_density(every, log_ratio)
        density = np.exp(density - density.max(axis=1, keepdims=True))
        one, two = self._log_prior(log_ratio[:, :1])
        share = np.clip(expit(one - two), 1e-12, 1 - 1e-12)
        powers = (self._prior.alpha1, self._prior.alpha2)
        below = np.where(low <= flat, density[:, :1], _NOTHING)
        tails = (below * share / powers[0], below * (1 - share) / powers[1])
        return grid_summary(log_ratio, density, tails, powers, probabilities)

    def _log_prior(self, log_ratio: _Floats) -> tuple[_Floats, _Floats]:
        """Density of the logarithm of the ratio, by component of the prior."""
        prior, ratio = self._prior, np.exp(log_ratio)
        one, two = (
            np.log(weight) + shape * (np.log(rate) + log_ratio) - rate * ratio - gammaln(shape)
            for weight, shape, rate in (
                (prior.p, prior.alpha1, prior.beta1),
                (1 - prior.p, prior.alpha2, prior.beta2),
            )
        )
        return one, two

    def _log_density(self, rows: NDArray[np.int64], log_ratio: _Floats) -> _Floats:
        mean = self._log_expected[rows] + log_ratio
        likelihood = log_likelihood(self._count[rows], mean, self._shape[rows], self._sd)
        return np.asarray(np.logaddexp(*self._log_prior(log_ratio)) + likelihood)

    def _bounds(self) -> tuple[_Floats, _Floats]:
        """Logarithms of ratios between which the posterior lies, but for a flat lower end."""
        low, high = self._first_bounds()
        rows, unit = np.arange(len(low)), np.linspace(0.0, 1.0, _SEARCH)
        for _ in range(_ROUNDS):
            start, span = low[rows], high[rows] - low[rows]
            density = self._log_density(rows, start + span * unit)
            inside = density > density.max(axis=1, keepdims=True) - _DROP
            first = np.maximum(inside.argmax(axis=1) - 1, 0)
            last = np.minimum(_SEARCH - inside[:, ::-1].argmax(axis=1), _SEARCH - 1)
            low[rows], high[rows] = start + span * unit[first, None], start + span * unit[last, None]
            rows = rows[last - first < 0.6 * _SEARCH]
            if not len(rows):
                break
        return low, high

    def _first_bounds(self) -> tuple[_Floats, _Floats]:
        count, prior = self._count, self._prior
        slowest, fastest = min(prior.beta1, prior.beta2), max(prior.beta1, prior.beta2)
        s2 = max(self._sd, 0.05) ** 2
        flat = np.minimum(
            np.log(_FLAT / fastest), np.log(_FLAT) + np.minimum((_FLAT - count) / s2, 0.0) - self._log_expected
        )
        reported = np.maximum(count, 0.0)
        surely = count - 12 * np.sqrt(reported + s2 + count**2 / self._shape)
        least = np.where(
            surely > 1, np.log(np.maximum(surely, 1.0) / (fastest + np.exp(self._log_expected))) - 5.0, flat
        )
        most = reported + 12 * np.sqrt(reported + s2) + max(prior.alpha1, prior.alpha2) + 40
        low = np.maximum(flat, np.minimum(least, -5.0))
        return low, np.maximum(np.log(most / slowest), low + 1.0)
