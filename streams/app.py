"""The site's stream worker: Faust agents around intake and casebook. Only wiring.

What Faust does here: group membership, fetching, the loop. What it does not: offsets (our stores decide where reading
starts), state (our stores), exactly-once (idempotence). Faust tables and its exactly-once mode are not used (ADR 0002).
No exception may leave an agent's body: Faust would then commit messages that were never applied, or stall. Whatever is
not expected ends the process; the supervisor starts it again, and the stores know where it was.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.types import TP
from yarl import URL

from cases import KelseyError
from streams.casebook_worker import CasebookWorker
from streams.durable_producer import DurableProducer
from streams.in_message import InMessage
from streams.index_rebuild import read_index
from streams.intake import Intake
from streams.intake_worker import IntakeWorker
from streams.kafka_connection import client_options, password, ssl_context
from streams.metrics import SiteMetrics
from streams.online_models import OnlineModels
from streams.quiet_monitor import QuietMonitor
from streams.seeking_transport import SeekingTransport
from streams.settings import SiteSettings
from streams.state_thread import StateThread
from streams.topics import MAXIMUM_MESSAGE_BYTES

__all__ = ["StreamWorker", "Take"]

_log = logging.getLogger("kelsey.worker")
_RAW_MESSAGES, _CASE_MESSAGES = 8, 1000  # at most in one transaction; a raw message holds up to some hundred records
_WITHIN_SECONDS = 0.1
_TICK_SECONDS = 1.0
_SHOW_SECONDS = 5.0
_ALIVE_SECONDS = 120.0
_UNEXPECTED = 70  # exit code: an internal error (EX_SOFTWARE)
Take = Callable[[int, Sequence[InMessage], Callable[[], bool]], Awaitable[None]]


class StreamWorker:
    """One worker process: both agents, its producer and its gauges.

    Parameters
    ----------
    settings
        Of the site; needs ``[kafka]``.
    metrics
        To count in.
    clock
        Now, timezone-aware.
    """

    def __init__(
        self,
        settings: SiteSettings,
        *,
        metrics: SiteMetrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        kafka = settings.require_kafka()
        options = client_options(settings)
        OnlineModels.warm_up()  # before Kafka gives out partitions, not while it waits for this worker
        self._metrics = metrics
        self._beat = time.monotonic()
        self._next_show = 0.0
        self._shown: set[TP] = set()
        self._is_assigned = False
        self._state = StateThread()
        self._producer = DurableProducer(options)
        self._casebook = CasebookWorker(
            settings,
            protocol=settings.protocol(),
            state=self._state,
            producer=self._producer,
            metrics=metrics,
            clock=clock,
        )
        self._intake = IntakeWorker(
            settings,
            intake=Intake(
                vocabulary=settings.vocabulary(),
                pseudonym_key=settings.pseudonym_key(),
                read_narratives=settings.site.read_narratives,
            ),
            state=self._state,
            producer=self._producer,
            metrics=metrics,
            read_index=lambda wanted: read_index(options, self._casebook.topic, wanted, partitions=kafka.partitions),
        )
        self.app = self._build(settings)

    def is_alive(self) -> bool:
        """Whether the loop has turned lately."""
        return time.monotonic() - self._beat < _ALIVE_SECONDS

    def is_ready(self) -> bool:
        """Whether Kafka has given this worker its partitions (which may be none)."""
        return self._is_assigned and self.is_alive()

    def _build(self, settings: SiteSettings) -> faust.App:
        kafka = settings.require_kafka()
        datadir = settings.data_directory / "faust"  # Faust wants one, though nothing of ours is in it
        datadir.mkdir(parents=True, exist_ok=True)
        brokers = [URL(f"kafka://{address}") for address in kafka.bootstrap.split(",")]
        app = faust.App(
            f"{kafka.prefix}worker",
            broker=brokers,
            broker_credentials=_credentials(settings),
            store="memory://",
            datadir=str(datadir),
            web_enabled=False,
            Monitor=QuietMonitor,
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=MAXIMUM_MESSAGE_BYTES // 4,
            broker_max_poll_records=1000,
            broker_session_timeout=kafka.session_timeout_seconds,
            broker_heartbeat_interval=kafka.session_timeout_seconds / 5,
            broker_rebalance_timeout=30.0,
            stream_wait_empty=False,
        )
        app.transport = SeekingTransport(brokers, app, loop=None, stored_offsets=self._assign)
        self._add_agent(app, self._intake.topic, self._intake.take, _RAW_MESSAGES)
        self._add_agent(app, self._casebook.topic, self._casebook.take, _CASE_MESSAGES)
        app.timer(_TICK_SECONDS)(self._tick)
        worker = self

        class Closing(faust.Service):
            async def on_stop(self) -> None:
                await worker.close()

        app.service(Closing)
        return app

    def _add_agent(self, app: faust.App, topic: str, take: Take, most: int) -> None:
        channel = app.topic(
            topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", maxsize=2 * most
        )

        async def read(stream: Any) -> None:
            """Fill the next batch while the last one is applied: one in work at a time, so order is kept."""
            in_work: asyncio.Task[None] | None = None
            with _fatal("agent", topic):
                async for events in stream.noack_take(most, within=_WITHIN_SECONDS):
                    if in_work is not None:
                        await in_work
                    in_work = asyncio.create_task(work(stream, events))

        async def work(stream: Any, events: Sequence[Any]) -> None:
            with _fatal("agent", topic):
                for event in await apply(events):
                    await stream.ack(event)

        async def apply(events: Sequence[Any]) -> list[Any]:
            """Apply what belongs to this generation of the group; gives what may be acknowledged."""
            generation = app.consumer_generation_id
            current = [event for event in events if event.message.generation_id == generation]
            by_partition: dict[int, list[InMessage]] = {}
            for event in current:
                message = event.message
                by_partition.setdefault(message.partition, []).append(InMessage(message.offset, message.value or b""))
            for partition, messages in by_partition.items():
                await take(partition, messages, lambda: bool(app.consumer_generation_id == generation))
            return current if app.consumer_generation_id == generation else []

        app.agent(channel, name=topic)(read)

    async def _assign(self, assigned: Iterable[TP]) -> Mapping[TP, int | None]:
        """Hold the stores of exactly these partitions; gives where to read on in each."""
        tps = list(assigned)

        def hold() -> dict[TP, int | None]:
            offsets: dict[TP, int | None] = {}
            for worker in (self._intake, self._casebook):
                mine = {tp.partition: tp for tp in tps if tp.topic == worker.topic}
                offsets |= {mine[number]: offset for number, offset in worker.held.assign(mine).items()}
            return offsets

        with _fatal("assignment", ""):
            offsets = await self._state.run(hold)
            self._is_assigned = True
            _log.info("assigned: %s", ", ".join(f"{tp.topic}/{tp.partition} from {at}" for tp, at in offsets.items()))
            return offsets

    async def _tick(self) -> None:
        with _fatal("timer", ""):
            self._beat = time.monotonic()
            await self._casebook.send_parts()
            if self._beat >= self._next_show:
                self._next_show = self._beat + _SHOW_SECONDS
                self._show_lag(await self._state.run(self._show))

    def _show(self) -> dict[TP, int]:
        """Bring the gauges of the stores up to date; gives the next offset of every partition held."""
        self._casebook.show()
        return {
            TP(worker.topic, partition): held.next_offset or 0
            for worker in (self._intake, self._casebook)
            for partition, held in worker.held.items()
        }

    def _show_lag(self, offsets: Mapping[TP, int]) -> None:
        for tp in self._shown - offsets.keys():  # another worker shows them now
            self._metrics.consumer_lag.remove(tp.topic, str(tp.partition))
        self._shown &= offsets.keys()
        for tp, offset in offsets.items():
            try:
                end = self.app.consumer.highwater(tp)
            except (AssertionError, KafkaError):  # aiokafka asserts that the partition was not taken away just now
                continue
            if end is not None:
                self._metrics.consumer_lag.labels(tp.topic, str(tp.partition)).set(max(0, end - offset))
                self._shown.add(tp)

    async def close(self) -> None:
        """Close stores and producer, keeping the models."""
        await self._state.run(self._intake.held.drop_all)
        await self._state.run(self._casebook.held.drop_all)
        self._state.close()
        await self._producer.close()


@contextmanager
def _fatal(what: str, where: str) -> Iterator[None]:
    """End the process on anything unexpected; its text is not logged, as it may quote a record."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 -- the process edge
        place = traceback.extract_tb(error.__traceback__)[-1]
        name, line = Path(place.filename).name, place.lineno
        message = str(error) if isinstance(error, KelseyError) else ""
        _log.critical("%s %s failed: %s at %s:%s %s", what, where, type(error).__name__, name, line, message)
        logging.shutdown()
        os._exit(_UNEXPECTED)


def _credentials(settings: SiteSettings) -> faust.auth.Credentials | None:
    kafka = settings.require_kafka()
    context = ssl_context(settings) if kafka.security_protocol.endswith("SSL") else None
    if kafka.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            mechanism=kafka.sasl_mechanism or "SCRAM-SHA-256",
            username=kafka.username,
            password=password(settings),
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context is not None else None
