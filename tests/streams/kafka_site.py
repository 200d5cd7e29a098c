"""A site on a real Kafka, its workers as real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from cases import DeadLetter, RawRecord, decode_dead_letter
from streams.ingest_tally import IngestTally
from streams.kafka_connection import client_options
from streams.pairs import site_table
from streams.raw_writer import RawWriter
from streams.settings import SiteSettings, load_site_settings
from streams.status import site_status
from streams.topics import TopicRole, create_topics, topic_name
from tests.streams.make import KEY, SIGNING_KEY
from tests.streams.play import Tables
from tests.streams.tables import plain

__all__ = ["KafkaSite", "wait_until"]

ROOT = Path(__file__).parents[2]


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Return when `condition` holds; fail with `what` when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)


class KafkaSite:
    """Topics under a prefix of their own, a data directory, and workers."""

    def __init__(
        self, directory: Path, bootstrap: str, *, more_site: str = "", more: str = "", partitions: int = 4
    ) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.config = directory / "site.toml"
        secrets = {
            "pseudonym.key": KEY,
            "signing.pem": SIGNING_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        }
        for name, content in secrets.items():
            (directory / name).write_bytes(content)
            (directory / name).chmod(0o600)
        self.config.write_text(
            f"""[site]
id = "alpha"
data_directory = "data"
pseudonym_key_file = "pseudonym.key"
signing_key_file = "signing.pem"
vocabulary = "open"
read_narratives = false
metrics_listen = "127.0.0.1:0"
{more_site}
[kafka]
bootstrap = "{bootstrap}"
prefix = "t{uuid.uuid4().hex[:10]}."
partitions = {partitions}
{more}
"""
        )
        self.settings: SiteSettings = load_site_settings(self.config)
        states = create_topics(self.settings)
        assert all(state.is_created and not state.faults for state in states), states
        self.workers: list[subprocess.Popen[bytes]] = []
        self._logs = 0

    # -- processes

    def start_worker(self, role: str = "worker", listen: str = "127.0.0.1:0") -> subprocess.Popen[bytes]:
        """Start one more process of a role; its log is a file of its own."""
        self._logs += 1
        with (self.directory / f"{role}-{self._logs}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.role", str(self.config), role, listen],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"},
            )
        self.workers.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill -9."""
        process.kill()
        process.wait()
        self.workers.remove(process)

    def stop(self) -> list[int]:
        """End all processes in order; their exit codes."""
        for process in self.workers:
            process.terminate()
        codes = [process.wait(timeout=30) for process in self.workers]
        self.workers.clear()
        return codes

    def abandon(self) -> None:
        """Kill whatever still runs: the test is over, however it ended."""
        for process in list(self.workers):
            self.kill(process)

    def logs(self) -> str:
        """All that the processes wrote."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("*.log")))

    # -- what the behaviour tests ask of any site

    def take(self, records: Sequence[RawRecord]) -> None:
        """Put `records` into the raw topic and wait until all of it is counted."""
        self.write(records)
        self.settle()

    def write(self, records: Sequence[RawRecord], *, chunk_records: int = 200) -> None:
        """Put `records` into the raw topic."""
        with RawWriter(self.settings, chunk_records=chunk_records) as writer:
            writer.write(records)

    def settle(self, *, seconds: float = 60) -> None:
        """Wait until nothing is left to apply; a worker that died on its own is an error."""

        def is_settled() -> bool:
            for process in self.workers:
                assert process.poll() is None, self.logs()[-3000:]
            lag = site_status(self.settings)["lag"]
            return bool(lag["raw"] == 0 and lag["cases"] == 0)

        wait_until(is_settled, seconds=seconds, what="no lag")

    def tables(self, prefix: str = "") -> Tables:
        """The site's counts."""
        return plain(site_table(self.settings), prefix=prefix)

    def tally(self) -> IngestTally:
        """Where every record went."""
        ingest = site_status(self.settings)["ingest"]
        return IngestTally(**ingest)

    def dead_letters(self) -> list[DeadLetter]:
        """All dead letters, by source and id."""
        found = [decode_dead_letter(value) for value in self.messages(TopicRole.DEAD_LETTERS)]
        return sorted(found, key=lambda letter: (letter.source, letter.record_id))

    def restart(self) -> None:
        """End the workers in order and start one."""
        codes = self.stop()
        assert not any(codes), self.logs()[-3000:]
        self.start_worker()

    def messages(self, role: TopicRole, *, key: bool = False) -> list[bytes]:
        """Values (or keys) of all messages of a topic."""
        kafka = self.settings.require_kafka()
        name = topic_name(kafka, role)
        consumer = KafkaConsumer(**client_options(self.settings), enable_auto_commit=False)
        try:
            places = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            ends = consumer.end_offsets(places)
            found: list[bytes] = []
            while any(consumer.position(place) < ends[place] for place in places):
                for batch in consumer.poll(timeout_ms=500).values():
                    found += [(message.key if key else message.value) or b"" for message in batch]
            return found
        finally:
            consumer.close()
