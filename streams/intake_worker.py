"""Intake on Kafka: chunks of raw records in; cases and dead letters out; index and offset in one transaction.

Out first, then the transaction: a crash in between sends the same messages again, and the casebook drops versions it
has. After the transaction nothing is left to send.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cases import (
    Case,
    DeadLetter,
    DeadLetterReason,
    IntegrityError,
    RawRecord,
    decode_raw_chunk,
    encode_case,
    encode_dead_letter,
)
from streams.case_index import IndexEntry
from streams.durable_producer import DurableProducer, Outgoing
from streams.fenced import FencedError
from streams.in_message import InMessage
from streams.intake import Intake
from streams.metrics import SiteMetrics
from streams.partition_set import PartitionSet, store_path
from streams.record_batch import RecordBatch
from streams.settings import SiteSettings
from streams.state_thread import StateThread
from streams.store import PartitionStore, Position, StoreChanges
from streams.topics import MAXIMUM_MESSAGE_BYTES, TopicRole, case_partition, record_partition, topic_name

__all__ = ["IntakePartition", "IntakeWorker", "ReadIndex"]

_log = logging.getLogger("kelsey.intake")
_LETTER_BYTES = MAXIMUM_MESSAGE_BYTES - 64 * 1024
ReadIndex = Callable[[Iterable[int]], Awaitable[Mapping[int, Mapping[str, IndexEntry]]]]


class IntakePartition:
    """Index and offset of one raw partition."""

    def __init__(self, path: Path, *, partition: int, topic: str) -> None:
        self.store = PartitionStore(path, partition=partition)
        self._topic = topic
        self.next_offset = self.stored_offset()

    def stored_offset(self) -> int | None:
        """Next input as the store has it now."""
        return self.store.next_offset(self._topic)

    def commit(self, changes: StoreChanges, next_offset: int) -> None:
        """Write `changes` with the offset; raises `FencedError`."""
        self.store.commit(changes, Position(self._topic, self.next_offset or 0, next_offset))
        self.next_offset = next_offset

    def close(self) -> None:
        """Close the store."""
        self.store.close()


class IntakeWorker:
    """Runs intake over the raw partitions this process is given.

    Parameters
    ----------
    settings
        Of the site.
    intake
        The pure step.
    state
        Thread of the stores.
    producer
        For cases and dead letters.
    metrics
        To count in.
    read_index
        Reads the index of partitions that have no local state from the case log.
    """

    def __init__(
        self,
        settings: SiteSettings,
        *,
        intake: Intake,
        state: StateThread,
        producer: DurableProducer,
        metrics: SiteMetrics,
        read_index: ReadIndex,
    ) -> None:
        kafka = settings.require_kafka()
        self.topic = topic_name(kafka, TopicRole.RAW)
        self._cases_topic = topic_name(kafka, TopicRole.CASES)
        self._letters_topic = topic_name(kafka, TopicRole.DEAD_LETTERS)
        self._partitions = kafka.partitions
        self._intake = intake
        self._state = state
        self._producer = producer
        self._metrics = metrics
        self._read_index = read_index
        self.held = PartitionSet(
            lambda partition: IntakePartition(
                store_path(settings.data_directory, "intake", partition), partition=partition, topic=self.topic
            )
        )

    async def take(self, partition: int, messages: Sequence[InMessage], is_current: Callable[[], bool]) -> None:
        """Apply messages of one partition, in order; what was applied before is passed over.

        Returns without a trace where the partition is not this worker's any more (`is_current` turned false).
        """
        while is_current():
            if await self._state.run(lambda: self._new_partitions(partition)):
                await self._fill_index()
                continue
            work = await self._state.run(lambda: self._prepare(partition, messages))
            if work is None or not await self._producer.send(work.outgoing, is_wanted=is_current):
                return
            if await self._state.run(
                lambda work=work: not is_current() or self._commit(partition, work)  # type: ignore[misc]  # work: bound
            ):
                return

    def _prepare(self, partition: int, messages: Sequence[InMessage]) -> _Work | None:
        held = self.held.get(partition)
        if held is None:
            return None
        fresh = [message for message in messages if message.offset >= (held.next_offset or 0)]
        if not fresh:
            return None
        records, letters = _decode(fresh, self.topic, partition)
        batch = RecordBatch.of(records, self._intake, held.store)
        if letters:
            damaged = f"dead.{DeadLetterReason.INVALID_STRUCTURE}"
            batch.counters.update({damaged: len(letters), "read": len(letters)})
        outgoing = [self._case_message(case) for case in batch.cases]
        outgoing += [self._letter_message(letter) for letter in [*letters, *batch.letters]]
        return _Work(held, batch, outgoing, fresh[-1].offset + 1)

    def _commit(self, partition: int, work: _Work) -> bool:
        """Write what was prepared; false where it has to be prepared again."""
        if self.held.get(partition) is not work.held:
            return True
        batch = work.batch
        try:
            work.held.commit(StoreChanges(index=batch.index, counters=batch.counters), work.next_offset)
        except FencedError as error:
            _log.warning("%s; reading its state again", error)
            self.held.reopen(partition)
            return False
        self._metrics.count_tally(batch.counters)
        for case in batch.accepted:
            self._metrics.count_case(case)
        return True

    def _new_partitions(self, partition: int) -> list[int]:
        """All partitions without a state, if `partition` is one of them."""
        new = [number for number, held in self.held.items() if held.next_offset is None]
        return new if partition in new else []

    async def _fill_index(self) -> None:
        """Give every new store the index that the case log holds, and its start at the beginning of raw."""
        new = await self._state.run(lambda: [number for number, held in self.held.items() if held.next_offset is None])
        entries = await self._read_index(new)

        def fill() -> None:
            for number, held in self.held.items():
                if number in entries and held.next_offset is None:
                    try:
                        held.commit(StoreChanges(index=entries[number]), 0)
                    except FencedError:
                        self.held.reopen(number)

        await self._state.run(fill)

    def _case_message(self, case: Case) -> Outgoing:
        partition = case_partition(case, partitions=self._partitions)
        return Outgoing(self._cases_topic, str(case.key).encode(), encode_case(case), partition)

    def _letter_message(self, letter: DeadLetter) -> Outgoing:
        partition = record_partition(letter.source, letter.record_id, partitions=self._partitions)
        return Outgoing(
            self._letters_topic, f"{letter.source}/{letter.record_id}".encode(), _fitting(letter), partition
        )


@dataclass(frozen=True, slots=True)
class _Work:
    held: IntakePartition
    batch: RecordBatch
    outgoing: list[Outgoing]
    next_offset: int


def _decode(messages: Sequence[InMessage], topic: str, partition: int) -> tuple[list[RawRecord], list[DeadLetter]]:
    """Records of the chunks, in order, and a dead letter for each message that is no chunk."""
    records: list[RawRecord] = []
    letters: list[DeadLetter] = []
    for message in messages:
        try:
            records += decode_raw_chunk(message.value)
        except (IntegrityError, ValueError):
            damaged = RawRecord(
                source=topic,
                record_id=f"{partition}/{message.offset}",
                format="raw-chunk",
                payload=message.value,
                received_at=datetime.now(UTC),
            )
            letters.append(
                DeadLetter.of(damaged, reason=DeadLetterReason.INVALID_STRUCTURE, detail="not a chunk of raw records")
            )
    return records, letters


def _fitting(letter: DeadLetter) -> bytes:
    """The letter's bytes; of a record too long for a message, as much of its beginning as fits."""
    body = encode_dead_letter(letter)
    keep = len(letter.payload)
    while len(body) > _LETTER_BYTES:
        keep //= 2
        cut = msgspec.structs.replace(
            letter, payload=letter.payload[:keep], detail=f"{letter.detail} (payload cut)".strip()
        )
        body = encode_dead_letter(cut)
    return body
