"""Quantiles of the posterior as a table over ln E for each small whole count.

For a given count a quantile is a smooth function of ln E, except where the two components part within a step of the
table; its differences tell where. A table belongs to a prior, lies at multiples of its step, and is solved where rows
ask for it: a few thousand solutions, whatever the number of rows, none for rows like those before, and the same for a
row whichever rows stood beside it.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from detectors.empirical_bayes._posterior import Posterior
from detectors.empirical_bayes.gamma_mixture import GammaMixture

__all__ = ["QuantileTable", "quantile_table"]

_Floats = NDArray[np.float64]
_LARGEST = 40  # count that has a table
_SPACING = 0.1  # of the table, in ln E
_REACH = 30.0  # of the table to either side, in ln E
_POINTS = 8  # that a polynomial goes through
_SMOOTH = 1e-8  # of a polynomial of two points less; the error of the quantile is then below 1e-7
_SCALE = [prod(point - other for other in range(_POINTS) if other != point) for point in range(_POINTS)]
_ZERO = round(_REACH / _SPACING) + _POINTS  # place of the node at ln E = 0
_WIDTH = 2 * _ZERO


class QuantileTable:
    """Quantiles for one prior; grows by what it is asked for, and answers the same as one made anew."""

    def __init__(self, prior: GammaMixture, probabilities: tuple[float, ...]) -> None:
        self._prior, self._probabilities = prior, probabilities
        self._values = np.full((len(probabilities), _LARGEST + 1, _WIDTH), np.nan)
        self._is_smooth = np.zeros(self._values.shape, dtype=np.bool_)  # by the first node of eight

    @staticmethod
    def covers(n: _Floats, expected: _Floats) -> NDArray[np.bool_]:
        """Which rows have a place in a table."""
        is_covered: NDArray[np.bool_] = (n <= _LARGEST) & (n == np.floor(n)) & (np.abs(np.log(expected)) < _REACH)
        return is_covered

    def _solve(self, key: NDArray[np.int64]) -> None:
        """Fill the eight nodes from each of these on, and say whether a polynomial through them is close enough."""
        is_first = np.zeros((_LARGEST + 1) * _WIDTH, dtype=np.bool_)
        is_first[key] = True
        is_needed = is_first.copy()
        for offset in range(1, _POINTS):
            is_needed[offset:] |= is_first[:-offset]
        missing = np.flatnonzero(is_needed & np.isnan(self._values[0].ravel()))
        if not len(missing):
            return
        count, place = np.divmod(missing, _WIDTH)
        posterior = Posterior(self._prior, count.astype(np.float64), np.exp(_SPACING * (place - _ZERO)))
        for number, probability in reversed(list(enumerate(self._probabilities))):
            self._values[number, count, place] = posterior.log_quantile(probability)
        grown = np.unique(count)
        # a polynomial through six nodes is off by their sixth difference times 0.005 at most
        sixth = 0.005 * np.abs(np.diff(self._values[:, grown], n=_POINTS - 2))
        self._is_smooth[:, grown, : 1 - _POINTS] = np.maximum(sixth[..., :-1], sixth[..., 1:]) <= _SMOOTH

    def quantiles(self, n: _Floats, expected: _Floats) -> tuple[_Floats, NDArray[np.bool_]]:
        """Logarithms of the quantiles of covered rows, and where they are close enough: (probabilities, rows)."""
        position = np.log(expected) / _SPACING
        node = np.floor(position)
        key = n.astype(np.int64) * _WIDTH + (node.astype(np.int64) + _ZERO - (_POINTS // 2 - 1))
        self._solve(key)
        result = np.zeros((len(self._values), len(key)))
        tables = self._values.reshape(len(result), -1)
        for offset, weight in enumerate(_lagrange(position - node + (_POINTS // 2 - 1))):
            for each, table in zip(result, tables, strict=True):
                each += table[key + offset] * weight
        return result, self._is_smooth.reshape(len(result), -1)[:, key]


@lru_cache(maxsize=4)
def quantile_table(prior: GammaMixture, probabilities: tuple[float, ...]) -> QuantileTable:
    """The table of a prior: one that scores case after case is solved once."""
    return QuantileTable(prior, probabilities)


def _lagrange(t: _Floats) -> list[_Floats]:
    """Weight of each of the nodes at 0, 1, ... of the polynomial through them, at `t`."""
    apart = [t - point for point in range(_POINTS)]
    below, above = [np.ones_like(t)], [np.ones_like(t)]
    for point in range(_POINTS - 1):
        below.append(below[-1] * apart[point])
        above.append(above[-1] * apart[-1 - point])
    return [one * two / by for one, two, by in zip(below, reversed(above), _SCALE, strict=True)]
