"""Where a number of a release stands: one line of coordinates for all tables, pairs first, then both margins."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TableLayout"]


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Coordinates of a protocol's tables: its cells, then its drugs, then its reactions.

    Parameters
    ----------
    drugs, reactions
        How many there are; cell number is ``drug_index * reactions + reaction_index``.

    Examples
    --------
    >>> layout = TableLayout(drugs=2, reactions=3)
    >>> layout.length, layout.drug(4), layout.reaction(4)
    (11, 7, 9)
    """

    drugs: int
    reactions: int

    @property
    def cells(self) -> int:
        """Coordinates of the pair table."""
        return self.drugs * self.reactions

    @property
    def length(self) -> int:
        """Coordinates of all tables."""
        return self.cells + self.drugs + self.reactions

    def drug(self, cell: int) -> int:
        """Coordinate of the drug's margin of a cell."""
        return self.cells + cell // self.reactions

    def reaction(self, cell: int) -> int:
        """Coordinate of the reaction's margin of a cell."""
        return self.cells + self.drugs + cell % self.reactions

    @property
    def lengths(self) -> dict[str, int]:
        """Number of coordinates by table, in order."""
        return {"pair": self.cells, "drug": self.drugs, "reaction": self.reactions}
