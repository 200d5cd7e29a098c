"""FHIR files: whatever they are called, together they resolve each other's references."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cases import ConfigurationError, RawRecord
from connectors import read
from connectors.fhir.gathering import Found, gather
from connectors.fhir_file import FhirFileSource
from tests.connectors.records import MEDICATION, PATIENT, RECEIVED, WARFARIN, bundle, event

encode = msgspec.json.encode


def _read(*paths: Path) -> list[RawRecord]:
    source = FhirFileSource(paths, name="files", received_at=lambda: RECEIVED)
    return [record for batch in source.batches(None) for record in batch.records]


@pytest.mark.parametrize("name", ["x.json", "x.ndjson", "x.jsonl", "x.json.gz", "x.ndjson.gz", "x.txt"])
def test_content_decides_not_the_name(tmp_path: Path, name: str) -> None:
    lines = b"\n".join(encode(bundle(event(id=f"e{n}"), MEDICATION)) for n in range(3)) + b"\n"
    (tmp_path / name).write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    assert [record.record_id for record in _read(tmp_path / name)] == ["e0", "e1", "e2"]


def test_a_pretty_printed_document(tmp_path: Path) -> None:
    text = msgspec.json.format(encode(bundle(event(), MEDICATION)), indent=2)
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf" + text)
    (record,) = _read(tmp_path / "x.json")
    assert read(record).drugs[0].text == "warfarin"


def test_an_adverse_event_alone_keeps_its_bytes(tmp_path: Path) -> None:
    body = b'{ "resourceType":"AdverseEvent",  "id":"a", "suspectEntity":[{"instance":{"display":"x"}}] }'
    (tmp_path / "x.ndjson").write_bytes(body + b"\n")
    (record,) = _read(tmp_path / "x.ndjson")
    assert record.payload == body


def test_references_across_files_forwards_and_backwards(tmp_path: Path) -> None:
    given = {
        "resourceType": "MedicationAdministration",
        "id": "a1",
        "status": "completed",
        "medicationReference": {"reference": "Medication/m1"},
    }
    pointer = {"instance": {"reference": "MedicationAdministration/a1"}}
    (tmp_path / "Patient.ndjson").write_bytes(encode(PATIENT))
    (tmp_path / "AdverseEvent.ndjson").write_bytes(encode(event(suspectEntity=[pointer])))
    (tmp_path / "Medication.ndjson.gz").write_bytes(gzip.compress(encode(MEDICATION)))
    (tmp_path / "bundle.json").write_bytes(encode(bundle(given)))
    (record,) = _read(tmp_path)
    found = read(record)
    assert (found.drugs[0].text, found.sex.value) == ("warfarin", "female")
    types = [entry["resource"]["resourceType"] for entry in msgspec.json.decode(record.payload)["entry"]]
    assert types == ["AdverseEvent", "Patient", "MedicationAdministration", "Medication"]


def test_nothing_travels_along_that_is_not_needed(tmp_path: Path) -> None:
    doctor = {"resourceType": "Practitioner", "id": "d", "name": [{"family": "Nobody"}]}
    other = {**PATIENT, "id": "p2"}
    linked = {**PATIENT, "link": [{"other": {"reference": "Patient/p2"}}]}
    (tmp_path / "x.json").write_bytes(
        encode(bundle(event(recorder={"reference": "Practitioner/d"}), linked, other, MEDICATION, doctor))
    )
    (record,) = _read(tmp_path)
    entries = msgspec.json.decode(record.payload)["entry"]
    assert [entry["resource"]["id"] for entry in entries] == ["ae1", "p1", "m1"]


def test_a_bundles_own_entry_comes_before_another_files(tmp_path: Path) -> None:
    other = {**MEDICATION, "code": {"text": "another"}}
    (tmp_path / "a.json").write_bytes(encode(bundle(event(), MEDICATION)))
    (tmp_path / "b.json").write_bytes(encode(other))
    (record,) = _read(tmp_path)
    assert read(record).drugs[0].text == "warfarin"


def test_another_servers_resource_of_the_same_id_does_not_travel_along(tmp_path: Path) -> None:
    pointer = {"reference": "https://other.example/r4/Medication/m1", "display": "elsewhere"}
    payload = bundle(event(suspectEntity=[{"instance": pointer}]), PATIENT, MEDICATION, base="https://here.example/r4")
    (tmp_path / "x.json").write_bytes(encode(payload))
    (record,) = _read(tmp_path)
    entries = msgspec.json.decode(record.payload)["entry"]
    assert [entry["resource"]["resourceType"] for entry in entries] == ["AdverseEvent", "Patient"]
    assert read(record).drugs[0].is_display_only


def test_versions_and_identifiers_across_files(tmp_path: Path) -> None:
    for number, text in ((1, "first"), (2, "second")):
        version = {**MEDICATION, "meta": {"versionId": str(number)}, "code": {"text": text}}
        (tmp_path / f"m{number}.json").write_bytes(encode(version))
    named = {**MEDICATION, "id": "n", "identifier": [{"system": "urn:o", "value": "9"}], "code": {"text": "named"}}
    (tmp_path / "n.json").write_bytes(encode(named))
    pointers: list[dict[str, Any]] = [
        {"reference": "Medication/m1/_history/1"},
        {"reference": "Medication/m1/_history/2"},
        {"reference": "Medication/m1/_history/3", "display": "third"},
        {"type": "Medication", "identifier": {"system": "urn:o", "value": "9"}},
        {"reference": "https://other.example/Medication/m1", "display": "elsewhere"},
    ]
    suspects = [{"instance": pointer} for pointer in pointers]
    (tmp_path / "z.json").write_bytes(encode(event(suspectEntity=suspects)))
    (record,) = _read(tmp_path)
    found = read(record)
    assert {drug.text for drug in found.drugs} == {"first", "second", "third", "named", "elsewhere"}
    assert [drug.text for drug in found.drugs if drug.is_display_only] == ["third", "elsewhere"]


def test_history_and_transaction_bundles_delete(tmp_path: Path) -> None:
    entries = [
        {
            "request": {"method": "DELETE", "url": "AdverseEvent/a/_history/4"},
            "response": {"status": "204", "etag": 'W/"4"', "lastModified": "2026-10-30T10:00:00Z"},
        },
        {"request": {"method": "DELETE", "url": "AdverseEvent/b"}},
        {"request": {"method": "DELETE", "url": "Patient/p1"}},
        {"request": {"method": "DELETE", "url": "Patient?identifier=7"}},
        {"request": {"method": "DELETE", "url": "AdverseEvent?status=x"}},
        {"request": {"method": "GET", "url": "AdverseEvent"}},
        {"request": {"method": "PUT", "url": "AdverseEvent/c"}, "resource": event(id="c")},
    ]
    payload = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    (tmp_path / "x.json").write_bytes(encode(payload))
    (batch,) = FhirFileSource([tmp_path], name="files", received_at=lambda: RECEIVED).batches(None)
    first, second, conditional, kept = batch.records
    assert (first.record_id, first.is_deleted, first.version_id) == ("a", True, "4")
    assert first.updated_at is not None
    assert first.updated_at.isoformat() == "2026-10-30T10:00:00+00:00"
    assert (second.record_id, second.is_deleted, second.updated_at) == ("b", True, None)
    assert conditional.fault == "invalid-structure"
    assert (kept.record_id, kept.is_deleted) == ("c", False)
    assert dict(batch.skipped) == {"context": 2, "not-adverse-event": 1}
    assert read(second).is_nullified


def test_bundles_in_bundles(tmp_path: Path) -> None:
    inner = bundle(event(id="in"), MEDICATION)
    (tmp_path / "x.json").write_bytes(encode({"resourceType": "Bundle", "entry": [{"resource": inner}]}))
    assert [record.record_id for record in _read(tmp_path)] == ["in"]


def test_an_event_known_only_by_its_urn(tmp_path: Path) -> None:
    urn = "urn:uuid:00000000-0000-4000-8000-000000000001"
    entry = {"fullUrl": urn, "resource": event(id=None, suspectEntity=[{"instance": WARFARIN}])}
    (tmp_path / "x.json").write_bytes(encode({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}))
    (record,) = _read(tmp_path)
    assert read(record).case_id == urn


def test_a_changed_or_new_file_is_read_and_a_finished_one_is_not(tmp_path: Path) -> None:
    def write(name: str, *ids: str) -> None:
        (tmp_path / name).write_bytes(b"\n".join(encode(bundle(event(id=one), MEDICATION)) for one in ids))

    def poll(cursor: str | None) -> tuple[list[str], str | None]:
        batches = list(FhirFileSource([tmp_path], name="files", received_at=lambda: RECEIVED).batches(cursor))
        ids = [record.record_id for batch in batches for record in batch.records]
        return ids, batches[-1].cursor if batches else cursor

    write("b.ndjson", "b1", "b2")
    ids, cursor = poll(None)
    assert ids == ["b1", "b2"]
    write("a.ndjson", "a1")
    ids, cursor = poll(cursor)
    assert ids == ["a1"]
    write("b.ndjson", "b1", "b2", "b3")
    ids, cursor = poll(cursor)
    assert ids == ["b1", "b2", "b3"]
    assert poll(cursor)[0] == []


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file or folder"):
        _read(tmp_path / "gone.json")
    assert _read(tmp_path) == []


def test_a_file_that_can_no_longer_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(encode(bundle(event(), MEDICATION)))

    def remove() -> datetime:
        path.unlink()  # between the first reading of the files and the second
        return RECEIVED

    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(FhirFileSource([path], name="files", received_at=remove).batches(None))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.ndjson"
        with path.open("wb") as stream:
            for number in range(count):
                stream.write(
                    encode(bundle(event(id=f"e{number}"), {**PATIENT, "id": f"p{number}"}, MEDICATION)) + b"\n"
                )
        tracemalloc.start()
        source = FhirFileSource([path], name="files", received_at=lambda: RECEIVED, batch_records=100)
        records = sum(len(batch.records) for batch in source.batches(None))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert records == count
        return most

    assert peak(4000) < 1.5 * peak(1000)


def test_a_web_of_references_is_cut_off() -> None:
    asked: list[str] = []

    def lookup(reference: dict[str, Any]) -> Found | None:
        asked.append(reference["reference"])
        if "/m" not in reference["reference"]:
            return None
        number = int(reference["reference"].rpartition("/m")[2])
        ingredients = [{"itemReference": {"reference": f"Medication/m{number * 10 + digit}"}} for digit in range(10)]
        key = f"Medication/m{number}"
        return Found(key, "", encode({"resourceType": "Medication", "id": f"m{number}", "ingredient": ingredients}))

    assert len(gather(event(), lookup)) == 64
    assert len(asked) < 200


def test_lookup_is_never_asked_for_another_servers_or_contained_resources(tmp_path: Path) -> None:
    asked: list[str] = []

    def remember(reference: dict[str, Any]) -> None:
        asked.append(str(reference.get("reference")))

    lookup: Callable[[dict[str, Any]], None] = remember
    pointers = [{"instance": {"reference": "#m"}}, {"instance": {"reference": "Device/d"}}]
    gather(event(suspectEntity=pointers), lookup)
    assert asked == ["Patient/p1"]
