"""Puts raw records into the raw topic, in chunks, durably: on all replicas when the call returns.

A message carries records of one partition in their order, as Faust's cost is by message. What is bigger than a message
may be is cut and marked, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from cases import CaseKey, DeadLetterReason, RawRecord, ServiceError, encode_raw_chunk
from streams.kafka_connection import client_options
from streams.settings import SiteSettings
from streams.topics import MAXIMUM_MESSAGE_BYTES, TopicRole, record_partition, topic_name

__all__ = ["CHUNK_BYTES", "CHUNK_RECORDS", "RawWriter", "chunks"]

CHUNK_BYTES = 256 * 1024
CHUNK_RECORDS = 200
_RECORD_BYTES = MAXIMUM_MESSAGE_BYTES - 64 * 1024
_TIMEOUT_SECONDS = 60.0


class RawWriter:
    """Writes to the raw topic of a site.

    Parameters
    ----------
    settings
        Of the site; needs ``[kafka]``.
    chunk_records
        Most records in a message.
    """

    def __init__(self, settings: SiteSettings, *, chunk_records: int = CHUNK_RECORDS) -> None:
        kafka = settings.require_kafka()
        self._topic = topic_name(kafka, TopicRole.RAW)
        self._partitions = kafka.partitions
        self._chunk_records = chunk_records
        try:
            self._producer = KafkaProducer(
                **client_options(settings),
                client_id="kelsey-raw",
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                max_request_size=MAXIMUM_MESSAGE_BYTES,
                request_timeout_ms=30_000,
                delivery_timeout_ms=int(_TIMEOUT_SECONDS * 1000),
            )
        except KafkaError as error:
            raise ServiceError(
                f"Kafka at {kafka.bootstrap} did not answer: {type(error).__name__}",
                hint="check bootstrap, that the broker runs, and the user's permissions",
            ) from error

    def write(self, records: Sequence[RawRecord]) -> None:
        """Write `records`; records of one key keep their order. Durable when it returns.

        Raises `ServiceError` where not all of them could be written; writing them again does no harm.
        """
        try:
            futures = [
                self._producer.send(
                    self._topic,
                    value=encode_raw_chunk(chunk),
                    key=str(CaseKey(chunk[0].source, chunk[0].record_id)).encode(),
                    partition=partition,
                )
                for partition, chunk in chunks(records, partitions=self._partitions, chunk_records=self._chunk_records)
            ]
            self._producer.flush(timeout=_TIMEOUT_SECONDS)
            for future in futures:
                future.get(timeout=_TIMEOUT_SECONDS)
        except KafkaError as error:
            raise ServiceError(f"Kafka did not take the records: {type(error).__name__}") from error

    def close(self) -> None:
        """Close the connection."""
        self._producer.close(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def chunks(
    records: Sequence[RawRecord], *, partitions: int, chunk_records: int = CHUNK_RECORDS
) -> Iterator[tuple[int, list[RawRecord]]]:
    """Partition and records of every message, in an order that keeps that of each partition."""
    open_chunks: dict[int, list[RawRecord]] = {}
    sizes: dict[int, int] = {}
    for record in map(_fitting, records):
        number = record_partition(record.source, record.record_id, partitions=partitions)
        size = len(record.payload)
        chunk = open_chunks.setdefault(number, [])
        if chunk and (len(chunk) >= chunk_records or sizes[number] + size > CHUNK_BYTES):
            yield number, chunk
            chunk = open_chunks[number] = []
            sizes[number] = 0
        chunk.append(record)
        sizes[number] = sizes.get(number, 0) + size
    yield from ((number, chunk) for number, chunk in open_chunks.items() if chunk)


def _fitting(record: RawRecord) -> RawRecord:
    if len(record.payload) <= _RECORD_BYTES:
        return record
    fault = record.fault or DeadLetterReason.OVERSIZED
    return msgspec.structs.replace(record, payload=record.payload[:_RECORD_BYTES], fault=fault)
