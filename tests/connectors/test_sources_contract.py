"""What every source owes its caller; sources are found by discovery, each needs a maker here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

import connectors
from cases import IntegrityError, RawRecord
from connectors import Source, SourceBatch
from connectors.fhir_file import FhirFileSource
from connectors.fhir_server import FhirServerSource
from connectors.generator import GeneratorSource
from connectors.vaers import VaersSource
from tests.connectors.fhir_simulator import simulated
from tests.connectors.records import MEDICATION, PATIENT, RECEIVED, bundle, event
from tests.connectors.vaers_files import write_year

Maker = Callable[[Path], AbstractContextManager[Callable[[], Source]]]
"""Gives a way to make the same source again and again, as a site does after a crash."""


@contextmanager
def _files(folder: Path) -> Iterator[Callable[[], Source]]:
    lines = [bundle(event(id=f"e{n}"), PATIENT, MEDICATION) for n in range(7)]
    body = b"\n".join(map(msgspec.json.encode, lines))
    (folder / "a.ndjson").write_bytes(body + b"\n{broken\n")
    (folder / "b.json").write_bytes(msgspec.json.encode(bundle(*(event(id=f"b{n}") for n in range(5)), MEDICATION)))
    (folder / "c.json").write_bytes(msgspec.json.encode({"resourceType": "Encounter", "id": "x"}))
    yield lambda: FhirFileSource([folder], name="files", received_at=lambda: RECEIVED, batch_records=3)


@contextmanager
def _server(_: Path) -> Iterator[Callable[[], Source]]:
    with simulated() as server:
        server.put(PATIENT)
        server.put(MEDICATION)
        for number in range(10):
            server.put(event(id=f"e{number}", meta=None, date="2026-09-01"))
            server.tick(seconds=1)
        made: list[FhirServerSource] = []

        def make() -> Source:
            made.append(FhirServerSource(server.url, name="ehr", clock=lambda: server.now, sleep=lambda _: None))
            return made[-1]

        yield make
        for source in made:
            source.close()


@contextmanager
def _vaers(folder: Path) -> Iterator[Callable[[], Source]]:
    write_year(folder / "1990.zip", "1990", [(f"{n:06d}", f"07/{1 + n % 9:02d}/1990") for n in range(20)])
    write_year(folder / "1991.zip", "1991", [(f"1{n:05d}", f"07/{1 + n % 9:02d}/1990") for n in range(20)])
    yield lambda: VaersSource([folder / "1991.zip", folder / "1990.zip"], name="vaers", batch_records=3)


@contextmanager
def _generator(_: Path) -> Iterator[Callable[[], Source]]:
    yield lambda: GeneratorSource(7, name="played", records=60, batch_records=7)


MAKERS: dict[type, Maker] = {
    FhirFileSource: _files,
    FhirServerSource: _server,
    VaersSource: _vaers,
    GeneratorSource: _generator,
}


def _discovered() -> set[type]:
    found = set()
    for module in pkgutil.walk_packages(connectors.__path__, "connectors."):
        for _, member in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if member.__module__.startswith("connectors") and hasattr(member, "batches") and member is not Source:
                found.add(member)
    return found


def test_every_source_is_checked() -> None:
    assert _discovered() == set(MAKERS)


@pytest.fixture(params=list(MAKERS), ids=[kind.__name__ for kind in MAKERS])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Source]]:
    with MAKERS[request.param](tmp_path) as maker:
        yield maker


def _identity(record: RawRecord) -> tuple[str, str, bytes, bool, str]:
    return (record.source, record.record_id, record.payload, record.is_deleted, record.fault)


def _all(batches: list[SourceBatch]) -> list[tuple[str, str, bytes, bool, str]]:
    return [_identity(record) for batch in batches for record in batch.records]


def test_it_is_a_source_with_one_name(make: Callable[[], Source]) -> None:
    source = make()
    assert isinstance(source, Source)
    assert source.name
    assert {record.source for batch in source.batches(None) for record in batch.records} == {source.name}


def test_twice_from_the_start_is_the_same(make: Callable[[], Source]) -> None:
    first = _all(list(make().batches(None)))
    assert len(first) >= 10
    assert _all(list(make().batches(None))) == first


def test_resume_from_any_cursor_gives_the_rest(make: Callable[[], Source]) -> None:
    whole = list(make().batches(None))
    everything = _all(whole)
    assert len(whole) >= 2
    for cut, batch in enumerate(whole):
        rest = _all(list(make().batches(batch.cursor)))
        assert set(_all(whole[: cut + 1])) | set(rest) >= set(everything)
        assert len(rest) <= len(everything)


def test_after_the_last_cursor_there_is_nothing_new(make: Callable[[], Source]) -> None:
    last = list(make().batches(None))[-1].cursor
    assert _all(list(make().batches(last))) == []


def test_a_consumer_that_stops_costs_nothing(make: Callable[[], Source]) -> None:
    source = make()
    batches = iter(source.batches(None))
    first = next(batches)
    batches.close() if hasattr(batches, "close") else None
    assert _all([first, *make().batches(first.cursor)]) == _all(list(make().batches(None)))


def test_cursors_are_short_text(make: Callable[[], Source]) -> None:
    for batch in make().batches(None):
        assert isinstance(batch.cursor, str)
        assert 0 < len(batch.cursor) < 8_000


def test_a_foreign_cursor_is_refused(make: Callable[[], Source]) -> None:
    with pytest.raises(IntegrityError):
        list(make().batches("not a cursor of mine"))


def test_times_of_receipt_carry_a_zone(make: Callable[[], Source]) -> None:
    for batch in make().batches(None):
        for record in batch.records:
            assert record.received_at.utcoffset() == timedelta(0)


def test_years_written_for_tests_are_archives(tmp_path: Path) -> None:
    write_year(tmp_path / "1990.zip", "1990", [("000001", "07/01/1990")])
    with zipfile.ZipFile(tmp_path / "1990.zip") as archive:
        assert len(archive.namelist()) == 3
