"""Where a number of a release stands: one line of coordinates for all tables, pairs first, then both margins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from privacy.residual_cells import ResidualCells

__all__ = ["TableLayout"]

_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Coordinates of a protocol's tables: its pairs, then its drugs, then its reactions.

    A pair has a product cell, ``drug_index * reactions + reaction_index``, and a position in the pair table. They are
    the same unless there are buckets.

    Parameters
    ----------
    drugs, reactions
        How many there are.
    residual
        Which pairs have a position of their own, and which buckets the others share; None where all have one.

    Examples
    --------
    >>> layout = TableLayout(drugs=2, reactions=3)
    >>> layout.length, layout.drug(4), layout.reaction(4)
    (11, 7, 9)
    """

    drugs: int
    reactions: int
    residual: ResidualCells | None = None

    @property
    def cells(self) -> int:
        """Coordinates of the pair table."""
        return self.drugs * self.reactions if self.residual is None else self.residual.length

    @property
    def length(self) -> int:
        """Coordinates of all tables."""
        return self.cells + self.drugs + self.reactions

    @property
    def active(self) -> NDArray[np.int64]:
        """Product cell of every pair with a position of its own, in order of the positions."""
        if self.residual is not None:
            return self.residual.active
        return np.arange(self.drugs * self.reactions, dtype=np.int64)

    @property
    def drug_starts(self) -> NDArray[np.int64]:
        """Position of the first pair of every drug, and where the pairs with a position of their own end."""
        ends = np.arange(self.drugs + 1, dtype=np.int64) * self.reactions
        return ends if self.residual is None else np.searchsorted(self.residual.active, ends).astype(np.int64)

    def positions(self, cells: Sequence[int]) -> Sequence[int]:
        """Position of each product cell; several may share one."""
        if self.residual is None or not cells:
            return cells
        positions: list[int] = self.residual.positions(np.array(cells, dtype=np.int64)).tolist()
        return positions

    def own_position(self, cell: int) -> int | None:
        """Position of a product cell that shares it with no other pair; None where it is counted in a bucket."""
        if self.residual is None:
            return cell
        position = int(np.searchsorted(self.residual.active, cell))
        is_active = position < self.residual.active.size and self.residual.active[position] == cell
        return position if is_active else None

    def bucket(self, cell: int) -> int | None:
        """Bucket that a product cell shares with others; None where it has a position of its own."""
        if self.residual is None or self.own_position(cell) is not None:
            return None
        return int(self.residual.buckets_of(np.array([cell]))[0])

    def drug(self, cell: int) -> int:
        """Coordinate of the drug's margin of a product cell."""
        return self.cells + cell // self.reactions

    def reaction(self, cell: int) -> int:
        """Coordinate of the reaction's margin of a product cell."""
        return self.cells + self.drugs + cell % self.reactions

    @property
    def lengths(self) -> dict[str, int]:
        """Number of coordinates by table, in order."""
        return {"pair": self.cells, "drug": self.drugs, "reaction": self.reactions}

    def split(self, values: NDArray[_T]) -> dict[str, NDArray[_T]]:
        """All coordinates, shape (length,), table by table."""
        ends = np.cumsum(list(self.lengths.values()))
        return dict(zip(self.lengths, np.split(values, ends[:-1]), strict=True))
