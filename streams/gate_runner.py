"""The gate as a process: reads parts, closes epochs when their time has come, delivers what is sealed.

Only this role has the signing key and the hub's key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from cases import IntegrityError, ServiceError
from streams.epoch import decode_part
from streams.gate import Gate
from streams.gate_store import PartVerdict
from streams.in_message import InMessage
from streams.metrics import SiteMetrics
from streams.release_sink import AcceptanceSource, PublishedSource, ReleaseRejected, ReleaseSink

__all__ = ["GateRunner", "PartReader"]

_log = logging.getLogger("kelsey.gate")
_FIRST_WAIT, _LAST_WAIT, _REJECTED_WAIT = timedelta(seconds=1), timedelta(minutes=5), timedelta(minutes=15)
_SETTLE_EVERY, _SEND_AGAIN_EVERY = timedelta(seconds=30), timedelta(hours=6)


class PartReader(Protocol):
    """Where parts come from. `poll` raises `ServiceError` where Kafka does not answer."""

    def poll(self) -> tuple[Sequence[InMessage], bool]:
        """Messages that follow the last poll, and whether these were all there are; waits a little for news."""
        ...


class GateRunner:
    """One turn after the other: take parts, release what is due, deliver.

    Parameters
    ----------
    gate, reader, sink
        The parts it joins.
    clock
        Now, timezone-aware.
    grace
        How long after its end an epoch is kept open for parts.
    metrics
        To count in.
    published
        Under trust mode ``per-site``: who knows which releases the hub has.
    counted
        Under trust mode ``secure-sum``: who knows which sites were counted.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        reader: PartReader,
        sink: ReleaseSink,
        clock: Callable[[], datetime],
        grace: timedelta,
        metrics: SiteMetrics,
        published: PublishedSource | None = None,
        counted: AcceptanceSource | None = None,
    ) -> None:
        self._gate = gate
        self._reader = reader
        self._sink = sink
        self._clock = clock
        self._grace = grace
        self._metrics = metrics
        self._wait = _FIRST_WAIT
        self._not_before: datetime | None = None
        self._published, self._counted = published, counted
        self._settle_at = self._send_again_at = clock()
        self._shown = dict.fromkeys(("reserved", "sealed", "sent"), 0)
        if (epoch := gate.last_sent_epoch()) is not None:  # a restart must not look like a site that never released
            metrics.release_last_sent.set(gate.protocol.calendar.closes_at(epoch).timestamp())

    def turn(self) -> None:
        """Do once whatever can be done now. Raises `ServiceError` where the parts cannot be read."""
        messages, is_all = self._reader.poll()
        if messages:
            self._take(messages)
        self._settle()
        if is_all:
            self._release_due()
        self._deliver()
        self._show()

    def _take(self, messages: Sequence[InMessage]) -> None:
        parts = []
        for message in messages:
            try:
                parts.append(decode_part(message.value))
            except (IntegrityError, ValueError):
                _log.error("message %d of the parts topic is no part; passed over", message.offset)
        verdicts = self._gate.take(parts, offset=(0, messages[-1].offset + 1))
        _log.info("%d parts, %d of them new", len(parts), verdicts.count(PartVerdict.MERGED))

    def _release_due(self) -> None:
        calendar = self._gate.protocol.calendar
        while (epoch := self._gate.next_epoch) is not None and not self._gate.is_exhausted:
            if self._clock() < calendar.closes_at(epoch) + self._grace:
                return
            line = self._gate.release(epoch)
            if line is not None:
                _log.info("epoch %d sealed, %d bytes", epoch, len(line))

    def _deliver(self) -> None:
        now = self._clock()
        if self._not_before is not None and now < self._not_before:
            return
        try:
            self._give_back()
            if delivered := self._gate.deliver(self._sink):
                self._metrics.release_last_sent.set(now.timestamp())
                _log.info("%d releases delivered", delivered)
        except ReleaseRejected as error:
            _log.error("%s; again in %.0f s", error, _REJECTED_WAIT.total_seconds())
            self._not_before = now + _REJECTED_WAIT
        except ServiceError as error:
            _log.warning("%s; again in %.0f s", error, self._wait.total_seconds())
            self._not_before = now + self._wait
            self._wait = min(2 * self._wait, _LAST_WAIT)
        else:
            self._not_before, self._wait = None, _FIRST_WAIT

    def _give_back(self) -> None:
        """Ask what the hub has, before any line and now and then: one put back from a backup lacks some."""
        now = self._clock()
        if self._published is None or not (now >= self._send_again_at or self._gate.is_waiting()):
            return
        if again := self._gate.give_back(self._sink, self._published):
            _log.warning("%d releases sent again, the hub had lost them", again)
        self._send_again_at = now + _SEND_AGAIN_EVERY

    def _settle(self) -> None:
        """Ask which epochs were counted; now and then show the aggregators what they may have lost."""
        now = self._clock()
        if self._counted is None or now < self._settle_at:
            return
        self._settle_at = now + _SETTLE_EVERY
        try:
            self._gate.settle(self._counted)
            if now >= self._send_again_at:
                self._gate.send_again(self._sink, self._counted)
                self._send_again_at = now + _SEND_AGAIN_EVERY
        except (ServiceError, ReleaseRejected) as error:
            _log.warning("%s; again in %.0f s", error, _SETTLE_EVERY.total_seconds())

    def _show(self) -> None:
        self._metrics.show_budget(self._gate.budget())
        self._metrics.wallet_lost.set(len(self._gate.lost_partitions()))
        reached = self._gate.releases()
        counts = {  # a sent release was sealed, and a sealed one reserved
            "reserved": sum(reached.values()),
            "sealed": reached["sealed"] + reached["sent"],
            "sent": reached["sent"],
        }
        for state, count in counts.items():
            self._metrics.releases.labels(state).inc(count - self._shown[state])
        self._shown = counts
