"""Building blocks: one small case, and the raw record of whatever payload."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import msgspec

from cases import CaseDraft, DeadLetterReason, IgnoreReason, RawRecord, RecordError
from connectors import Ignored, read

RECEIVED = datetime(2026, 11, 1, 12, tzinfo=UTC)
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
VULCAN = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/"

WARFARIN = {"coding": [{"system": RXNORM, "code": "11289", "display": "warfarin"}]}
BLEED = {"coding": [{"system": "http://snomed.info/sct", "code": "74474003", "display": "GI bleeding"}]}

EVENT: dict[str, Any] = {
    "resourceType": "AdverseEvent",
    "id": "ae1",
    "meta": {"versionId": "3", "lastUpdated": "2026-10-02T10:00:00.000Z"},
    "actuality": "actual",
    "event": BLEED,
    "subject": {"reference": "Patient/p1"},
    "date": "2026-10-01",
    "seriousness": {"coding": [{"code": "Serious"}]},
    "suspectEntity": [{"instance": {"reference": "Medication/m1"}}],
}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-10-01"}
MEDICATION: dict[str, Any] = {"resourceType": "Medication", "id": "m1", "code": WARFARIN}


def event(**changes: Any) -> dict[str, Any]:
    """The example event with some elements replaced; None takes one away."""
    changed = {**copy.deepcopy(EVENT), **changes}
    return {name: value for name, value in changed.items() if value is not None}


def bundle(*resources: dict[str, Any], base: str = "", kind: str = "collection") -> dict[str, Any]:
    """A Bundle of resources, with full URLs below `base` where it is given."""
    entries = []
    for resource in resources:
        entry: dict[str, Any] = {"resource": resource}
        if base:
            entry["fullUrl"] = f"{base}/{resource['resourceType']}/{resource['id']}"
        entries.append(entry)
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def record(payload: Any, **changes: Any) -> RawRecord:
    """A raw record of bytes, or of an object as JSON."""
    body = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    settings: dict[str, Any] = {
        "source": "ward",
        "record_id": "",
        "format": "fhir",
        "payload": body,
        "received_at": RECEIVED,
        **changes,
    }
    return RawRecord(**settings)


def draft(payload: Any, **changes: Any) -> CaseDraft:
    """The draft of a payload."""
    return read(record(payload, **changes))


def outcome(payload: Any, **changes: Any) -> str:
    """``case``, ``nullified``, or the reason code a payload gives."""
    try:
        found = read(record(payload, **changes))
    except RecordError as error:
        return str(DeadLetterReason(error.reason))
    except Ignored as ignored:
        return str(IgnoreReason(ignored.reason))
    return "nullified" if found.is_nullified else "case"
