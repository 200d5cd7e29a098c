"""Which of two reports of one case is the newer: the order every no-op and every retraction hangs on."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from cases.errors import ParameterError

__all__ = ["CaseVersion"]


class CaseVersion(msgspec.Struct, frozen=True, order=True):
    """Position of one report in the history of its case; compares by time, then by sequence.

    Parameters
    ----------
    updated_at
        When the source last changed the record (FHIR ``meta.lastUpdated``), else when it was received;
        timezone-aware.
    sequence
        The source's own counter where it has one (FHIR ``meta.versionId``), else 0; at least 0.

    Examples
    --------
    >>> first = CaseVersion(datetime(2026, 1, 5, tzinfo=UTC), 1)
    >>> CaseVersion(datetime(2026, 1, 5, tzinfo=UTC), 2) > first
    True
    """

    updated_at: datetime
    sequence: int = 0

    def __post_init__(self) -> None:
        if self.updated_at.tzinfo is None:
            raise ParameterError("updated_at must carry a time zone")
        if not self.sequence >= 0:
            raise ParameterError(f"sequence must be at least 0, not {self.sequence!r}")
        if self.updated_at.tzinfo is not UTC:
            msgspec.structs.force_setattr(self, "updated_at", self.updated_at.astimezone(UTC))
