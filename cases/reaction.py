"""A reaction in a case, and whether its source says that it happened."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from cases.term import Term

__all__ = ["Assertion", "Reaction"]


class Assertion(StrEnum):
    """What a source says of a reaction; only `PRESENT` ones are counted."""

    PRESENT = "present"
    NEGATED = "negated"
    HYPOTHETICAL = "hypothetical"
    HISTORICAL = "historical"


class Reaction(msgspec.Struct, frozen=True, order=True):
    """One preferred term with its assertion."""

    reaction: Term
    assertion: Assertion = Assertion.PRESENT
