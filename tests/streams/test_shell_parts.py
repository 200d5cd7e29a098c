"""The small parts around the steps: stores, cursors, chunks, connector, supervisor, health, logs, settings, topics."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from cases import ConfigurationError, IntegrityError, RawRecord, ServiceError
from connectors.source import Source, SourceBatch
from streams.connect import Connector
from streams.cursor_store import CursorStore
from streams.embedded import EmbeddedSite
from streams.feed import feed
from streams.fenced import FencedError
from streams.health_server import HealthServer, shifted
from streams.ingest_tally import IngestTally
from streams.log_setup import RateLimit
from streams.metrics import SiteMetrics
from streams.partition_book import PartitionBook
from streams.raw_writer import CHUNK_BYTES, chunks
from streams.settings import load_site_settings
from streams.store import PartitionStore, Position, StoreChanges
from streams.supervisor import Supervisor
from streams.testing import InMemorySource, ManualClock
from streams.topics import TOPICS, record_partition
from tests.privacy.examples import dump_cells, with_buckets
from tests.privacy.strategies import ARTEFACTS, counting_with
from tests.streams.kafka_site import wait_until
from tests.streams.make import KEY, embedded_site, protocol, vocabulary
from tests.streams.play import random_play


def _records(count: int) -> list[RawRecord]:
    return [entry.record() for entry in random_play(1, cases=count)][:count]


def _long(size_bytes: int) -> RawRecord:
    payload = b"x" * size_bytes
    return RawRecord(
        source="s", record_id="r", format="fhir", payload=payload, received_at=datetime(2026, 1, 5, tzinfo=UTC)
    )


class _Kept:
    """A writer that keeps what it is given, and fails when it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.records: list[RawRecord] = []
        self._failures = failures

    def write(self, records: Sequence[RawRecord], /) -> None:
        if self._failures:
            self._failures -= 1
            raise ServiceError("Kafka is away")
        self.records += records


# -- store


def test_a_worker_that_was_overtaken_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    zombie, heir = PartitionStore(path), PartitionStore(path)
    heir.commit(StoreChanges(counters={"read": 2}), Position("t", 0, 2))
    with pytest.raises(FencedError):
        zombie.commit(StoreChanges(counters={"read": 2}), Position("t", 0, 2))
    assert zombie.counters() == {"read": 2}
    assert zombie.next_offset("t") == 2
    zombie.commit(StoreChanges(), Position("t", 2, 5))
    assert heir.next_offset("t") == 5


