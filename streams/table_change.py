"""One change of the local counts: a case's distinct drugs and reactions added or taken back."""

from __future__ import annotations

from typing import NamedTuple

from cases import Stratum
from detectors.table import CountTable

__all__ = ["TableChange"]


class TableChange(NamedTuple):
    """Arguments of `CountTable.update` or `retract`."""

    drugs: tuple[str, ...]
    reactions: tuple[str, ...]
    stratum: Stratum
    is_added: bool

    def apply_to(self, table: CountTable) -> None:
        """Make the change."""
        if self.is_added:
            table.update(self.drugs, self.reactions, self.stratum)
        else:
            table.retract(self.drugs, self.reactions, self.stratum)
