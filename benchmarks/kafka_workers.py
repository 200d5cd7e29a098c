"""The workers that `bench_kafka` compares, each a process: ``python -m benchmarks.kafka_workers KIND CONFIG COUNT``.

`ours` is the product's worker as it is; `table` counts the same messages into a Faust Table, one key a message (the
least a count can be); `bare` only decodes them. All read the same topic from its beginning with uvloop, and print the
seconds from the first message to the last.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import faust
import mode.loop

from cases import decode_case
from streams.app import StreamWorker
from streams.metrics import SiteMetrics
from streams.settings import SiteSettings, load_site_settings
from streams.topics import TopicRole, topic_name

__all__ = ["main"]


class _Watch:
    """Prints the time and ends the process when `count` messages are done."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._started = self._cpu_started = 0.0

    def start(self) -> None:
        if not self._started:
            self._started, self._cpu_started = time.perf_counter(), time.process_time()

    def done(self, number: int) -> None:
        self._left -= number
        if self._left <= 0:
            seconds, cpu = time.perf_counter() - self._started, time.process_time() - self._cpu_started
            sys.stdout.write(json.dumps({"seconds": seconds, "cpu_seconds": cpu}) + "\n")
            sys.stdout.flush()
            os._exit(0)


def _ours(settings: SiteSettings, watch: _Watch) -> faust.App:
    worker = StreamWorker(settings, metrics=SiteMetrics())
    take = worker._casebook.take

    async def timed(partition: int, messages: Sequence[Any], is_current: Callable[[], bool]) -> None:
        watch.start()
        await take(partition, messages, is_current)
        watch.done(len(messages))

    worker._casebook.take = timed  # type: ignore[method-assign]  # the watch stands beside it, not in it
    worker.app = worker._build(settings)
    return worker.app


def _peer(settings: SiteSettings, kind: str, watch: _Watch) -> faust.App:
    kafka = settings.require_kafka()
    datadir = settings.data_directory / kind
    datadir.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        f"{kafka.prefix}{kind}",
        broker=f"kafka://{kafka.bootstrap}",
        store="memory://",
        datadir=str(datadir),
        web_enabled=False,
        topic_disable_leader=True,
        topic_partitions=kafka.partitions,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
    )
    topic = app.topic(
        topic_name(kafka, TopicRole.CASES),
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        internal=False,
    )
    counts = app.Table("counts", default=int, partitions=kafka.partitions) if kind == "table" else None

    async def read(stream: Any) -> None:
        async for value in stream:
            watch.start()
            case = decode_case(value)
            if counts is not None:
                counts[case.drugs[0].drug.name] += 1
            watch.done(1)

    app.agent(topic, name=kind)(read)
    return app


def main(kind: str, config: str, count: str) -> None:
    """Run one worker over `count` messages."""
    logging.basicConfig(level=logging.WARNING)
    mode.loop.use("uvloop")
    settings, watch = load_site_settings(config), _Watch(int(count))
    app = _ours(settings, watch) if kind == "ours" else _peer(settings, kind, watch)
    faust.Worker(app, override_logging=False, redirect_stdouts=False, quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