def test_a_store_belongs_to_its_partition_and_its_protocol(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    store = PartitionStore(path, partition=3)
    store_id = store.store_id
    store.close()
    with pytest.raises(ConfigurationError, match="belongs to partition 3, not 4"):
        PartitionStore(path, partition=4)
    store = PartitionStore(path, partition=3)
    assert store.store_id == store_id
    PartitionBook(store, protocol())
    with pytest.raises(ConfigurationError, match="was counted under protocol"):
        PartitionBook(store, protocol(epochs=7))


def test_an_operation_leaves_in_one_part_only() -> None:
    site_store = PartitionStore(None)
    book = PartitionBook(site_store, protocol(), is_learning=False)
    site = embedded_site()
    site.take(_records(20))
    changes = StoreChanges(book=book.prepare(list(site.cases())))
    book.commit(changes, Position("t", 0, 1))
    waiting = site_store.pending_count()
    part = book.seal(0)
    assert waiting > 0
    assert part is not None
    assert site_store.pending_count() == 0
    assert book.seal(0) is None
    assert [sequence for sequence, _ in site_store.unsent_parts()] == [1]
    site_store.mark_part_sent(1)
    assert site_store.unsent_parts() == []


def test_a_part_is_sealed_when_the_epoch_ends_and_labelled_with_it() -> None:
    store = PartitionStore(None)
    book = PartitionBook(store, protocol(), is_learning=False)
    site = embedded_site()
    site.take(_records(5))
    january, february = datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    assert book.seal_due(january) is None
    book.commit(StoreChanges(book=book.prepare(list(site.cases()))), Position("t", 0, 1))
    assert book.seal_due(january) is None
    part = book.seal_due(february)
    assert part is not None
    assert part.epoch == 0
    assert book.seal_due(february) is None
    assert PartitionBook.open_epoch(protocol(), datetime(2025, 12, 31, tzinfo=UTC)) is None
    assert PartitionBook.open_epoch(protocol(), datetime(2027, 1, 1, tzinfo=UTC)) == 4


def test_a_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "p.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(IntegrityError, match="schema version 99"):
        PartitionStore(path)


def test_store_files_are_for_the_owner_only(tmp_path: Path) -> None:
    PartitionStore(tmp_path / "p.sqlite").close()
    assert (tmp_path / "p.sqlite").stat().st_mode & 0o077 == 0


# -- sources into raw


def test_a_source_is_resumed_where_its_records_were_durable(tmp_path: Path) -> None:
    records = _records(50)
    source = InMemorySource("ward", records, batch_size=10, skipped={"context": 7})
    cursors = CursorStore(tmp_path / "c.sqlite")
    writer = _Kept(failures=1)
    with pytest.raises(ServiceError):
        feed(source, writer, cursors)
    assert cursors.get("ward") is None
    left = [3]

    def is_wanted() -> bool:
        left[0] -= 1
        return left[0] > 0

    assert feed(source, writer, cursors, is_wanted=is_wanted) == 30
    cursors.close()
    cursors = CursorStore(tmp_path / "c.sqlite")
    assert feed(source, writer, cursors) == 20
    assert writer.records == records
    tally = IngestTally.of(cursors.counters())
    assert (tally.read, tally.ignored) == (7, {"context": 7})


def test_chunks_keep_the_order_of_each_partition_and_their_size() -> None:
    records = [record for record in _records(200) for _ in range(2)]
    made = list(chunks(records, partitions=4, chunk_records=10))
    for partition in range(4):
        mine = [record for number, chunk in made if number == partition for record in chunk]
        assert mine == [
            record for record in records if record_partition(record.source, record.record_id, partitions=4) == partition
        ]
    assert max(len(chunk) for _, chunk in made) == 10
    big = RawRecord(
        source="s", record_id="r", format="fhir", payload=b"x" * (CHUNK_BYTES - 10), received_at=records[0].received_at
    )
    assert [len(chunk) for _, chunk in chunks([big, big, big], partitions=1)] == [1, 1, 1]


def test_a_record_too_big_for_a_message_is_cut_and_marked() -> None:
    record = _records(1)[0]
    huge = RawRecord(
        source="s", record_id="r", format="fhir", payload=b"x" * (17 << 20), received_at=record.received_at
    )
    ((_, (cut,)),) = chunks([huge], partitions=1)
    assert cut.fault == "oversized"
    assert len(cut.payload) < 16 << 20


class _Failing:
    """A source that fails twice before it works."""

    name = "ward"

    def __init__(self) -> None:
        self.calls = 0

    def batches(self, after: str | None) -> Iterator[SourceBatch]:
        self.calls += 1
        if self.calls == 1:
            raise ServiceError("the server is away")
        yield SourceBatch(records=tuple(_records(3)) if after is None else (), skipped={}, cursor="end")


def test_one_source_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    metrics, writer = SiteMetrics(), _Kept()
    connector = Connector(writer, cursor_path=tmp_path / "c.sqlite", metrics=metrics)
    good = InMemorySource("pharmacy", _records(5))

    def broken() -> Source:
        raise ConfigurationError("no such folder")

    failing = _Failing()
    connector.start([(lambda: failing, "ward", 0.05), (lambda: good, "pharmacy", 0.05), (broken, "lab", 0.05)])
    wait_until(lambda: len(writer.records) == 8, seconds=20, what="both sources are read")
    assert connector.is_alive()
    connector.stop()
    read = metrics.registry.get_sample_value
    assert read("kelsey_records_read_total", {"source": "ward"}) == 3
    assert read("kelsey_source_errors_total", {"source": "ward"}) == 1
    assert (read("kelsey_source_errors_total", {"source": "lab"}) or 0) >= 1


# -- processes


class _Child:
    """A child process that is told when it has ended."""

    def __init__(self) -> None:
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.code = 0

    def kill(self) -> None:
        self.code = -9

    def wait(self, timeout: float | None = None) -> int:
        assert self.code is not None
        return self.code


def test_a_child_that_ends_is_started_again_with_growing_waits() -> None:
    now, started = [0.0], list[str]()

    def start(name: str) -> _Child:
        started.append(name)
        return _Child()

    supervisor = Supervisor(start, ("worker", "gate"), clock=lambda: now[0])
    supervisor.look()
    assert started == ["worker", "gate"]
    waits = []
    for _ in range(4):
        child = supervisor.children["worker"]
        assert isinstance(child, _Child)
        child.code = 1
        supervisor.look()
        before, at = len(started), now[0]
        while len(started) == before:
            now[0] += 0.5
            supervisor.look()
        waits.append(now[0] - at)
    assert waits == [1.0, 2.0, 4.0, 8.0]
    stopping = threading.Event()
    stopping.set()
    supervisor.run(stopping)
    assert supervisor.children == {}


def test_health_and_metrics_are_served() -> None:
    metrics, ready = SiteMetrics(), [False]
    server = HealthServer("127.0.0.1:0", registry=metrics.registry, is_alive=lambda: True, is_ready=lambda: ready[0])
    base = f"http://127.0.0.1:{server.port}"
    assert httpx.get(f"{base}/healthz").status_code == 200
    assert httpx.get(f"{base}/readyz").status_code == 503
    ready[0] = True
    assert httpx.get(f"{base}/readyz").status_code == 200
    assert "kelsey_live_cases" in httpx.get(f"{base}/metrics").text
    assert httpx.get(f"{base}/else").status_code == 404
    with pytest.raises(ConfigurationError, match="metrics_listen"):
        HealthServer(
            f"127.0.0.1:{server.port}", registry=metrics.registry, is_alive=lambda: True, is_ready=lambda: True
        )
    server.close()


def test_roles_of_one_host_listen_beside_each_other() -> None:
    assert [shifted("127.0.0.1:9464", number) for number in range(3)] == [
        "127.0.0.1:9464",
        "127.0.0.1:9465",
        "127.0.0.1:9466",
    ]
    assert shifted("0.0.0.0:0", 2) == "0.0.0.0:0"


def test_floods_of_client_libraries_are_thinned_and_our_own_lines_are_not() -> None:
    now = [0.0]
    limit = RateLimit(10, clock=lambda: now[0])

    def passes(name: str, message: str) -> bool:
        return limit.filter(logging.LogRecord(name, logging.ERROR, "", 0, message, (), None))

    assert passes("aiokafka.consumer", "no broker %s")
    assert not passes("aiokafka.consumer", "no broker %s")
    assert passes("aiokafka.consumer", "another kind")
    assert all(passes("kelsey.worker", "the same") for _ in range(3))
    now[0] = 10.0
    assert passes("aiokafka.consumer", "no broker %s")


# -- settings and topics


@pytest.fixture
def write_settings(tmp_path: Path) -> Callable[[str], Path]:
    """Give a writer of site.toml files beside a good key."""
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)

    def write(more: str = "", site: str = "") -> Path:
        path = tmp_path / "site.toml"
        path.write_text(f'[site]\nid = "alpha"\ndata_directory = "d"\npseudonym_key_file = "key"\n{site}\n{more}')
        return path

    return write


