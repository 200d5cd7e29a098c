"""What both models share: checks of counts, and k ln k of many whole numbers."""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.special import xlogy

from cases import ParameterError

__all__ = ["Counted", "Counts", "Floats", "checked_counts", "checked_lengths", "xlogx"]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class Counted(Protocol):
    """The counts of one look under a model. `nodes` is the sparse matrix, names by sets, of what is scanned."""

    @property
    def observed(self) -> Counts:
        """Reports of each set that were seen."""

    @property
    def size(self) -> Floats:
        """How much of each set there can be; a set with 0 is never drawn."""

    def draw(self, random: np.random.Generator, draws: int) -> Counts:
        """Counts under the hypothesis of no excess, shape (sets, draws)."""

    def expected_at(self, nodes: csr_array) -> Floats:
        """Expected reports at each name."""

    def ratio_at(self, nodes: csr_array, count: Counts) -> Floats:
        """Log likelihood ratio of an excess, shape (names, draws), at names with an expectation; at least 0."""

    def __add__(self, other: Self) -> Self:
        """The counts of both looks together."""


def checked_counts(name: str, values: ArrayLike) -> Counts:
    """`values` as whole numbers; raises `ParameterError`, naming the first that is none of at least 0."""
    given = np.asarray(values)
    if given.ndim != 1:
        raise ParameterError(f"{name} must have one dimension, not {given.ndim}")
    with np.errstate(invalid="ignore"):
        good = (given >= 0) & (given < 2**53) & (given == np.floor(given))
    if not good.all():
        row = int(np.argmin(good))
        raise ParameterError(f"{name} must be whole numbers of at least 0, not {given[row].item()!r} (set {row})")
    return given.astype(np.int64)


def checked_lengths(**columns: Sized) -> None:
    """Raise `ParameterError` unless all have one length."""
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise ParameterError(f"columns must have one length, not {lengths}")


def xlogx(count: Counts) -> Floats:
    r"""Natural :math:`k \ln k`, 0 at 0; by a table where the numbers are many and small."""
    if not count.size:
        return np.zeros(count.shape)
    top = int(count.max())
    if top >= count.size:
        return np.asarray(xlogy(count, count), dtype=np.float64)
    whole = np.arange(top + 1, dtype=np.float64)
    return np.asarray(xlogy(whole, whole), dtype=np.float64)[count]
