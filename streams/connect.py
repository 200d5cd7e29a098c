"""The connector process: every source of the site, each on a thread of its own, into the raw topic."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cases import KelseyError, RawRecord
from connectors.source import Source
from streams.cursor_store import CursorStore
from streams.feed import RecordWriter, feed
from streams.metrics import SiteMetrics

__all__ = ["Connector"]

_log = logging.getLogger("kelsey.connector")
_FIRST_WAIT_SECONDS, _LAST_WAIT_SECONDS = 1.0, 300.0


class Connector:
    """Reads sources again and again until it is stopped.

    A failure that a retry can mend waits longer each time, up to five minutes; one that it cannot is logged, counted
    and tried again all the same, as somebody may mend it outside, but never stops the other sources.

    Parameters
    ----------
    writer
        Where records go; used by all threads.
    cursor_path
        File of the cursors.
    metrics
        To count in.
    """

    def __init__(self, writer: RecordWriter, *, cursor_path: Path, metrics: SiteMetrics) -> None:
        self._writer = writer
        self._cursor_path = cursor_path
        self._metrics = metrics
        self._stopping = threading.Event()
        self._beats: dict[str, float] = {}
        self._threads: list[threading.Thread] = []

    def start(self, sources: Sequence[tuple[Callable[[], Source], str, float]]) -> None:
        """Start a thread for each of ``(build, name, poll_seconds)``."""
        for build, name, poll_seconds in sources:
            self._beats[name] = time.monotonic()
            thread = threading.Thread(
                target=self._run, args=(build, name, poll_seconds), name=f"source-{name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def is_alive(self) -> bool:
        """Whether every source's thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Stop after the batch each source is at."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _run(self, build: Callable[[], Source], name: str, poll_seconds: float) -> None:
        cursors = CursorStore(self._cursor_path)
        wait = _FIRST_WAIT_SECONDS
        counted = _Counted(self._writer, self._metrics, name)
        source: Source | None = None
        while not self._stopping.is_set():
            try:
                source = source or build()
                written = feed(source, counted, cursors, is_wanted=lambda: not self._stopping.is_set())
            except KelseyError as error:
                self._metrics.source_errors.labels(name).inc()
                _log.warning("source %s: %s; again in %.0f s", name, error, wait)
                self._stopping.wait(wait)
                wait = min(2 * wait, _LAST_WAIT_SECONDS)
            except Exception as error:  # noqa: BLE001 -- the process edge: one source must not stop the others
                self._metrics.source_errors.labels(name).inc()
                _log.error("source %s failed with %s; again in %.0f s", name, type(error).__name__, wait)
                self._stopping.wait(wait)
                wait = min(2 * wait, _LAST_WAIT_SECONDS)
            else:
                wait = _FIRST_WAIT_SECONDS
                self._metrics.source_last_success.labels(name).set_to_current_time()
                if written:
                    _log.info("source %s: %d records", name, written)
                self._stopping.wait(poll_seconds)
        cursors.close()


class _Counted:
    """A writer that counts what it wrote."""

    def __init__(self, writer: RecordWriter, metrics: SiteMetrics, source: str) -> None:
        self._writer = writer
        self._read = metrics.records_read.labels(source)

    def write(self, records: Sequence[RawRecord], /) -> None:
        self._writer.write(records)
        self._read.inc(len(records))
