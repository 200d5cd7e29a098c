"""Faust's Kafka transport, but reading where the site's own stores say, not where the consumer group says.

State and offset are one transaction in the store; the group's committed offset is only a report to operators. Faust
seeks to the group's offsets after it has told everybody of an assignment, so the one place where a seek stays is
`perform_seek` itself. That needs two private dictionaries of Faust's consumer; the version is pinned and a test guards
them (ADR 0002).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

__all__ = ["Offsets", "SeekingTransport"]

Offsets = Callable[[Iterable[TP]], Awaitable[Mapping[TP, int | None]]]


class _SeekingConsumer(driver.Consumer):
    """Seeks to stored offsets at every assignment."""

    async def perform_seek(self) -> None:
        """Seek as Faust does, then to the stored offset of each assigned partition, or its beginning."""
        await super().perform_seek()
        assigned = self.assignment()
        if not assigned:
            return
        stored = await cast(SeekingTransport, self.transport).stored_offsets(assigned)
        await self.seek_wait({tp: offset or 0 for tp, offset in stored.items()})
        for tp, offset in stored.items():
            self._committed_offset[tp] = offset
            self._read_offset[tp] = offset or None


class SeekingTransport(driver.Transport):
    """Transport for ``app.transport``.

    Parameters
    ----------
    stored_offsets
        Asked at every assignment, with all partitions assigned: the next offset of each, None where the store is new.
    """

    Consumer = _SeekingConsumer

    def __init__(self, *args: Any, stored_offsets: Offsets, **options: Any) -> None:
        super().__init__(*args, **options)
        self.stored_offsets = stored_offsets
