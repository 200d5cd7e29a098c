"""Strategy matrices without any pattern: every entry its own number, made for the epochs at which totals are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.strategy_matrix import StrategyMatrix, check_condition_s

__all__ = ["LARGEST_DENSE_EPOCHS", "DenseFactorisation"]

LARGEST_DENSE_EPOCHS = 2000


@dataclass(frozen=True, eq=False)
class DenseFactorisation(StrategyMatrix):
    """A lower-triangular matrix of whole numbers, entry by entry.

    `privacy.optimal_strategy` finds good ones; `privacy.factorisation_artefact` is how they travel.

    Parameters
    ----------
    entries
        C in units of ``2**-coefficient_bits``, uint16, shape (epochs, epochs); at most 2000 epochs.
    coefficient_bits
        In [4, 16].

    Raises
    ------
    ParameterError
        The matrix is not square and lower triangular, has no positive diagonal, or violates condition (S).

    Examples
    --------
    >>> strategy = DenseFactorisation(np.array([[256, 0], [128, 256]], dtype=np.uint16), 8)
    >>> strategy.row(1), round(strategy.error_factor(1), 3)
    (array([128, 256]), 1.25)
    """

    entries: NDArray[np.uint16]
    coefficient_bits: int

    def __post_init__(self) -> None:
        if not (self.entries.dtype == np.uint16 and self.entries.ndim == 2):
            raise ParameterError("entries must be a two-dimensional uint16 array")
        if not 1 <= self.epochs <= LARGEST_DENSE_EPOCHS:
            raise ParameterError(f"epochs must lie in [1, {LARGEST_DENSE_EPOCHS}], not {self.epochs}")
        if not 4 <= self.coefficient_bits <= 16:
            raise ParameterError(f"coefficient_bits must lie in [4, 16], not {self.coefficient_bits!r}")
        check_condition_s(self.entries.astype(np.int64))
        self.entries.flags.writeable = False

    @classmethod
    def project(cls, matrix: NDArray[np.float64], coefficient_bits: int) -> Self:
        """The nearest fit of a lower-triangular float matrix: clip at 0, running maximum along rows, round to grid.

        Entries should lie in [0, 1]; condition (S) holds for the result, whatever they were. Raises `ParameterError`
        where a diagonal entry rounds to 0 or an entry is not a number.
        """
        if not np.all(np.isfinite(matrix)):
            raise ParameterError("a strategy matrix must have finite entries")
        rising = np.tril(np.maximum.accumulate(np.maximum(np.tril(matrix), 0.0), axis=1))
        entries = np.minimum(np.rint(rising * (1 << coefficient_bits)), np.iinfo(np.uint16).max)
        return cls(entries.astype(np.uint16), coefficient_bits)

    @property
    def epochs(self) -> int:  # type: ignore[override]  # follows from the matrix, cannot be set
        """Length of the era."""
        return len(self.entries)

    def row(self, t: int) -> NDArray[np.int64]:
        """See `StrategyMatrix.row`."""
        return self.entries[self._checked(t), : t + 1].astype(np.int64)

    @cached_property
    def column_norm_squared(self) -> int:
        """See `StrategyMatrix.column_norm_squared`."""
        return int((self.entries.astype(np.int64) ** 2).sum(axis=0).max())

    @cached_property
    def largest_coefficient(self) -> int:
        """See `StrategyMatrix.largest_coefficient`."""
        return int(self.entries.max())

    @cached_property
    def _totals(self) -> NDArray[np.float64]:
        """(Ones below the diagonal) times the inverse of C, shape (epochs, epochs)."""
        return np.cumsum(np.linalg.inv(self.entries.astype(np.float64)), axis=0)

    def total_weights(self, t: int) -> NDArray[np.float64]:
        """See `StrategyMatrix.total_weights`."""
        return self._totals[self._checked(t), : t + 1]
