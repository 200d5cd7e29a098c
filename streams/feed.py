"""From a source to the raw topic: durable first, then the cursor. A crash in between repeats records, loses none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from cases import RawRecord
from connectors.source import Source
from streams.cursor_store import CursorStore
from streams.ingest_tally import skipped_changes

__all__ = ["RecordWriter", "feed"]


class RecordWriter(Protocol):
    """Where records go; they are durable when `write` returns. Raises `cases.ServiceError` where a retry can help."""

    def write(self, records: Sequence[RawRecord], /) -> None:
        """Write all of `records`."""
        ...


def feed(
    source: Source,
    writer: RecordWriter,
    cursors: CursorStore,
    *,
    on_batch: Callable[[int], None] = lambda _: None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> int:
    """Read `source` from its cursor to its end for now; returns the number of records written.

    `on_batch` is told the size of every batch after its cursor is kept. Raises what source and writer raise; the
    cursor then stands before the batch that failed.
    """
    written = 0
    for batch in source.batches(cursors.get(source.name)):
        if batch.records:
            writer.write(batch.records)
        cursors.advance(source.name, batch.cursor, Counter(skipped_changes(batch.skipped)))
        written += len(batch.records)
        on_batch(len(batch.records))
        if not is_wanted():
            break
    return written
