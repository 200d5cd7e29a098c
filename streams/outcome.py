"""What intake made of one record: a case, nothing new, something rightly ignored, or a dead letter.

Outcome
├── Accepted       a new case or a newer version of one
├── Superseded     a version that is not newer than the one already there
├── Ignored        rightly no case of its own; may take an earlier one back
└── DeadLettered   should have been a case and cannot be; kept

Nothing of an outcome is applied yet.
"""

from __future__ import annotations

import msgspec

from cases import Case, DeadLetter
from streams.case_index import IndexEntry

__all__ = ["Accepted", "DeadLettered", "Ignored", "Outcome", "Superseded"]


class Accepted(msgspec.Struct, frozen=True):
    """A case that is new or newer.

    `cases` goes to the case log in order: first, where the case had another patient, the nullification for that one.
    `replaces` tells that an earlier version was live.
    """

    key: str
    entry: IndexEntry
    cases: tuple[Case, ...]
    replaces: bool


class Superseded(msgspec.Struct, frozen=True):
    """A version that is not newer; changes nothing."""

    key: str


class Ignored(msgspec.Struct, frozen=True):
    """Rightly no case of its own (`cases.IgnoreReason`).

    A nullification carries the index `entry` to keep and the nullified version for the case log; `replaces` tells that
    it took a live case back.
    """

    reason: str
    key: str = ""
    entry: IndexEntry | None = None
    cases: tuple[Case, ...] = ()
    replaces: bool = False


class DeadLettered(msgspec.Struct, frozen=True):
    """A record that could not become a case."""

    letter: DeadLetter


Outcome = Accepted | Superseded | Ignored | DeadLettered
