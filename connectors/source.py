"""The one role a connector plays: hand on raw records in batches, each with the cursor that makes it resumable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

import msgspec

from cases import RawRecord

__all__ = ["Source", "SourceBatch"]


class SourceBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of a source gives.

    Parameters
    ----------
    records
        Records to keep, in the source's order; damaged ones carry a `fault`. May be empty.
    skipped
        How many other things the step passed over, by `cases.IgnoreReason` (a Patient that only serves an
        AdverseEvent is ``context``). Every thing the source reads is either a record or counted here.
    cursor
        Where to go on once `records` are durable; opaque text, at most a few kilobytes unless a source says
        otherwise.
    """

    records: tuple[RawRecord, ...]
    skipped: Mapping[str, int]
    cursor: str


@runtime_checkable
class Source(Protocol):
    """Something records come from.

    `batches` is called once at start with the cursor that was stored last (None at the very first start) and
    iterated. For each batch the caller first makes the records durable, then stores `cursor`; only then does it ask
    for the next batch. A crash in between gives the batch again: a source may repeat records, never lose one (the
    casebook drops repeated versions). The iterator ends when the source has nothing more for now; a polling source
    is simply called again with the last cursor.

    `batches` raises `cases.ServiceError` (retryable) where the other side does not answer as it should, and
    `cases.ConfigurationError` where it never will as configured. Damaged input is no error: it is a record with a
    `fault`.
    """

    @property
    def name(self) -> str:
        """Name of the source as the site configured it: part of every case key, so it never changes."""
        ...

    def batches(self, after: str | None) -> Iterator[SourceBatch]:
        """Batches that follow the cursor `after`; None starts at the beginning."""
        ...
