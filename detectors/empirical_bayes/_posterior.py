"""Posterior of the reporting ratio under the mixture prior: weights, geometric mean and quantiles of many pairs.

A quantile has no closed form. For a given count it is a smooth function of ln E, so that rows of a small count start
from a table over ln E, which costs a few thousand solutions, and need one Newton step each; others start from the
quantiles of the components. Every row is solved by itself, to the same digits whichever rows stand beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, expit, gammainc, gammaincinv, gammaln

from detectors.empirical_bayes._distinct import distinct
from detectors.empirical_bayes.gamma_mixture import GammaMixture

__all__ = ["Posterior"]

_Floats = NDArray[np.float64]
_TABLED = 40  # largest count that has a table
_SPACING = 0.1  # of the table, in ln E
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
        odds -= prior.alpha1 * np.log1p(self._expected / prior.beta1)
        odds += prior.alpha2 * np.log1p(self._expected / prior.beta2)
        odds -= self._n * (self._log_rates[0] - self._log_rates[1])
        return np.asarray(expit(odds))

    def log_mean(self) -> _Floats:
        """Expectation of the logarithm of the ratio."""
        one, two = (
            digamma(shape)[self._place] - rate for shape, rate in zip(self._shapes, self._log_rates, strict=True)
        )
        return np.asarray(self.first * one + (1 - self.first) * two)

    def log_quantiles(self, probabilities: tuple[float, ...], *, is_tabled: bool = True) -> list[_Floats]:
        """Logarithm of each quantile, to 1e-9; without `is_tabled` from the components' quantiles alone."""
        starts, lows, highs = [], [], []
        tabled = np.flatnonzero((self._n <= _TABLED) & (self._n == np.floor(self._n)) if is_tabled else [])
        nodes = _Nodes(self._n[tabled], self._expected[tabled]) if len(tabled) else None
        tables = (
            [] if nodes is None else Posterior(self._prior, *nodes.rows).log_quantiles(probabilities, is_tabled=False)
        )
        for number, probability in enumerate(probabilities):
            one, two = (
                np.log(np.maximum(gammaincinv(shape, probability), _LEAST))[self._place] - rate
                for shape, rate in zip(self._shapes, self._log_rates, strict=True)
            )
            start = self.first * one + (1 - self.first) * two
            if nodes is not None:
                start[tabled] = nodes.interpolated(tables[number])
            low, high = np.minimum(one, two), np.maximum(one, two)
            starts.append(np.clip(start, low, high))
            lows.append(low)
            highs.append(high)
        solved = self._solved(np.array(starts), np.array(lows), np.array(highs), np.array(probabilities))
        return list(solved)

    def _solved(self, start: _Floats, low: _Floats, high: _Floats, probability: _Floats) -> _Floats:
        """Newton steps on the logarithms, kept inside brackets; shape (probabilities, rows)."""
        shape = start.shape
        result, low, high = start.ravel(), low.ravel(), high.ravel()
        active = np.arange(len(result))
        for _ in range(100):
            if not len(active):
                break
            row = active % shape[1]
            y, place = result[active], self._place[row]
            total, slope = -probability[active // shape[1]], np.zeros(len(active))
            for part, shapes, rate, norm in zip(
                (self.first, 1 - self.first), self._shapes, self._log_rates, self._norms, strict=True
            ):
                log_x, a, weight = y + rate[row], shapes[place], part[row]
                x = np.exp(log_x)
                total += weight * gammainc(a, x)
                with np.errstate(over="ignore"):  # of counts beyond 1e15 the terms no longer cancel
                    slope += weight * np.exp(a * log_x - x - norm[place])
            lowest, highest = low[active], high[active]
            lowest, highest = np.where(total < 0, y, lowest), np.where(total > 0, y, highest)
            low[active], high[active] = lowest, highest
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                new = y - total / slope
            is_inside = (new >= lowest) & (new <= highest) & np.isfinite(slope)
            new = np.where(is_inside, new, (lowest + highest) / 2)
            result[active] = new
            active = active[np.abs(new - y) > self._short[row]]
        return result.reshape(shape)


class _Nodes:
    """Multiples of the spacing of ln E that rows of whole counts need for a cubic between four of them."""

    def __init__(self, n: _Floats, expected: _Floats) -> None:
        position = np.log(expected) / _SPACING
        node = np.floor(position).astype(np.int64) - 1
        lowest = int(node.min())
        width = int(node.max()) - lowest + 4
        self._t = position - node
        self._key = n.astype(np.int64) * width + (node - lowest)
        is_needed = np.zeros((int(n.max()) + 1) * width, dtype=np.bool_)
        for offset in range(4):
            is_needed[self._key + offset] = True
        self._needed = np.flatnonzero(is_needed)
        self._size = len(is_needed)
        self.rows = (self._needed // width).astype(np.float64), np.exp(_SPACING * (self._needed % width + lowest))

    def interpolated(self, values: _Floats) -> _Floats:
        """Values of the rows, from those at the nodes."""
        table, key, t = np.zeros(self._size), self._key, self._t
        table[self._needed] = values
        result = table[key] * (-(t - 1) * (t - 2) * (t - 3) / 6)
        result += table[key + 1] * (t * (t - 2) * (t - 3) / 2)
        result += table[key + 2] * (-t * (t - 1) * (t - 3) / 2)
        result += table[key + 3] * (t * (t - 1) * (t - 2) / 6)
        return np.asarray(result)
