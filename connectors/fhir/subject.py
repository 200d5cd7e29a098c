"""Whom an AdverseEvent happened to: only patients and research subjects count, under one id per person.

The id is the logical id of the Patient wherever a reference carries one, so that a patient stays one patient whether
or not a record brings the Patient resource along. The privacy bound hangs on that: two ids for one person would
double what the person may contribute. So ids are not split by source either; where two servers number their patients
alike, two people share one (smaller) allowance, which is the safe side.
"""

from __future__ import annotations

from typing import NamedTuple

from cases import DeadLetterReason, RecordError
from connectors.fhir.elements import FhirObject, objects, one_object, text
from connectors.fhir.resolver import Resolved, Resolver, reference_type, split_reference

__all__ = ["Subject", "read_subject"]

_PERSONS = ("Patient", "ResearchSubject")
_IS_PERSON = frozenset(_PERSONS)


class Subject(NamedTuple):
    """The patient's id, namespaced, and the Patient resource where the record brings it."""

    patient_id: str
    patient: FhirObject | None


def read_subject(event: FhirObject, resolver: Resolver, *, case_id: str) -> Subject:
    """The patient of an AdverseEvent.

    Raises `RecordError`: missing-subject where there is none (or only a name), subject-not-patient for a Group,
    Practitioner or RelatedPerson, unresolved-reference where it cannot be known who is meant.
    """
    reference = one_object(event.get("subject"), "subject")
    if reference is None or not (reference.get("reference") or reference.get("identifier")):
        raise RecordError(DeadLetterReason.MISSING_SUBJECT, "AdverseEvent.subject")
    subject = _person(reference, event, resolver, case_id=case_id)
    if subject.patient is not None and subject.patient.get("resourceType") == "ResearchSubject":
        individual = one_object(subject.patient.get("individual") or subject.patient.get("subject"), "subject")
        if individual is not None:
            return _person(individual, subject.patient, resolver, case_id=case_id)
    return subject


def _person(reference: FhirObject, container: FhirObject, resolver: Resolver, *, case_id: str) -> Subject:
    found = resolver.resolve(reference, container)
    kind = found.resource.get("resourceType") if found else reference_type(reference)
    if isinstance(kind, str) and kind and kind not in _IS_PERSON:
        raise RecordError(DeadLetterReason.SUBJECT_NOT_PATIENT, "AdverseEvent.subject")
    literal = text(reference.get("reference"), "subject.reference")
    if literal.startswith("#"):
        if found is None:
            raise RecordError(DeadLetterReason.UNRESOLVED_REFERENCE, "AdverseEvent.subject")
        local = _identifier(found.resource) or f"AdverseEvent/{case_id}{literal}"
        return Subject(f"fhir:{local}", found.resource)
    return Subject(f"fhir:{_global_id(literal, reference, found, resolver)}", found.resource if found else None)


def _global_id(literal: str, reference: FhirObject, found: Resolved | None, resolver: Resolver) -> str:
    parts = split_reference(literal)
    if parts is not None:
        base, kind, logical_id, _ = parts
        return f"{kind}/{logical_id}" if resolver.is_same_base(base) else f"{base}/{kind}/{logical_id}"
    if found is not None:
        resource_id = found.resource.get("id")
        if isinstance(resource_id, str) and resource_id:
            return f"{found.resource.get('resourceType')}/{resource_id}"
        return _identifier(found.resource) or literal
    if not literal:
        own = _identifier(reference)
        if own:
            return own
    raise RecordError(DeadLetterReason.UNRESOLVED_REFERENCE, "AdverseEvent.subject")


def _identifier(holder: FhirObject) -> str:
    for identifier in objects(holder.get("identifier"), "identifier"):
        value = identifier.get("value")
        if isinstance(value, str) and value:
            return f"identifier|{identifier.get('system') or ''}|{value}"
    return ""
