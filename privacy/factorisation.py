r"""Continual counting: release running totals of a whole era for little more noise than one single release.

The site releases :math:`W_t = \sum_{s \le t} c_{t-s} X_s + Z_t` with fresh noise every epoch, where C is the square
root of the matrix of ones below the diagonal. The hub solves for the increments X and adds them up; the noise of the
total at epoch t is then ``error_factor(t)`` times that of one release at the same budget, 1.85 after 12 epochs and 2.94
after 365 (adding up 365 separately noised increments: 19.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError

__all__ = ["SquareRootFactorisation", "check_condition_s"]


def check_condition_s(coefficients: NDArray[np.int64]) -> None:
    """Condition (S) of the sensitivity proof for a Toeplitz matrix: coefficients not negative, never rising with lag.

    Raises `ParameterError` where it does not hold.
    """
    if not (coefficients.ndim == 1 and coefficients.size and coefficients[0] > 0):
        raise ParameterError("coefficients must be a vector whose first entry is positive")
    if not (np.all(coefficients >= 0) and np.all(np.diff(coefficients) <= 0)):
        raise ParameterError("condition (S): coefficients must not be negative and must not rise with lag")


@dataclass(frozen=True)
class SquareRootFactorisation:
    r"""Lower-triangular Toeplitz C with :math:`c_k = \binom{2k}{k} 4^{-k}`, rounded to a grid.

    Encoding and decoding use the same rounded integers, so rounding costs no accuracy, only a hair of noise.

    Parameters
    ----------
    epochs
        T, length of the era, in [1, 10000].
    coefficient_bits
        Coefficients are integers in units of ``2**-coefficient_bits``; in [4, 16].

    Examples
    --------
    >>> factorisation = SquareRootFactorisation(12, 8)
    >>> factorisation.coefficients[:4]
    array([256, 128,  96,  80])
    >>> round(factorisation.error_factor(11), 2)
    1.85

    References
    ----------
    Fichtenberger H, Henzinger M, Upadhyay J (2023), Constant matters: fine-grained error bound on differentially
    private continual observation, ICML, arXiv:2202.11205
    Denisov S et al. (2022), Improved differential privacy for SGD via optimal private linear operators on adaptive
    streams, NeurIPS, arXiv:2202.08312
    """

    epochs: int
    coefficient_bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= 10_000:
            raise ParameterError(f"epochs must lie in [1, 10000], not {self.epochs!r}")
        if not 4 <= self.coefficient_bits <= 16:
            raise ParameterError(f"coefficient_bits must lie in [4, 16], not {self.coefficient_bits!r}")
        check_condition_s(self.coefficients)

    @cached_property
    def coefficients(self) -> NDArray[np.int64]:
        """Integer coefficients by lag, shape (epochs,); read-only."""
        extra = 160
        value = 1 << (self.coefficient_bits + extra)
        rounded = []
        for lag in range(self.epochs):
            if lag:
                value = value * (2 * lag - 1) // (2 * lag)
            rounded.append((value + (1 << (extra - 1))) >> extra)
        out = np.array(rounded, dtype=np.int64)
        out.flags.writeable = False
        return out

    @cached_property
    def column_norm_squared(self) -> int:
        """Largest squared column norm of C, in units of ``2**(-2 * coefficient_bits)``; exact."""
        return sum(int(value) ** 2 for value in self.coefficients)

    @property
    def column_norm(self) -> float:
        """Largest column norm of C, the factor by which C enlarges the sensitivity; 1 for a single release."""
        return sqrt(self.column_norm_squared) / (1 << self.coefficient_bits)

    @cached_property
    def _inverse(self) -> NDArray[np.float64]:
        """First column of the inverse of C (in grid units)."""
        forward = self.coefficients.astype(np.float64)
        out = np.zeros(self.epochs)
        out[0] = 1 / forward[0]
        for lag in range(1, self.epochs):
            out[lag] = -(forward[1 : lag + 1] @ out[lag - 1 :: -1][:lag]) / forward[0]
        return out

    @cached_property
    def _totals(self) -> NDArray[np.float64]:
        """First column of (ones below the diagonal) times the inverse of C."""
        return np.cumsum(self._inverse)

    @cached_property
    def _error_factors(self) -> NDArray[np.float64]:
        return sqrt(self.column_norm_squared) * np.sqrt(np.cumsum(self._totals**2))

    def error_factor(self, t: int) -> float:
        """F(t): noise of the running total at epoch t, relative to one single release at the same budget."""
        return float(self._error_factors[self._checked(t)])

    def total_weights(self, t: int) -> NDArray[np.float64]:
        """Weights of W_0 to W_t in the running total at epoch t, shape (t + 1,)."""
        return self._totals[self._checked(t) :: -1]

    def encode(self, increments: NDArray[np.int64]) -> NDArray[np.int64]:
        """C X without noise, in units 2**-coefficient_bits of those of X; shape (epochs so far, cells).

        Raises `ParameterError` where a result could leave 63 bits.
        """
        self._check_rows(increments)
        mass = np.abs(increments.astype(np.float64)).sum(axis=0).max(initial=0.0)
        if not mass * self.coefficients[0] < 2**62:
            raise ParameterError("increments are too large: encoded values could leave 63 bits")
        out = np.zeros_like(increments)
        for t in range(len(increments)):
            out[t] = self.coefficients[t::-1] @ increments[: t + 1]
        return out

    def decode(self, encoded: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Increments X from W_0 to W_t, shape (t + 1, cells), in the units of X; the inverse of `encode`."""
        self._check_rows(encoded)
        out = np.zeros(encoded.shape)
        for t in range(len(encoded)):
            out[t] = self._inverse[t::-1] @ encoded[: t + 1]
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
