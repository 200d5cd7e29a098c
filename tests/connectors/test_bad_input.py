"""What must not stop a site: every kind of bad input has its reason code, at the reader and at the source."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cases import RawRecord, RecordError
from connectors import Ignored, read
from connectors.fhir_file import FhirFileSource
from tests.connectors.records import MEDICATION, PATIENT, RECEIVED, WARFARIN, bundle, event, outcome

GOOD = bundle(event(id="good"), PATIENT, MEDICATION)
LINE = msgspec.json.encode(GOOD)


def _outcomes(source: FhirFileSource) -> tuple[list[str], dict[str, int]]:
    """What becomes of every record of a source, and what it passed over."""
    found, skipped = [], dict[str, int]()
    for batch in source.batches(None):
        found += [_outcome(record) for record in batch.records]
        for reason, count in batch.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    return found, skipped


def _outcome(record: RawRecord) -> str:
    try:
        return f"case {read(record).case_id}"
    except RecordError as error:
        return error.reason
    except Ignored as ignored:
        return ignored.reason


def _source(*paths: Path) -> FhirFileSource:
    return FhirFileSource(paths, name="files", received_at=lambda: RECEIVED)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "invalid-json"),
        (b"{", "invalid-json"),
        (LINE[:-40], "invalid-json"),
        (b"\xff\xfe{\x00}\x00", "invalid-encoding"),
        (LINE.replace(b"GI bleeding", b"GI bl\xe9eding"), "invalid-encoding"),
        (b"[" * 100_000, "invalid-json"),
        (b'{"resourceType": "AdverseEvent", "id": 1e999}', "invalid-json"),
        (b"[]", "wrong-resource-type"),
        (b"null", "wrong-resource-type"),
        (b"7", "wrong-resource-type"),
        (b'"AdverseEvent"', "wrong-resource-type"),
        (b'{"resourceType": "Patient", "id": "p"}', "wrong-resource-type"),
        (b'{"resourceType": "adverseevent", "id": "p"}', "wrong-resource-type"),
        (b'{"resourceType": ["AdverseEvent"]}', "wrong-resource-type"),
        (b'{"resourceType": "Bundle"}', "wrong-resource-type"),
        (b'{"resourceType": "Bundle", "entry": 7}', "invalid-structure"),
        (b'{"resourceType": "Bundle", "entry": [7]}', "invalid-structure"),
        (bundle(PATIENT, event(id="a"), event(id="b")), "invalid-structure"),
        (event(suspectEntity="warfarin"), "invalid-structure"),
        (event(suspectEntity=[["warfarin"]]), "invalid-structure"),
        (event(event="rash", suspectEntity=[{"instance": WARFARIN}]), "invalid-structure"),
        (event(status=7), "invalid-structure"),
        (event(id=7), "invalid-structure"),
        (event(meta="x"), "invalid-structure"),
        (event(date={"start": "2026"}), "invalid-structure"),
        (event(suspectEntity=None), "no-drug"),
        (event(suspectEntity=[]), "no-drug"),
        (event(suspectEntity=[{}]), "no-drug"),
        (event(), "unresolved-reference"),
        (event(suspectEntity=[{"instance": {"reference": "Medication/"}}]), "unresolved-reference"),
        (event(suspectEntity=[{"instance": {"reference": "http://[::1"}}]), "unresolved-reference"),
    ],
)
def test_reader(payload: Any, reason: str) -> None:
    assert outcome(payload) == reason


def test_faults_found_by_the_source_are_kept_by_their_reason() -> None:
    assert outcome(b"whatever", fault="truncated") == "truncated"
    assert outcome(LINE, format="hl7v2") == "wrong-resource-type"


def test_a_byte_order_mark_is_no_damage() -> None:
    assert outcome(b"\xef\xbb\xbf" + LINE) == "case"


def test_a_truncated_gzip_gives_what_came_before_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines = b"\n".join(msgspec.json.encode(bundle(event(id=f"e{n}"), PATIENT, MEDICATION)) for n in range(5000))
    whole = gzip.compress(lines)
    cut, later = tmp_path / "a.ndjson.gz", tmp_path / "b.ndjson"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    later.write_bytes(LINE + b"\n")
    found, _ = _outcomes(_source(cut, later))
    assert found[-2:] == ["truncated", "case good"]
    assert found[:-2] == [f"case e{n}" for n in range(len(found) - 2)]
    assert len(found) > 1000


@pytest.mark.parametrize("damage", ["checksum", "body", "only a header", "not gzip"])
def test_damaged_gzip(tmp_path: Path, damage: str) -> None:
    whole = bytearray(gzip.compress(LINE * 3))
    if damage == "checksum":
        whole[-6] ^= 0xFF
    elif damage == "body":
        whole[20:60] = b"\xff" * 40
    elif damage == "only a header":
        del whole[8:]
    else:
        whole[:] = b"not gzip at all"
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(whole)
    found, _ = _outcomes(_source(path))
    assert found
    assert found[-1] == "truncated"


def test_members_of_a_concatenated_gzip_are_all_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(LINE + b"\n") + gzip.compress(LINE.replace(b'"good"', b'"well"') + b"\n"))
    assert _outcomes(_source(path))[0] == ["case good", "case well"]


def test_bad_lines_cost_only_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(
        b"\n".join(
            [
                LINE,
                b"",
                b'{"resourceType": "AdverseEvent", ',
                LINE.replace(b"GI", b"\xff\xff"),
                b'{"resourceType": "Observashun"}',
                b'{"resourceType": "Patient", "id": "x"}',
                b'{"resourceType": "Encounter", "id": "x"}',
                b'[{"resourceType": "AdverseEvent"}]',
                b"\x00\x01\x02",
                LINE.replace(b'"good"', b'"second"'),
                LINE[:100],
            ]
        )
    )
    found, skipped = _outcomes(_source(path))
    assert found == [
        "case good",
        "truncated",
        "invalid-encoding",
        "wrong-resource-type",
        "wrong-resource-type",
        "invalid-json",
        "case second",
        "truncated",
    ]
    assert skipped == {"context": 1 + 2 * 2, "not-adverse-event": 1}  # the line, and what came with the two cases


def test_duplicate_ids_are_both_handed_on_with_one_version(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    other = bundle(event(id="good", event={"text": "rash"}), PATIENT, MEDICATION)
    path.write_bytes(LINE + b"\n" + msgspec.json.encode(other) + b"\n")
    records = [record for batch in _source(path).batches(None) for record in batch.records]
    assert [read(record).version for record in records] == [read(records[0]).version] * 2
    assert records[0].payload != records[1].payload


def test_circles_among_files_end(tmp_path: Path) -> None:
    def ring(name: str, other: str) -> dict[str, Any]:
        ingredient = {"itemReference": {"reference": f"Medication/{other}"}}
        return {"resourceType": "Medication", "id": name, "ingredient": [ingredient]}

    for number, resource in enumerate([event(id="round"), ring("m1", "m2"), ring("m2", "m1")]):
        (tmp_path / f"{number}.json").write_bytes(msgspec.json.encode(resource))
    assert _outcomes(_source(tmp_path)) == (["circular-reference"], {"context": 2})


def test_an_oversized_line_is_cut_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    with path.open("wb") as stream:
        stream.write(b'{"resourceType": "AdverseEvent", "id": "big", "description": "')
        for _ in range(34):
            stream.write(b"x" * (1 << 20))
        stream.write(b'"}\n' + LINE + b"\n")
    records = [record for batch in _source(path).batches(None) for record in batch.records]
    assert [_outcome(record) for record in records] == ["oversized", "case good"]
    assert len(records[0].payload) == 1 << 20


def test_a_five_megabyte_narrative_is_kept_whole(tmp_path: Path) -> None:
    big = event(id="big", suspectEntity=[{"instance": WARFARIN}], note=[{"text": "bled " * 1_000_000}])
    (tmp_path / "a.json").write_bytes(msgspec.json.encode(big))
    records = [record for batch in _source(tmp_path).batches(None) for record in batch.records]
    assert [_outcome(record) for record in records] == ["oversized"]
    assert len(records[0].payload) > 5_000_000
