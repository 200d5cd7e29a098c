"""What an intake partition remembers of every case, so that versions meet in order and deletions find their patient."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from cases import Case, CaseVersion

__all__ = ["UNSEEN_PATIENT", "CaseIndex", "IndexEntry", "IndexState"]


class IndexState(StrEnum):
    """Where a case stands."""

    LIVE = "live"
    NULLIFIED = "nullified"
    UNSEEN = "unseen"  # nullified before any version of it was seen


class IndexEntry(msgspec.Struct, frozen=True):
    """Newest version known of a case, whose it is, and a digest of what that version said.

    `digest` is a keyed hash (it reveals nothing without the site's key); empty for a nullification and where the entry
    was rebuilt from the case log.
    """

    version: CaseVersion
    patient: str
    state: IndexState
    digest: bytes = b""

    @classmethod
    def of(cls, case: Case) -> IndexEntry:
        """The entry that the case log alone gives."""
        state = IndexState.NULLIFIED if case.is_nullified else IndexState.LIVE
        if case.is_nullified and case.patient == UNSEEN_PATIENT:
            state = IndexState.UNSEEN
        return cls(case.version, case.patient, state)


class CaseIndex(Protocol):
    """Read access to the index; who writes it (the store's transaction) is no concern of intake."""

    def get(self, key: str, /) -> IndexEntry | None:
        """The entry of a case key, None where no version was ever seen."""
        ...


UNSEEN_PATIENT = "unseen"
"""Stands in a nullification for the patient nobody knows yet; no pseudonym looks like it."""
