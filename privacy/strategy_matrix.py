r"""What site, aggregators and hub share to count on without end: a lower-triangular matrix C of whole numbers.

The site releases :math:`W_t = \sum_{s \le t} C_{ts} X_s + Z_t` with fresh noise every epoch; the hub solves for the
increments X and adds them up. Which C makes the totals precise is a choice; that any C gives exact totals without
noise, and a proven sensitivity, is what every one behind this interface owes.

    StrategyMatrix ── ToeplitzStrategy ── SquareRootFactorisation     the default, nothing to hand out
                 │                   └─── BufferedToeplitzFactorisation
                 └─── DenseFactorisation                               optimised for when totals are read
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError

__all__ = ["StrategyMatrix", "check_condition_s"]


def check_condition_s(coefficients: NDArray[np.int64]) -> None:
    """Condition (S) of the sensitivity proof: entries not negative and, within each row, never rising with lag.

    Parameters
    ----------
    coefficients
        By lag, shape (epochs,), for a Toeplitz matrix; the square matrix itself for any other. What stands above its
        diagonal must be 0, what stands on it positive.

    Raises
    ------
    ParameterError
        Where it does not hold.
    """
    if coefficients.ndim == 1:
        if not (coefficients.size and coefficients[0] > 0):
            raise ParameterError("coefficients must be a vector whose first entry is positive")
        rises = np.diff(coefficients) > 0
    else:
        if not (coefficients.ndim == 2 and coefficients.size and coefficients.shape[0] == coefficients.shape[1]):
            raise ParameterError(f"a strategy matrix must be square, not of shape {coefficients.shape}")
        if not (np.all(np.diagonal(coefficients) > 0) and not np.any(np.triu(coefficients, 1))):
            raise ParameterError("a strategy matrix must be lower triangular with a positive diagonal")
        rises = np.tril(np.diff(coefficients.astype(np.int64), axis=1, append=0) < 0, -1)
    if not (np.all(coefficients >= 0) and not np.any(rises)):
        raise ParameterError("condition (S): coefficients must not be negative and must not rise with lag")


class StrategyMatrix(ABC):
    """Lower-triangular C with integer entries in units of ``2**-coefficient_bits``; condition (S) holds.

    An implementation says what its rows are, how long its longest column is, and how a running total is made of the
    released vectors; the rest follows. All must hold exactly, for ever: two parties with the same protocol must have
    the same integers, whatever machine they run on. Everything is checked when it is made, so a matrix that exists is
    fit to release with.

    Attributes
    ----------
    epochs
        T, length of the era.
    coefficient_bits
        Fineness of the grid, in [4, 16].
    """

    epochs: int
    coefficient_bits: int

    @abstractmethod
    def row(self, t: int) -> NDArray[np.int64]:
        """C[t, 0..t], shape (t + 1,), int64; raises `ParameterError` outside the era.

        All that encoding needs, also in a share domain: for shares mod 2**64, ``row(t).astype(np.uint64) @ shares``
        wraps around as it should, and the shares of the encoded vector add up to the encoded sum.
        """

    @property
    @abstractmethod
    def column_norm_squared(self) -> int:
        """Largest squared column norm of C, in units of ``2**(-2 * coefficient_bits)``; exact."""

    @abstractmethod
    def total_weights(self, t: int) -> NDArray[np.float64]:
        """Weights of W_0 to W_t in the running total at epoch t, shape (t + 1,): g with C^T g = 1."""

    @property
    def column_norm(self) -> float:
        """Largest column norm of C, the factor by which C enlarges the sensitivity; 1 for a single release."""
        return sqrt(self.column_norm_squared) / (1 << self.coefficient_bits)

    @cached_property
    def largest_coefficient(self) -> int:
        """Largest entry of C; by condition (S) it stands on the diagonal."""
        return max(int(self.row(t)[-1]) for t in range(self.epochs))

    def error_factor(self, t: int) -> float:
        """F(t): noise of the running total at epoch t, relative to one single release at the same budget."""
        weights = self.total_weights(t)
        return sqrt(self.column_norm_squared * float(weights @ weights))

    def encode(self, increments: NDArray[np.int64]) -> NDArray[np.int64]:
        """C X without noise, in units 2**-coefficient_bits of those of X; shape (epochs so far, cells).

        Raises `ParameterError` where a result could leave 63 bits.
        """
        self._check_rows(increments)
        mass = np.abs(increments.astype(np.float64)).sum(axis=0).max(initial=0.0)
        if not mass * self.largest_coefficient < 2**62:
            raise ParameterError("increments are too large: encoded values could leave 63 bits")
        out = np.zeros_like(increments)
        for t in range(len(increments)):
            out[t] = self.row(t) @ increments[: t + 1]
        return out

    def decode(self, encoded: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Increments X from W_0 to W_t, shape (t + 1, cells), in the units of X: `encode` undone, row by row."""
        self._check_rows(encoded)
        out = np.zeros(encoded.shape)
        for t in range(len(encoded)):
            row = self.row(t)
            out[t] = (encoded[t] - row[:-1] @ out[:t]) / row[-1]
        return out

    def running_total(self, encoded: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the increments of all epochs in `encoded`, shape (cells,): what `decode` gives, added up."""
        self._check_rows(encoded)
        total: NDArray[np.float64] = self.total_weights(len(encoded) - 1) @ encoded
        return total

    def _checked(self, t: int) -> int:
        if not 0 <= t < self.epochs:
            raise ParameterError(f"epoch must lie in [0, {self.epochs - 1}], not {t!r}")
        return t

    def _check_rows(self, rows: NDArray[np.int64] | NDArray[np.float64]) -> None:
        if not (rows.ndim == 2 and 1 <= len(rows) <= self.epochs):
            raise ParameterError(f"expected 1 to {self.epochs} epochs by cells, not an array of shape {rows.shape}")
