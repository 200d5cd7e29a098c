"""The casebook on Kafka: case versions in; counts, wallets and models in the partition's store; parts out.

The case log is compacted by case key, so its last message of a key must be the newest version. A late message of a
worker that had lost its partition can break that; the casebook then writes the newest version again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from cases import Case, IntegrityError, decode_case, encode_case
from privacy.protocol import SurveillanceProtocol
from streams.durable_producer import DurableProducer, Outgoing
from streams.fenced import FencedError
from streams.in_message import InMessage
from streams.metrics import SiteMetrics
from streams.model_metrics import ShownModels, show_models
from streams.partition_book import PartitionBook
from streams.partition_set import PartitionSet, store_path
from streams.settings import SiteSettings
from streams.state_thread import StateThread
from streams.store import PartitionStore, Position, StoreChanges
from streams.topics import TopicRole, topic_name

__all__ = ["CasebookPartition", "CasebookWorker"]

_log = logging.getLogger("kelsey.casebook")


class CasebookPartition:
    """Casebook and offset of one partition of the case log."""

    def __init__(self, path: Path, *, partition: int, topic: str, protocol: SurveillanceProtocol | None) -> None:
        self.store = PartitionStore(path, partition=partition)
        self.book = PartitionBook(self.store, protocol)
        self._topic = topic
        self.next_offset = self.stored_offset()
        self.shown = ShownModels(self.book.models)

    def stored_offset(self) -> int | None:
        """Next input as the store has it now."""
        return self.store.next_offset(self._topic)

    def commit(self, changes: StoreChanges, next_offset: int) -> None:
        """Write `changes` with the offset; raises `FencedError`."""
        self.book.commit(changes, Position(self._topic, self.next_offset or 0, next_offset))
        self.next_offset = next_offset

    def close(self) -> None:
        """Keep the models, unless another worker has moved on, and close the store."""
        if self.stored_offset() == self.next_offset:
            self.book.save_models()
        self.store.close()


class CasebookWorker:
    """Runs the casebook over the partitions of the case log this process is given.

    Parameters
    ----------
    settings
        Of the site.
    protocol
        The accepted protocol, None where there is none.
    state
        Thread of the stores.
    producer
        For parts, and for versions that must be the last word.
    metrics
        To count in.
    clock
        Now; decides when an epoch has ended.
    """

    def __init__(
        self,
        settings: SiteSettings,
        *,
        protocol: SurveillanceProtocol | None,
        state: StateThread,
        producer: DurableProducer,
        metrics: SiteMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        kafka = settings.require_kafka()
        self.topic = topic_name(kafka, TopicRole.CASES)
        self._parts_topic = topic_name(kafka, TopicRole.EPOCH_PARTS)
        self._protocol = protocol
        self._state = state
        self._producer = producer
        self._metrics = metrics
        self._clock = clock
        self.held = PartitionSet(
            lambda partition: CasebookPartition(
                store_path(settings.data_directory, "casebook", partition),
                partition=partition,
                topic=self.topic,
                protocol=protocol,
            )
        )

    async def take(self, partition: int, messages: Sequence[InMessage], is_current: Callable[[], bool]) -> None:
        """Apply messages of one partition, in order; what was applied before is passed over.

        Returns without a trace where the partition is not this worker's any more (`is_current` turned false).
        """
        while is_current():
            stale = await self._state.run(lambda: self._apply(partition, messages, is_current, is_repaired=False))
            if not stale:
                return
            again = [Outgoing(self.topic, str(case.key).encode(), encode_case(case), partition) for case in stale]
            if not await self._producer.send(again, is_wanted=is_current):
                return
            await self._state.run(lambda: self._apply(partition, messages, is_current, is_repaired=True))

    def _apply(
        self, partition: int, messages: Sequence[InMessage], is_current: Callable[[], bool], *, is_repaired: bool
    ) -> list[Case]:
        """Fold and commit; gives, instead, the cases whose newest version must be written again first."""
        while (held := self.held.get(partition)) is not None and is_current():
            fresh = [message for message in messages if message.offset >= (held.next_offset or 0)]
            if not fresh:
                return []
            held.book.seal_due(self._clock())
            changes = held.book.prepare([case for message in fresh if (case := self._decode(message, partition))])
            if changes.stale and not is_repaired:
                return changes.stale
            try:
                held.commit(StoreChanges(book=changes), fresh[-1].offset + 1)
            except FencedError as error:
                _log.warning("%s; reading its state again", error)
                self.held.reopen(partition)
                continue
            self._metrics.wallet_blocked.inc(changes.blocked)
            now = self._clock()
            for case in changes.cases.values():
                self._metrics.case_seconds.observe(max(0.0, (now - case.received_at).total_seconds()))
        return []

    async def send_parts(self) -> None:
        """Seal what an ended epoch left pending and send every part the gate's topic has not acknowledged."""
        for partition, sequence, body in await self._state.run(self._unsent_parts):
            if not await self._producer.send([Outgoing(self._parts_topic, str(partition).encode(), body, 0)]):
                return

            def mark(partition: int = partition, sequence: int = sequence) -> None:
                if (held := self.held.get(partition)) is not None:
                    held.store.mark_part_sent(sequence)

            await self._state.run(mark)
            _log.info("part %d of partition %d handed to the gate", sequence, partition)

    def _unsent_parts(self) -> list[tuple[int, int, bytes]]:
        parts = []
        for partition, held in self.held.items():
            held.book.seal_due(self._clock())
            parts += [(partition, sequence, body) for sequence, body in held.store.unsent_parts()]
        return parts

    def show(self) -> None:
        """Bring the gauges up to date."""
        held = [one for _, one in self.held.items()]
        self._metrics.live_cases.set(sum(one.book.live_count for one in held))
        self._metrics.wallet_exhausted.set(sum(one.store.wallet_counts()[1] for one in held))
        show_models(self._metrics, [one.shown for one in held])

    def _decode(self, message: InMessage, partition: int) -> Case | None:
        try:
            return decode_case(message.value)
        except (IntegrityError, ValueError):
            _log.error("message %d of %s/%d is no case; passed over", message.offset, self.topic, partition)
            self._metrics.dead_letters.labels("invalid-structure").inc()
            return None
