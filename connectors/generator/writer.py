"""One generated report as FHIR: a collection Bundle of R4 or R5 with the AdverseEvent first."""

from __future__ import annotations

import html
from datetime import date, datetime
from typing import Any

import msgspec

from connectors.fhir.elements import FhirObject

__all__ = ["Report", "ReportedDrug", "ReportedReaction", "write_bundle"]

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_PV_CORE = "urn:kelsey:pv-core"
_SERIOUSNESS = "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness"
_OUTCOME = "http://terminology.hl7.org/CodeSystem/adverse-event-outcome"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/adverse-event-category"
_DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>{}</p></div>'
_VULCAN = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/"


class ReportedDrug(msgspec.Struct, frozen=True):
    """A drug as one record writes it; `code` is an RxNorm code or ""."""

    words: str
    code: str = ""


class ReportedReaction(msgspec.Struct, frozen=True):
    """A reaction as one record writes it; `code` is a ``pv-core`` code or ""."""

    words: str
    code: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one version of one report says.

    `shape` in [0, 1) decides how the record points to its suspect drug.
    """

    case_id: str
    version: int
    updated_at: datetime
    event_day: date
    patient_id: str
    given_name: str
    family_name: str
    is_woman: bool
    birth_day: date
    suspects: tuple[ReportedDrug, ...]
    concomitant: ReportedDrug | None
    reactions: tuple[ReportedReaction, ...]
    is_serious: bool
    is_fatal: bool
    narrative: str
    shape: float
    is_r5: bool
    status: str = "completed"


def _concept(words: str, system: str, code: str) -> FhirObject:
    if code:
        return {"coding": [{"system": system, "code": code, "display": words}], "text": words}
    return {"text": words}


def _coded(system: str, code: str) -> FhirObject:
    return {"coding": [{"system": system, "code": code}]}


def write_bundle(report: Report) -> FhirObject:
    """The Bundle of `report`, valid by `fhir.resources` for its version."""
    entries: list[FhirObject] = []
    event: FhirObject = {
        "resourceType": "AdverseEvent",
        "id": report.case_id,
        "meta": {
            "versionId": str(report.version),
            "lastUpdated": report.updated_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        },
        "text": {
            "status": "additional",
            "div": _DIV.format(html.escape(report.narrative, quote=False)),
        },
        "actuality": "actual",
        "subject": {"reference": f"Patient/{report.patient_id}"},
        "recordedDate": report.updated_at.date().isoformat(),
        "seriousness": _seriousness(report),
    }
    _status_and_event(event, report)
    _effects(event, entries, report)
    _suspects(event, entries, report)
    entries.insert(0, _patient(report))
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": event}, *({"resource": resource} for resource in entries)],
    }


def _seriousness(report: Report) -> FhirObject:
    code = "serious" if report.is_serious else "non-serious"
    return _coded(_SERIOUSNESS, code if report.is_r5 else code.capitalize())


def _status_and_event(event: FhirObject, report: Report) -> None:
    first = report.reactions[0]
    identifier = {"system": "urn:kelsey:generator", "value": report.case_id}
    outcome = "fatal" if report.is_fatal else "resolved"
    if report.is_r5:
        event.update(
            identifier=[identifier],
            status=report.status,
            code=_concept(first.words, _PV_CORE, first.code),
            occurrenceDateTime=report.event_day.isoformat(),
            outcome=[_coded(_OUTCOME, outcome)],
        )
        return
    event.update(
        identifier=identifier,
        event=_concept(first.words, _PV_CORE, first.code),
        category=[_coded(_CATEGORY, "medication-mishap")],
        date=report.event_day.isoformat(),
        outcome=_coded(_OUTCOME, outcome),
    )
    if report.status != "completed":
        event["modifierExtension"] = [{"url": f"{_VULCAN}status", "valueCode": report.status}]


def _effects(event: FhirObject, entries: list[FhirObject], report: Report) -> None:
    references = []
    for number, reaction in enumerate(report.reactions[1:], start=1):
        condition = {
            "resourceType": "Condition",
            "id": f"{report.case_id}-c{number}",
            "clinicalStatus": _coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
            "verificationStatus": _coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
            "code": _concept(reaction.words, _PV_CORE, reaction.code),
            "subject": {"reference": f"Patient/{report.patient_id}"},
            "onsetDateTime": report.event_day.isoformat(),
        }
        entries.append(condition)
        references.append({"reference": f"Condition/{condition['id']}"})
    if references:
        event["resultingEffect" if report.is_r5 else "resultingCondition"] = references


def _suspects(event: FhirObject, entries: list[FhirObject], report: Report) -> None:
    entities: list[FhirObject] = []
    for number, drug in enumerate(report.suspects, start=1):
        concept = _concept(drug.words, _RXNORM, drug.code)
        medication = {"resourceType": "Medication", "id": f"{report.case_id}-m{number}", "code": concept}
        key = "instanceReference" if report.is_r5 else "instance"
        if report.shape < 0.15:
            event.setdefault("contained", []).append(medication)
            entities.append({key: {"reference": f"#{medication['id']}"}})
        elif report.shape < 0.3 and report.is_r5:
            entities.append({"instanceCodeableConcept": concept})
        elif report.shape < 0.5:
            entries.append(medication)
            entities.append({key: {"reference": f"Medication/{medication['id']}"}})
        else:
            given = _given(report, medication, concept, number)
            entries.append(given)
            if report.shape < 0.8:
                entries.append(medication)
            entities.append({key: {"reference": f"MedicationAdministration/{given['id']}"}})
    event["suspectEntity"] = entities
    if report.concomitant is not None:
        _concomitant(event, entries, report, report.concomitant)


def _given(report: Report, medication: FhirObject, concept: FhirObject, number: int) -> FhirObject:
    is_inline = report.shape >= 0.8
    reference = {"reference": f"Medication/{medication['id']}"}
    given: FhirObject = {
        "resourceType": "MedicationAdministration",
        "id": f"{report.case_id}-a{number}",
        "status": "completed",
        "subject": {"reference": f"Patient/{report.patient_id}"},
    }
    if report.is_r5:
        given["medication"] = {"concept": concept} if is_inline else {"reference": reference}
        given["occurenceDateTime"] = report.event_day.isoformat()  # spelt so in R5
    else:
        given["medicationCodeableConcept" if is_inline else "medicationReference"] = concept if is_inline else reference
        given["effectiveDateTime"] = report.event_day.isoformat()
    return given


def _concomitant(event: FhirObject, entries: list[FhirObject], report: Report, drug: ReportedDrug) -> None:
    concept: Any = _concept(drug.words, _RXNORM, drug.code)
    statement: FhirObject = {
        "resourceType": "MedicationStatement",
        "id": f"{report.case_id}-s1",
        "status": "recorded" if report.is_r5 else "active",
        "subject": {"reference": f"Patient/{report.patient_id}"},
    }
    if report.is_r5:
        statement["medication"] = {"concept": concept}
        event["supportingInfo"] = [{"itemReference": {"reference": f"MedicationStatement/{statement['id']}"}}]
    else:
        statement["medicationCodeableConcept"] = concept
        event.setdefault("extension", []).append(
            {
                "url": f"{_VULCAN}supporting-info",
                "extension": [
                    {"url": "item", "valueReference": {"reference": f"MedicationStatement/{statement['id']}"}}
                ],
            }
        )
    entries.append(statement)


def _patient(report: Report) -> FhirObject:
    return {
        "resourceType": "Patient",
        "id": report.patient_id,
        "identifier": [{"system": "urn:kelsey:generator:patient", "value": report.patient_id}],
        "name": [{"family": report.family_name, "given": [report.given_name]}],
        "gender": "female" if report.is_woman else "male",
        "birthDate": report.birth_day.isoformat(),
    }