def test_settings_are_relative_to_their_file(write_settings: Callable[..., Path], tmp_path: Path) -> None:
    settings = load_site_settings(write_settings('[kafka]\nbootstrap = "b:1"\n', 'vocabulary = "open"'))
    assert settings.data_directory == tmp_path / "d"
    assert settings.pseudonym_key() == KEY
    assert settings.vocabulary().label == vocabulary().label
    assert settings.protocol() is None


def test_the_artefact_of_a_protocol_is_read_where_the_settings_say(
    write_settings: Callable[..., Path], tmp_path: Path
) -> None:
    under = counting_with("dense", vocabulary=vocabulary().label)
    under.dump(tmp_path / "protocol.json")
    site = 'vocabulary = "open"\nprotocol_file = "protocol.json"'
    with pytest.raises(ConfigurationError, match="not at hand"):
        load_site_settings(write_settings("", site)).protocol()
    ARTEFACTS["dense"].dump(tmp_path / "matrix.json")
    loaded = load_site_settings(write_settings("", f'{site}\nfactorisation_file = "matrix.json"')).protocol()
    assert loaded == under
    assert loaded is not None
    assert loaded.strategy.epochs == under.calendar.count
    sparse = with_buckets([0, 5], buckets=4, vocabulary=vocabulary().label)
    sparse.dump(tmp_path / "protocol.json")
    dump_cells(sparse, tmp_path / "elsewhere.json")
    elsewhere = load_site_settings(write_settings("", f'{site}\ncells_file = "elsewhere.json"'))
    found = elsewhere.protocol()
    assert found is not None and found.layout.lengths["pair"] == 6
    dump_cells(sparse, tmp_path / "elsewhere.json", 5, 7)
    with pytest.raises(ConfigurationError, match=f"the protocol names {sparse.active_cells}"):
        elsewhere.protocol()


