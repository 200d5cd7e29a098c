"""Cell numbers of a case's pairs under a protocol, fast: two dictionary look-ups for a name instead of a search."""

from __future__ import annotations

from cases import Contribution
from privacy.protocol import SurveillanceProtocol

__all__ = ["CellIndex"]


class CellIndex:
    """The protocol's active cells: drug index times number of reactions plus reaction index."""

    def __init__(self, protocol: SurveillanceProtocol) -> None:
        width = len(protocol.reactions)
        self._row = {drug: number * width for number, drug in enumerate(protocol.drugs)}
        self._column = {reaction: number for number, reaction in enumerate(protocol.reactions)}

    def cells(self, contribution: Contribution) -> list[int]:
        """Cells of the distinct pairs, in order; pairs the protocol does not watch have none."""
        if not contribution:
            return []
        columns = [column for name in contribution.reactions if (column := self._column.get(name)) is not None]
        if not columns:
            return []
        rows = [row for name in contribution.drugs if (row := self._row.get(name)) is not None]
        return [row + column for row in rows for column in columns]
