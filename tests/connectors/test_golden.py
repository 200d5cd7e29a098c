"""The same case in every shape it can come in gives the same draft."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from cases import CaseVersion, Code, DraftDrug, DraftReaction, DrugRole, Seriousness, SeriousnessCriterion, Sex
from tests.connectors.records import BLEED, MEDICATION, PATIENT, RXNORM, VULCAN, WARFARIN, bundle, draft, event

DIV = {
    "status": "additional",
    "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>She bled &amp; was admitted.</p></div>',
}
NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
CRITERIA = [
    {
        "url": f"{VULCAN}seriousness-criteria",
        "extension": [
            {
                "url": "criterionCode",
                "valueCodeableConcept": {"coding": [{"system": NCIT, "code": "C83052"}]},
            },
            {"url": "criterionPresent", "valueBoolean": True},
        ],
    }
]
CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "id": "c1",
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "271737000", "display": "Anaemia"}]},
}
GIVEN_R4: dict[str, Any] = {
    "resourceType": "MedicationAdministration",
    "id": "a1",
    "status": "completed",
    "subject": {"reference": "Patient/p1"},
    "medicationReference": {"reference": "Medication/m1"},
    "effectiveDateTime": "2026-10-01",
}
GIVEN_R5: dict[str, Any] = {
    **{key: value for key, value in GIVEN_R4.items() if key not in ("medicationReference", "effectiveDateTime")},
    "occurenceDateTime": "2026-10-01",
    "medication": {"reference": {"reference": "Medication/m1"}},
}
SERIOUS = {"coding": [{"code": "Serious"}]}
R4 = event(
    text=DIV,
    seriousness=SERIOUS,
    extension=CRITERIA,
    resultingCondition=[{"reference": "Condition/c1"}],
    suspectEntity=[{"instance": {"reference": "MedicationAdministration/a1"}}],
)
R5 = event(
    text=DIV,
    event=None,
    date=None,
    status="completed",
    code=BLEED,
    occurrenceDateTime="2026-10-01",
    extension=CRITERIA,
    seriousness={"coding": [{"code": "serious"}]},
    resultingEffect=[{"reference": "Condition/c1"}],
    suspectEntity=[{"instanceReference": {"reference": "MedicationAdministration/a1"}}],
)
VULCAN_R4 = event(
    text=DIV,
    seriousness={"coding": [{"code": "serious"}]},
    suspectEntity=None,
    modifierExtension=[{"url": f"{VULCAN}status", "valueCode": "completed"}],
    extension=[
        *CRITERIA,
        {
            "url": f"{VULCAN}suspect-entity",
            "extension": [
                {"url": "instance", "valueReference": {"reference": "MedicationAdministration/a1"}},
                {"url": "causality", "extension": []},
            ],
        },
        {"url": f"{VULCAN}resultingEffect", "valueReference": {"reference": "Condition/c1"}},
    ],
)
CROSS_VERSION = event(
    text=DIV,
    seriousness={"coding": [{"code": "serious"}]},
    suspectEntity=None,
    modifierExtension=[
        {"url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent.status", "valueCode": "completed"}
    ],
    extension=[
        *CRITERIA,
        {
            "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent.suspectEntity",
            "extension": [{"url": "instance", "valueCodeableConcept": WARFARIN}],
        },
        {
            "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent.resultingEffect",
            "valueReference": {"reference": "Condition/c1"},
        },
    ],
)
R5_CODEABLE = {**copy.deepcopy(R5), "suspectEntity": [{"instanceCodeableConcept": WARFARIN}]}
R5_CODEABLE_REFERENCE = {**copy.deepcopy(R5), "suspectEntity": [{"instance": {"concept": WARFARIN}}]}
CONTAINED = {
    **copy.deepcopy(R4),
    "contained": [
        {**MEDICATION, "id": "med"},
        {**GIVEN_R4, "id": "given", "medicationReference": {"reference": "#med"}},
        {**CONDITION, "id": "cond"},
    ],
    "suspectEntity": [{"instance": {"reference": "#given"}}],
    "resultingCondition": [{"reference": "#cond"}],
}


def _urn_bundle() -> dict[str, Any]:
    urls = {name: f"urn:uuid:00000000-0000-4000-8000-00000000000{n}" for n, name in enumerate("epmac")}
    changed = copy.deepcopy(R4)
    changed["subject"] = {"reference": urls["p"]}
    changed["suspectEntity"] = [{"instance": {"reference": urls["a"]}}]
    changed["resultingCondition"] = [{"reference": urls["c"]}]
    given = {**GIVEN_R4, "medicationReference": {"reference": urls["m"]}}
    resources = {"e": changed, "p": PATIENT, "m": MEDICATION, "a": given, "c": CONDITION}
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": urls[name], "resource": resource} for name, resource in resources.items()],
    }


def _message_bundle() -> dict[str, Any]:
    header = {"resourceType": "MessageHeader", "id": "h", "eventCoding": {"code": "PAT_ADV_EVNT"}}
    composition = {"resourceType": "Composition", "id": "note", "status": "final"}
    return bundle(header, composition, R4, PATIENT, MEDICATION, GIVEN_R4, CONDITION, kind="message")


OTHERS = (PATIENT, MEDICATION, GIVEN_R4, CONDITION)
SHAPES: dict[str, Any] = {
    "r4": bundle(R4, *OTHERS),
    "r4 with a base": bundle(R4, *OTHERS, base="https://fhir.example/r4"),
    "r5": bundle(R5, PATIENT, MEDICATION, GIVEN_R5, CONDITION),
    "r5 concept": bundle(R5_CODEABLE, *OTHERS),
    "r5 codeable reference": bundle(R5_CODEABLE_REFERENCE, *OTHERS),
    "vulcan backport": bundle(VULCAN_R4, *OTHERS),
    "cross-version extensions": bundle(CROSS_VERSION, *OTHERS),
    "contained": bundle(CONTAINED, PATIENT),
    "urn:uuid": _urn_bundle(),
    "message": _message_bundle(),
    "lists and objects swapped": bundle(
        {**R4, "suspectEntity": R4["suspectEntity"][0], "event": [BLEED], "unknownElement": {"a": 1}}, *OTHERS
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_same_case_same_draft(shape: str) -> None:
    found = draft(SHAPES[shape])
    assert found == draft(SHAPES["r4"])


def test_the_draft_itself() -> None:
    found = draft(SHAPES["r5"])
    assert found.case_id == "ae1"
    assert found.version == CaseVersion(msgspec.convert("2026-10-02T10:00:00Z", type=type(found.version.updated_at)), 3)
    assert found.patient_id == "fhir:Patient/p1"
    assert found.drugs == (DraftDrug(role=DrugRole.SUSPECT, codes=(Code(RXNORM, "11289"),), text="warfarin"),)
    assert found.reactions == (
        DraftReaction(codes=(Code("http://snomed.info/sct", "74474003"),), text="GI bleeding"),
        DraftReaction(codes=(Code("http://snomed.info/sct", "271737000"),), text="Anaemia"),
    )
    assert found.seriousness == Seriousness.of(SeriousnessCriterion.HOSPITALISATION)
    assert (found.sex, found.age_years, found.event_date) == (Sex.FEMALE, 76.0, "2026-10-01")
    assert found.narrative == "She bled & was admitted."


def test_reading_is_pure_and_repeatable() -> None:
    assert draft(SHAPES["r4"]) == draft(SHAPES["r4"])
