"""Polling a real HAPI FHIR server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import httpx
import msgspec
import pytest

from cases import RawRecord
from connectors import read
from connectors.fhir_server import FhirServerSource
from connectors.generator import GeneratorSource
from tests.connectors.records import MEDICATION, PATIENT, event
from tests.services.hapi_server import HapiServer

DAY = "2026-01-05"


@pytest.fixture
def http(fhir_server: HapiServer) -> Iterator[httpx.Client]:
    headers = {"Content-Type": "application/fhir+json"}
    with httpx.Client(base_url=fhir_server.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def source(fhir_server: HapiServer) -> Iterator[FhirServerSource]:
    made = FhirServerSource(fhir_server.url, name="hapi", page_size=7)
    yield made
    made.close()


def _put(http: httpx.Client, resource: dict[str, Any]) -> None:
    resource = {key: value for key, value in resource.items() if key != "meta"}
    reply = http.put(f"/{resource['resourceType']}/{resource['id']}", content=msgspec.json.encode(resource))
    assert reply.status_code in (200, 201), reply.text


def _poll(source: FhirServerSource, cursor: str | None) -> tuple[list[RawRecord], str]:
    batches = list(source.batches(cursor))
    return [record for batch in batches for record in batch.records], batches[-1].cursor


def _until(source: FhirServerSource, cursor: str, wanted: set[str]) -> tuple[list[RawRecord], str]:
    """Poll until all of `wanted` came: a real server may show a change (and counts of its history) late."""
    found: list[RawRecord] = []
    deadline = time.monotonic() + 150
    while not wanted <= {_name(record) for record in found}:
        assert time.monotonic() < deadline, f"still missing after 150 s: {wanted - {_name(record) for record in found}}"
        records, cursor = _poll(source, cursor)
        found += records
    return found, cursor


def _name(record: RawRecord) -> str:
    return f"-{record.record_id}" if record.is_deleted else record.record_id


def _mine(records: list[RawRecord], prefix: str) -> list[RawRecord]:
    return [record for record in records if record.record_id.startswith(prefix)]


def test_changes_deletions_pages_and_references(http: httpx.Client, source: FhirServerSource) -> None:
    assert source.capability().fhir_version == "4.0.1"
    assert source.capability().has_history
    _put(http, {**PATIENT, "id": "kc-p1"})
    _put(http, {**MEDICATION, "id": "kc-m1"})
    sound = event(
        date=DAY,
        subject={"reference": "Patient/kc-p1"},
        suspectEntity=[{"instance": {"reference": "Medication/kc-m1"}}],
    )
    for number in range(20):
        _put(http, {**sound, "id": f"kc-{number}"})
    records, cursor = _poll(source, None)
    first = _mine(records, "kc-")
    assert {record.record_id for record in first} == {f"kc-{number}" for number in range(20)}
    assert len(first) == 20
    for record in first:
        found = read(record)
        assert (found.patient_id, found.sex.value, found.drugs[0].codes[0].code) == (
            "fhir:Patient/kc-p1",
            "female",
            "11289",
        )
        assert found.version.sequence == 1

    assert _mine(_poll(source, cursor)[0], "kc-") == []

    _put(http, {**sound, "id": "kc-3", "event": {"text": "rash"}})
    _put(http, {**sound, "id": "kc-new"})
    assert http.delete("/AdverseEvent/kc-5").status_code in (200, 204)
    records, cursor = _until(source, cursor, {"kc-3", "kc-new", "-kc-5"})
    changed = {_name(record): read(record) for record in _mine(records, "kc-")}
    assert set(changed) == {"kc-3", "kc-new", "-kc-5"}
    assert (changed["kc-3"].version.sequence, changed["kc-3"].reactions[0].text) == (2, "rash")
    assert changed["-kc-5"].is_nullified
    assert changed["-kc-5"].version.sequence == 2

    assert _mine(_poll(source, cursor)[0], "kc-") == []
    gone = source.reconcile(["kc-0", "kc-5", "kc-7"])
    assert [record.record_id for record in gone] == ["kc-5"]


def test_a_crash_between_pages_loses_nothing(
    http: httpx.Client, source: FhirServerSource, fhir_server: HapiServer
) -> None:
    _put(http, {**PATIENT, "id": "kr-p1"})
    _put(http, {**MEDICATION, "id": "kr-m1"})
    sound = event(
        date=DAY,
        subject={"reference": "Patient/kr-p1"},
        suspectEntity=[{"instance": {"reference": "Medication/kr-m1"}}],
    )
    for number in range(18):
        _put(http, {**sound, "id": f"kr-{number}"})
    whole = list(source.batches(None))
    everything = {record.record_id for batch in whole for record in _mine(list(batch.records), "kr-")}
    assert everything == {f"kr-{number}" for number in range(18)}
    cut = len(whole) // 2
    before = {record.record_id for batch in whole[: cut + 1] for record in batch.records}
    again = FhirServerSource(fhir_server.url, name="hapi", page_size=7)
    after = {record.record_id for batch in again.batches(whole[cut].cursor) for record in batch.records}
    again.close()
    assert before | after >= everything


def test_generated_hospitals_survive_the_journey_through_a_server(http: httpx.Client, source: FhirServerSource) -> None:
    """What the server gives back reads like what was put in, R4 records being what it stores."""
    play = GeneratorSource(11, name="hapi", hospital="north", records=200)
    records = [record for batch in play.batches(None) for record in batch.records]
    sent: dict[str, Any] = {}
    for record in islice((one for one in records if b'"event":' in one.payload), 40):
        try:
            draft = read(record)
        except ValueError:
            continue
        if draft.is_nullified or draft.case_id in sent:
            continue
        resources = [entry["resource"] for entry in msgspec.json.decode(record.payload)["entry"]]
        for resource in [*resources[1:], resources[0]]:
            _put(http, resource)
        sent[draft.case_id] = draft
    assert len(sent) > 20
    since = datetime.now(UTC) - timedelta(days=1)
    found = {}
    for record in _poll(source, None)[0]:
        if record.record_id in sent:
            found[record.record_id] = read(record)
            assert found[record.record_id].version.updated_at > since
    assert set(found) == set(sent)
    for case_id, draft in found.items():
        wanted = sent[case_id]
        assert (draft.drugs, draft.reactions) == (wanted.drugs, wanted.reactions)
        assert (draft.patient_id, draft.sex, draft.age_years) == (wanted.patient_id, wanted.sex, wanted.age_years)
        assert (draft.seriousness, draft.narrative) == (wanted.seriousness, wanted.narrative)
