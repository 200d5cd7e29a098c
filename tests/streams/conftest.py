"""The site under test: one in this process, one on Kafka; every behaviour is asked of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from cases import DeadLetter, RawRecord
from streams.ingest_tally import IngestTally
from tests.streams.make import embedded_site
from tests.streams.play import Tables
from tests.streams.tables import plain

if TYPE_CHECKING:
    from tests.services.kafka_broker import KafkaBroker
    from tests.streams.kafka_site import KafkaSite


class SiteUnderTest(Protocol):
    """What the behaviour tests ask of any site."""

    def take(self, records: Sequence[RawRecord]) -> None: ...

    def tables(self, prefix: str = "") -> Tables: ...

    def tally(self) -> IngestTally: ...

    def dead_letters(self) -> list[DeadLetter]: ...

    def restart(self) -> None: ...


class _Embedded:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._site = embedded_site(directory)

    def take(self, records: Sequence[RawRecord]) -> None:
        self._site.take(records)

    def tables(self, prefix: str = "") -> Tables:
        return plain(self._site.table, prefix=prefix)

    def tally(self) -> IngestTally:
        return self._site.tally

    def dead_letters(self) -> list[DeadLetter]:
        return sorted(self._site.dead_letters(), key=lambda letter: (letter.source, letter.record_id))

    def restart(self) -> None:
        self._site.close()
        self._site = embedded_site(self._directory)

    def close(self) -> None:
        self._site.close()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteUnderTest]:
    """Give a site in this process, with its state on disk."""
    site = _Embedded(tmp_path_factory.mktemp("embedded"))
    yield site
    site.close()


@pytest.fixture(scope="module")
def on_kafka(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteUnderTest]:
    """Give a site with one worker process on the real broker."""
    from tests.streams.kafka_site import KafkaSite  # here, as a conftest is imported before foreign warnings are let by

    site = KafkaSite(tmp_path_factory.mktemp("on_kafka"), kafka.bootstrap)
    site.start_worker()
    yield site
    site.abandon()


@pytest.fixture
def new_site(kafka: KafkaBroker) -> Iterator[Callable[..., KafkaSite]]:
    """Give a maker of sites on the real broker: directory, then what `KafkaSite` takes; none outlives the test."""
    from tests.streams.kafka_site import KafkaSite

    made = []

    def make(directory: Path, **options: str) -> KafkaSite:
        made.append(KafkaSite(directory, kafka.bootstrap, **options))  # type: ignore[arg-type]  # all options are texts
        return made[-1]

    yield make
    for site in made:
        site.abandon()


@pytest.fixture(params=["embedded", pytest.param("on_kafka", marks=pytest.mark.kafka)])
def site(request: pytest.FixtureRequest) -> SiteUnderTest:
    """Give each kind of site in turn; tests share it, so each uses names of its own."""
    found: SiteUnderTest = request.getfixturevalue(request.param)
    return found
