"""Parts from the epoch-parts topic, from where the gate's own store says."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from cases import ServiceError
from streams.in_message import InMessage
from streams.kafka_connection import client_options
from streams.settings import SiteSettings
from streams.topics import MAXIMUM_MESSAGE_BYTES, TopicRole, topic_name

__all__ = ["KafkaPartReader"]

_POLL_MS = 1000


class KafkaPartReader:
    """Reads the one partition of the topic without a consumer group; connects when it is first polled.

    Parameters
    ----------
    settings
        Of the site.
    start
        Offset to begin at; None is the beginning.
    """

    def __init__(self, settings: SiteSettings, *, start: int | None) -> None:
        self._settings = settings
        self._place = TopicPartition(topic_name(settings.require_kafka(), TopicRole.EPOCH_PARTS), 0)
        self._next = start or 0
        self._consumer: KafkaConsumer | None = None

    def poll(self) -> tuple[Sequence[InMessage], bool]:
        """Messages that follow the last poll, and whether these were all; waits up to a second for one."""
        try:
            consumer = self._connected()
            batch = consumer.poll(timeout_ms=_POLL_MS, max_records=200).get(self._place, [])
            messages = [InMessage(message.offset, message.value or b"") for message in batch]
            if messages:
                self._next = messages[-1].offset + 1
            return messages, self._next >= consumer.end_offsets([self._place])[self._place]
        except KafkaError as error:
            self.close()
            raise ServiceError(f"the parts topic cannot be read: {type(error).__name__}") from error

    def close(self) -> None:
        """Close the connection; the next poll makes another one and goes on where this one was."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _connected(self) -> KafkaConsumer:
        if self._consumer is None:
            consumer = KafkaConsumer(
                **client_options(self._settings),
                client_id="kelsey-gate",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=MAXIMUM_MESSAGE_BYTES,
            )
            consumer.assign([self._place])
            consumer.seek(self._place, self._next)
            self._consumer = consumer
        return self._consumer
