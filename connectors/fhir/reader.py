"""The FHIR reader: one raw record in, one case draft out, by the gates and element tables of its neighbours.

It is tolerant where servers differ (unknown fields, one object for a list, versions mixed) and strict where reading
on would be wrong (unknown modifiers, nobody to count, nothing to count, dates that cannot be).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from cases import (
    CaseDraft,
    CaseVersion,
    DeadLetterReason,
    IgnoreReason,
    RawRecord,
    RecordError,
    Sex,
)
from connectors.fhir.dates import age_in_years, earliest, instant, refuse_future
from connectors.fhir.drugs import DrugReader
from connectors.fhir.elements import FhirObject, is_one_of, objects, one_object, text
from connectors.fhir.extensions import Extensions, modifier_status
from connectors.fhir.narrative import read_narrative
from connectors.fhir.reactions import ReactionReader
from connectors.fhir.resolver import Resolver
from connectors.fhir.seriousness import read_seriousness
from connectors.fhir.subject import read_subject
from connectors.ignored import Ignored

__all__ = ["MAXIMUM_RECORD_BYTES", "decode_record", "read_adverse_event"]

MAXIMUM_RECORD_BYTES = 16 << 20
"""Largest payload that is decoded; a larger one is oversized."""

_decoder = msgspec.json.Decoder()
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ACTUALITIES = frozenset({"actual", "potential"})
_SEXES = {sex.value: sex for sex in Sex}
_LONGEST_SEQUENCE = 18


def read_adverse_event(record: RawRecord) -> CaseDraft:
    """The case draft of a record of the format ``fhir``.

    A deletion, or an event entered in error, gives a nullified draft. Raises `RecordError` and `Ignored` as
    `connectors.read` says; an ignored event carries the draft that takes back an earlier version of itself.
    """
    if record.is_deleted:
        return _nullified(_case_id({}, record), _version({}, record))
    event, entries = decode_record(record.payload)
    case_id, version = _case_id(event, record), _version(event, record)
    status = modifier_status(event) or text(event.get("status"), "status")
    if status == "entered-in-error" or _is_tagged_as_error(event):
        return _nullified(case_id, version, patient_id=_patient_of(event, entries, case_id))
    actuality = event.get("actuality")
    if actuality == "potential" or event.get("category") == "PAE":  # PAE: STU3
        raise Ignored(IgnoreReason.POTENTIAL, retraction=_nullified(case_id, version))
    if actuality is not None and not is_one_of(actuality, _ACTUALITIES):
        raise RecordError(DeadLetterReason.INVALID_STRUCTURE, "actuality is a modifier and its code is unknown")
    resolver = Resolver(event, entries)
    subject = read_subject(event, resolver, case_id=case_id)
    event_date, event_moment = _event_date(event, record.received_at)
    extensions = Extensions(event)
    drugs = DrugReader(resolver)
    drugs.read_suspects(event, extensions)
    if not drugs.drugs:
        raise _without_drug(drugs, case_id, version)
    reactions = ReactionReader(resolver)
    reactions.read(event, extensions)
    if not reactions.reactions:
        raise RecordError(
            DeadLetterReason.UNRESOLVED_REFERENCE if reactions.is_unresolved else DeadLetterReason.NO_REACTION,
            "no event, code or effect",
        )
    drugs.read_concomitants(event, extensions)
    sex, age = _demographics(subject.patient, event_moment or version.updated_at)
    return CaseDraft(
        case_id=case_id,
        version=version,
        patient_id=subject.patient_id,
        drugs=tuple(drugs.drugs),
        reactions=tuple(reactions.reactions),
        seriousness=read_seriousness(event, extensions),
        sex=sex,
        age_years=age,
        event_date=event_date,
        narrative=read_narrative(event, extensions, resolver),
    )


def decode_record(payload: bytes) -> tuple[FhirObject, list[Any]]:
    """The AdverseEvent of a payload and the entries of the Bundle it came in.

    A Bundle's AdverseEvent is its first entry, or the only one anywhere in it (a message Bundle begins with its
    header). Raises `RecordError`: oversized, invalid-encoding, invalid-json, wrong-resource-type,
    invalid-structure.
    """
    if len(payload) > MAXIMUM_RECORD_BYTES:
        raise RecordError(DeadLetterReason.OVERSIZED, f"more than {MAXIMUM_RECORD_BYTES} bytes")
    try:
        decoded = _decoder.decode(payload.removeprefix(_BYTE_ORDER_MARK))
    except UnicodeDecodeError as error:
        raise RecordError(DeadLetterReason.INVALID_ENCODING, "not UTF-8") from error
    except (msgspec.DecodeError, RecursionError) as error:  # a number out of range is a DecodeError too
        reason = DeadLetterReason.INVALID_JSON if _is_utf8(payload) else DeadLetterReason.INVALID_ENCODING
        raise RecordError(reason, "not JSON") from error
    kind = decoded.get("resourceType") if isinstance(decoded, dict) else None
    if kind == "AdverseEvent":
        return decoded, []
    if kind != "Bundle":
        raise RecordError(DeadLetterReason.WRONG_RESOURCE_TYPE, "neither AdverseEvent nor Bundle")
    entries = decoded.get("entry") or []
    events = [
        entry["resource"]
        for entry in objects(entries, "Bundle.entry")
        if isinstance(entry.get("resource"), dict) and entry["resource"].get("resourceType") == "AdverseEvent"
    ]
    if not events:
        raise RecordError(DeadLetterReason.WRONG_RESOURCE_TYPE, "a Bundle without an AdverseEvent")
    entries = entries if isinstance(entries, list) else [entries]
    if len(events) > 1 and entries[0].get("resource") is not events[0]:
        raise RecordError(DeadLetterReason.INVALID_STRUCTURE, "a Bundle with more than one AdverseEvent")
    return events[0], entries


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _case_id(event: FhirObject, record: RawRecord) -> str:
    found = text(event.get("id"), "id") or record.record_id
    if found:
        return found
    for identifier in objects(event.get("identifier"), "identifier"):
        value = text(identifier.get("value"), "identifier.value")
        if value:
            return f"{text(identifier.get('system'), 'identifier.system')}|{value}"
    raise RecordError(DeadLetterReason.MISSING_ID, "AdverseEvent.id")


def _version(event: FhirObject, record: RawRecord) -> CaseVersion:
    meta = one_object(event.get("meta"), "meta") or {}
    updated = text(meta.get("lastUpdated"), "meta.lastUpdated")
    moment = instant(updated, "meta.lastUpdated") if updated else record.updated_at or record.received_at
    refuse_future(moment, received_at=record.received_at, path="meta.lastUpdated")
    number = text(meta.get("versionId"), "meta.versionId") or record.version_id
    is_counter = number.isascii() and number.isdigit() and len(number) <= _LONGEST_SEQUENCE
    return CaseVersion(moment, int(number) if is_counter else 0)


def _nullified(case_id: str, version: CaseVersion, *, patient_id: str = "") -> CaseDraft:
    return CaseDraft(case_id=case_id, version=version, patient_id=patient_id, is_nullified=True)


def _patient_of(event: FhirObject, entries: list[Any], case_id: str) -> str:
    try:
        return read_subject(event, Resolver(event, entries), case_id=case_id).patient_id
    except RecordError:
        return ""  # an event entered in error may well name nobody


def _is_tagged_as_error(event: FhirObject) -> bool:
    meta = event.get("meta")
    if not isinstance(meta, dict) or "tag" not in meta:
        return False
    return any(tag.get("code") == "entered-in-error" for tag in objects(meta["tag"], "meta.tag"))


def _event_date(event: FhirObject, received_at: datetime) -> tuple[str | None, datetime | None]:
    """When it happened, as written, and a moment to reckon the age from; every date is checked."""
    period = one_object(event.get("occurrencePeriod"), "occurrencePeriod") or {}
    timing = one_object(event.get("occurrenceTiming"), "occurrenceTiming") or {}
    moments = timing.get("event") or [None]
    happened = event.get("date") or event.get("occurrenceDateTime") or period.get("start") or period.get("end")
    happened = happened or (moments[0] if isinstance(moments, list) else None)
    written, first = None, None
    dates = {"date": happened, "detected": event.get("detected"), "recordedDate": event.get("recordedDate")}
    for path, value in dates.items():
        if value is None:
            continue
        moment = earliest(text(value, path), path)
        refuse_future(moment, received_at=received_at, path=path)
        first = first or moment
        if path != "recordedDate":
            written = written or value
    return written, first


def _demographics(patient: FhirObject | None, at: datetime) -> tuple[Sex, float | None]:
    """Sex and age; a Patient resource that is not understood, or whose dates cannot be, tells neither."""
    if patient is None or patient.get("modifierExtension"):
        return Sex.UNKNOWN, None
    gender, born = patient.get("gender"), patient.get("birthDate")
    sex = _SEXES.get(gender, Sex.UNKNOWN) if isinstance(gender, str) else Sex.UNKNOWN
    if not isinstance(born, str):
        return sex, None
    try:
        return sex, age_in_years(earliest(born, "birthDate"), at)
    except RecordError:
        return sex, None


def _without_drug(drugs: DrugReader, case_id: str, version: CaseVersion) -> Exception:
    if drugs.is_circular:
        return RecordError(DeadLetterReason.CIRCULAR_REFERENCE, "suspectEntity")
    if drugs.is_unresolved:
        return RecordError(DeadLetterReason.UNRESOLVED_REFERENCE, "suspectEntity")
    if drugs.was_not_given:
        return Ignored(IgnoreReason.NOT_DONE, retraction=_nullified(case_id, version))
    return RecordError(DeadLetterReason.NO_DRUG, "suspectEntity")
