"""Messages that are on Kafka when the call returns: all replicas, idempotent, tried until it works."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from streams.topics import MAXIMUM_MESSAGE_BYTES

__all__ = ["DurableProducer", "Outgoing"]

_log = logging.getLogger("kelsey.producer")
_FIRST_WAIT_SECONDS, _LAST_WAIT_SECONDS = 0.2, 10.0


class Outgoing(NamedTuple):
    """A message to send."""

    topic: str
    key: bytes
    value: bytes
    partition: int


class DurableProducer:
    """Sends batches; a batch that fails is sent again as a whole by a fresh client, for as long as it takes.

    Receivers of these topics drop what they know already, so a message that arrives twice does no harm.

    Parameters
    ----------
    options
        Connection options (`streams.kafka_connection.client_options`).
    is_wanted
        Asked before every new attempt; false gives up (the partition was taken away, the process ends).
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = dict(options)
        self._client: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def send(self, messages: Sequence[Outgoing], *, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        """Send all of `messages`; true when every one is acknowledged by all replicas, false if given up.

        The order within a partition is kept.
        """
        if not messages:
            return True
        wait = _FIRST_WAIT_SECONDS
        while is_wanted():
            try:
                async with self._lock:
                    client = await self._started()
                    await self._send_all(client, messages)
            except MessageSizeTooLargeError:
                raise
            except (KafkaError, OSError) as error:
                _log.warning("Kafka did not take %d messages (%s), trying again", len(messages), type(error).__name__)
                await self.close()
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LAST_WAIT_SECONDS)
            else:
                return True
        return False

    async def close(self) -> None:
        """Let the client go; the next `send` makes another one."""
        client, self._client = self._client, None
        if client is not None:
            try:
                await asyncio.wait_for(client.stop(), timeout=5.0)
            except (KafkaError, OSError, TimeoutError) as error:
                _log.warning("the producer did not stop in order (%s)", type(error).__name__)

    async def _started(self) -> AIOKafkaProducer:
        if self._client is None:
            client = AIOKafkaProducer(
                **self._options,
                client_id="kelsey-producer",
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                max_batch_size=1024 * 1024,
                max_request_size=MAXIMUM_MESSAGE_BYTES,
                compression_type=None,
            )
            try:
                await client.start()
            except BaseException:
                await client.stop()
                raise
            self._client = client
        return self._client

    @staticmethod
    async def _send_all(client: AIOKafkaProducer, messages: Sequence[Outgoing]) -> None:
        futures = [
            await client.send(message.topic, value=message.value, key=message.key, partition=message.partition)
            for message in messages
        ]
        results = await asyncio.gather(*futures, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
