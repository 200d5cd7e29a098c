"""What a site's patients add to the tables in one epoch: exact, sparse, and never outside of the site."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cases.errors import IntegrityError, ParameterError

__all__ = ["EpochVector"]

_MAGIC = b"kelsey.epoch-vector/1\n"
_WEIGHT_LIMIT = 1 << 40


@dataclass(frozen=True, slots=True, eq=False)
class EpochVector:
    """Net weight by cell, X of one epoch.

    Parameters
    ----------
    cells
        Cell numbers, int64, strictly rising, at least 0.
    weights
        Net weight in grid units (2**-8), int64, never 0, at most 2**40 in magnitude.

    Examples
    --------
    >>> vector = EpochVector.sum([(7, 256), (3, 100), (7, -256)])
    >>> vector.cells, vector.weights
    (array([3]), array([100]))
    """

    cells: NDArray[np.int64]
    weights: NDArray[np.int64]

    def __post_init__(self) -> None:
        cells, weights = self.cells, self.weights
        if not (cells.dtype == weights.dtype == np.int64 and cells.ndim == weights.ndim == 1):
            raise ParameterError("cells and weights must be one-dimensional int64 arrays")
        if len(cells) != len(weights):
            raise ParameterError(f"cells and weights must be equally long, not {len(cells)} and {len(weights)}")
        if not (np.all(np.diff(cells) > 0) and (not cells.size or cells[0] >= 0)):
            raise ParameterError("cells must rise strictly from at least 0")
        if not (np.all(weights != 0) and np.all(weights <= _WEIGHT_LIMIT) and np.all(weights >= -_WEIGHT_LIMIT)):
            raise ParameterError("weights must not be 0 and must be at most 2**40 in magnitude")
        cells.flags.writeable = False
        weights.flags.writeable = False

    @classmethod
    def sum(cls, operations: Iterable[tuple[int, int]]) -> Self:
        """The net of operations ``(cell, signed weight)`` in any order (`privacy.wallet.Operation` is one)."""
        totals: dict[int, int] = {}
        for cell, weight in operations:
            totals[cell] = totals.get(cell, 0) + weight
        return cls.of(totals)

    @classmethod
    def of(cls, weights: Mapping[int, int]) -> Self:
        """The vector of a mapping from cell to net weight; zeros are dropped."""
        items = sorted((cell, weight) for cell, weight in weights.items() if weight)
        table = np.array(items, dtype=np.int64).reshape(-1, 2)
        return cls(table[:, 0].copy(), table[:, 1].copy())

    @classmethod
    def merge(cls, parts: Iterable[EpochVector]) -> Self:
        """The sum of several parts of one epoch."""
        return cls.sum(item for part in parts for item in zip(part.cells.tolist(), part.weights.tolist(), strict=True))

    def encode(self) -> bytes:
        """Canonical bytes: equal vectors give equal bytes."""
        count = len(self.cells).to_bytes(8, "little")
        return _MAGIC + count + self.cells.astype("<i8").tobytes() + self.weights.astype("<i8").tobytes()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Inverse of `encode`; raises `IntegrityError` for anything else."""
        start = len(_MAGIC) + 8
        count = int.from_bytes(data[len(_MAGIC) : start], "little")
        if not data.startswith(_MAGIC) or len(data) != start + 16 * count:
            raise IntegrityError("not an epoch vector of codec version 1")
        values = np.frombuffer(data, dtype="<i8", offset=start).astype(np.int64)
        try:
            return cls(values[:count].copy(), values[count:].copy())
        except ParameterError as error:
            raise IntegrityError(f"a damaged epoch vector: {error.message}") from error

    @property
    def digest(self) -> str:
        """SHA-256 of `encode`, for the ledger. A function of exact data: it must not leave the site."""
        return hashlib.sha256(self.encode()).hexdigest()
