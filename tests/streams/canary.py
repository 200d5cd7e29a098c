"""A patient who must be nowhere: name, id and address, put into every field a record has room for."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec

from cases import RawRecord
from tests.streams.play import START, Entry

__all__ = ["CANARY", "canary_records", "traces"]

CANARY = ("Zanzibardottir", "canary-patient-4711", "17 Sparrowhawk Lane")


def _bundle(entry: Entry, **more: object) -> RawRecord:
    record = entry.record()
    family, identifier, line = CANARY
    event = json.loads(record.payload) | {
        "text": {"div": f"<div>{family}, {identifier}, of {line}, bled after warfarin.</div>"},
        "identifier": {"system": "urn:ward", "value": identifier},
        "recorder": {"display": family},
        **more,
    }
    patient = {
        "resourceType": "Patient",
        "id": identifier,
        "name": [{"family": family, "given": ["Jane"]}],
        "identifier": [{"system": "urn:mrn", "value": identifier}],
        "address": [{"line": [line]}],
        "gender": "female",
        "birthDate": "1970-01-01",
    }
    payload = json.dumps(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": event}, {"resource": patient}]}
    )
    return msgspec.structs.replace(record, payload=payload.encode())


def canary_records() -> list[RawRecord]:
    """Good ones, bad ones for every reason a reader can find, follow-ups and nullifications."""
    family, identifier, line = CANARY
    good = Entry("k.1", 1, identifier, ("warfarin",), ("Haemorrhage",))
    odd = Entry("k.8", 1, identifier, ("warfarin",), ("Rash",))
    records = [
        _bundle(good),
        _bundle(Entry("k.1", 2, identifier, ("warfarin", "aspirin"), ("Haemorrhage",))),
        _bundle(Entry("k.2", 1, identifier, ("warfarin",), ("Rash",))),
        _bundle(Entry("k.2", 2, identifier)),
        _bundle(Entry("k.3", 2, identifier)),
        _bundle(Entry("k.4", 1, identifier, ("warfarin",), ("Rash",)), actuality=family),
        _bundle(Entry("k.5", 1, identifier, ("warfarin",), ("Rash",)), actuality="potential"),
        _bundle(Entry("k.6", 1, identifier, ("warfarin",), ("Rash",)), occurrenceDateTime=line),
        _bundle(Entry("k.7", 1, identifier, ("warfarin",), ("Rash",)), suspectEntity=family),
        _bundle(odd, suspectEntity=[{"instance": {"reference": line}}]),
        _bundle(Entry("k.9", 1, identifier, ("warfarin",), ("Rash",)), modifierExtension=[{"url": family}]),
        _bundle(Entry("k.10", 1, identifier, ("warfarin",), ("Rash",)), subject={"reference": f"Group/{identifier}"}),
        _bundle(Entry("k.11", 1, identifier, ("warfarin",), ("Rash",)), subject=[family]),
        _bundle(Entry("k.12", 1, identifier, ("warfarin",), ("Rash",)), event={"text": {"odd": line}}),
    ]
    for number, payload in enumerate(
        [f'{{"name":"{family}"', f'"{line}"', f'{{"resourceType":"{identifier}"}}', f"\ud800{family}"], start=20
    ):
        content = payload.encode("utf-8", "surrogatepass")
        records.append(
            RawRecord(source="ward", record_id=f"k.{number}", format="fhir", payload=content, received_at=START)
        )
    vaers = {
        "data": {"VAERS_ID": "1", "RECVDATE": family, "SYMPTOM_TEXT": line},
        "vax": family,
        "symptoms": [identifier],
    }
    records.append(
        RawRecord(
            source="ward", record_id="k.30", format="vaers", payload=json.dumps(vaers).encode(), received_at=START
        )
    )
    records.append(
        RawRecord(source="ward", record_id="k.31", format="e2b", payload=identifier.encode(), received_at=START)
    )
    duplicate = json.loads(_bundle(good).payload)
    duplicate["entry"][0]["resource"]["suspectEntity"] = [{"instanceCodeableConcept": {"text": "ibuprofen"}}]
    records.append(msgspec.structs.replace(good.record(), payload=json.dumps(duplicate).encode()))
    return records


def traces(where: str, texts: Iterable[str | bytes]) -> list[str]:
    """Where the canary was seen; empty is what every test wants."""
    found = []
    for number, text in enumerate(texts):
        content = text.encode("utf-8", "replace") if isinstance(text, str) else text
        found += [f"{where} {number}: {word}" for word in CANARY if word.encode() in content]
    return found
