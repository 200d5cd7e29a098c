"""Source, sink and clock for tests, in memory: real implementations of the roles, small enough to see through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from cases import ParameterError, RawRecord
from connectors.source import SourceBatch

__all__ = ["InMemorySink", "InMemorySource", "ManualClock"]


class ManualClock:
    """A clock that stands still until it is moved.

    Examples
    --------
    >>> clock = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))
    >>> clock.advance(timedelta(hours=2))
    >>> clock().hour
    2
    """

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ParameterError("at must carry a time zone")
        self._at = at.astimezone(UTC)

    def __call__(self) -> datetime:
        """The time it shows."""
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move on; never back."""
        if not by >= timedelta(0):
            raise ParameterError(f"a clock does not run back: {by}")
        self._at += by

    def set(self, at: datetime) -> None:
        """Move on to an instant."""
        self.advance(at - self._at)


class InMemorySource:
    """A `connectors.Source` over records in memory, resumable by position; `extend` adds more later."""

    def __init__(
        self,
        name: str,
        records: Sequence[RawRecord] = (),
        *,
        batch_size: int = 100,
        skipped: Mapping[str, int] | None = None,
    ) -> None:
        self._name = name
        self._records = list(records)
        self._batch_size = batch_size
        self._skipped = dict(skipped or {})

    @property
    def name(self) -> str:
        """Name of the source."""
        return self._name

    def extend(self, records: Sequence[RawRecord]) -> None:
        """Add records behind those there are."""
        self._records += records

    def batches(self, after: str | None) -> Iterator[SourceBatch]:
        """Batches from the position `after`; what was skipped is told with the very first."""
        start = int(after or 0)
        while start < len(self._records):
            records = tuple(self._records[start : start + self._batch_size])
            skipped = self._skipped if start == 0 else {}
            start += len(records)
            yield SourceBatch(records=records, skipped=skipped, cursor=str(start))


class InMemorySink:
    """A release sink that keeps what it is sent; `failures` are raised first, one a call."""

    def __init__(self, failures: Sequence[Exception] = ()) -> None:
        self.lines: list[bytes] = []
        self.attempts = 0
        self._failures = list(failures)

    def send(self, line: bytes, /) -> None:
        """Keep the line, unless it is there already."""
        self.attempts += 1
        if self._failures:
            raise self._failures.pop(0)
        if line not in self.lines:
            self.lines.append(line)
