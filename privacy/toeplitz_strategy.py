"""Strategy matrices whose entries depend on the lag alone: one vector of coefficients says everything."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.strategy_matrix import StrategyMatrix, check_condition_s

__all__ = ["ToeplitzStrategy"]


class ToeplitzStrategy(StrategyMatrix):
    """C with ``C[t, s] = coefficients[t - s]``; a subclass gives the coefficients, whole numbers it can repeat."""

    @property
    @abstractmethod
    def coefficients(self) -> NDArray[np.int64]:
        """Integer coefficients by lag, shape (epochs,); read-only."""

    def _check(self) -> None:
        """Range of the era's length and grid, then condition (S); for the subclass to call when it is made."""
        if not 1 <= self.epochs <= 10_000:
            raise ParameterError(f"epochs must lie in [1, 10000], not {self.epochs!r}")
        if not 4 <= self.coefficient_bits <= 16:
            raise ParameterError(f"coefficient_bits must lie in [4, 16], not {self.coefficient_bits!r}")
        check_condition_s(self.coefficients)

    def row(self, t: int) -> NDArray[np.int64]:
        """See `StrategyMatrix.row`."""
        return self.coefficients[self._checked(t) :: -1]

    @cached_property
    def column_norm_squared(self) -> int:
        """See `StrategyMatrix.column_norm_squared`; the first column is the longest."""
        return sum(int(value) ** 2 for value in self.coefficients)

    @cached_property
    def largest_coefficient(self) -> int:
        """See `StrategyMatrix.largest_coefficient`."""
        return int(self.coefficients[0])

    @cached_property
    def _totals(self) -> NDArray[np.float64]:
        """First column of (ones below the diagonal) times the inverse of C."""
        forward = self.coefficients.astype(np.float64)
        inverse = np.zeros(self.epochs)
        inverse[0] = 1 / forward[0]
        for lag in range(1, self.epochs):
            inverse[lag] = -(forward[1 : lag + 1] @ inverse[lag - 1 :: -1][:lag]) / forward[0]
        return np.cumsum(inverse)

    @cached_property
    def _error_factors(self) -> NDArray[np.float64]:
        return sqrt(self.column_norm_squared) * np.sqrt(np.cumsum(self._totals**2))

    def error_factor(self, t: int) -> float:
        """See `StrategyMatrix.error_factor`; it never falls with t."""
        return float(self._error_factors[self._checked(t)])

    def total_weights(self, t: int) -> NDArray[np.float64]:
        """See `StrategyMatrix.total_weights`."""
        return self._totals[self._checked(t) :: -1]