@pytest.mark.parametrize(
    ("site", "more", "said"),
    [
        ("", '[kafka]\nbootstrap = "b"\npartitions = 0', "partitions must lie in"),
        ("", '[kafka]\nbootstrap = "b"\nsession_timeout_seconds = 60', "session_timeout_seconds must lie in"),
        ("", '[kafka]\nbootstrap = "b"\ntypo = 1', "unknown field `typo`"),
        ('vocabulary = "open"\nvocabulary_file = "v.csv"', "", "exclude each other"),
        ("", '[[source]]\nname = "a"\ntype = "fhir-server"', "needs url"),
        ("", '[[source]]\nname = "a"\ntype = "vaers"', "needs paths"),
        ("", '[[source]]\nname = "a"\ntype = "ftp"', "Invalid enum value 'ftp'"),
        ("", '[[source]]\nname = "a"\ntype = "vaers"\npaths = ["x"]\npoll_seconds = nan', "poll_seconds"),
        ("id = 3", "", "is not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(write_settings: Callable[..., Path], site: str, more: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_site_settings(write_settings(more, site))


def test_secrets_must_be_secret_and_long_enough(write_settings: Callable[..., Path], tmp_path: Path) -> None:
    settings = load_site_settings(write_settings())
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="may be read by everybody"):
        settings.pseudonym_key()
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="at least 32 bytes, not 5"):
        settings.pseudonym_key()
    with pytest.raises(ConfigurationError, match="signing_key_file is not set"):
        settings.signing_key()


def test_patient_data_is_kept_for_a_short_time_and_the_case_log_forever() -> None:
    for topic in TOPICS:
        retention = int(topic.configuration["retention.ms"])
        assert topic.has_patient_data == (retention > 0)
        assert not topic.has_patient_data or retention <= 30 * 24 * 3600 * 1000
    (compacted,) = [topic for topic in TOPICS if topic.configuration["cleanup.policy"] == "compact"]
    assert compacted.role.value == "cases"


# -- embedded


def test_a_site_under_another_vocabulary_than_its_protocol_is_refused() -> None:
    from connectors import default_vocabulary

    with pytest.raises(ConfigurationError, match="counts with vocabulary"):
        embedded_site(under=protocol(), words=default_vocabulary())


def test_releases_of_an_embedded_site_survive_a_restart(tmp_path: Path) -> None:
    site = embedded_site(tmp_path, under=protocol())
    site.take(_records(30))
    first = site.release(0)
    site.close()
    site = embedded_site(tmp_path, under=protocol())
    assert site.release(0) == first
    site.acknowledge(0)
    budget = site.budget()
    assert budget is not None
    assert (budget.epochs_released, budget.epochs_planned) == (1, 4)
    assert 2.9 < budget.epsilon_spent <= budget.epsilon_limit
    assert site.wallet_summary().pending_operations == 0
    site.close()


def test_without_a_signing_key_nothing_is_released() -> None:
    site = EmbeddedSite(
        site_id="alpha",
        vocabulary=vocabulary(),
        protocol=protocol(),
        pseudonym_key=KEY,
        signing_key=None,
        directory=None,
        read_narratives=False,
    )
    site.take(_records(3))
    assert site.release(0) is None
    assert site.budget() is None


def test_a_tally_that_does_not_add_up_says_so() -> None:
    with pytest.raises(IntegrityError, match="3 records were read, 2 are accounted for"):
        IngestTally(read=3, cases=2).check()


def test_the_manual_clock_only_runs_forward() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.set(datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(ValueError, match="does not run back"):
        clock.advance(timedelta(seconds=-1))
