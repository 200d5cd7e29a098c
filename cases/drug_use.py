"""A drug in a case and the part it is thought to have played."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from cases.term import Term

__all__ = ["DrugRole", "DrugUse"]


class DrugRole(StrEnum):
    """Role of a drug in a case (E2B(R3) G.k.1)."""

    SUSPECT = "suspect"
    CONCOMITANT = "concomitant"
    INTERACTING = "interacting"

    @property
    def is_counted(self) -> bool:
        """Whether disproportionality counts it: suspect and interacting drugs do, concomitant ones do not."""
        return self is not DrugRole.CONCOMITANT


class DrugUse(msgspec.Struct, frozen=True, order=True):
    """One ingredient in one role."""

    drug: Term
    role: DrugRole
