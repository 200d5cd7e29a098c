"""Every way to point to a suspect drug, times everything it can point to, times the status gates."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cases import DraftDrug
from tests.connectors.records import MEDICATION, PATIENT, WARFARIN, bundle, draft, event, outcome

BASE = "https://fhir.hospital.example/r4"
URN = "urn:uuid:7d9c1f2e-1111-4222-8333-444455556666"
IDENTIFIER = {"system": "urn:example:orders", "value": "o-77"}

TARGETS: dict[str, dict[str, Any]] = {
    "Medication": {"resourceType": "Medication", "code": WARFARIN},
    "Medication by ingredient R4": {
        "resourceType": "Medication",
        "ingredient": [
            {"itemCodeableConcept": WARFARIN},
            {"itemCodeableConcept": {"text": "starch"}, "isActive": False},
        ],
    },
    "Medication by ingredient R5": {"resourceType": "Medication", "ingredient": [{"item": {"concept": WARFARIN}}]},
    "Substance R4": {"resourceType": "Substance", "code": WARFARIN},
    "Substance R5": {"resourceType": "Substance", "code": {"concept": WARFARIN}},
    "MedicationAdministration R4": {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": WARFARIN,
    },
    "MedicationAdministration R5": {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medication": {"concept": WARFARIN},
    },
    "MedicationStatement R4": {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationReference": {"reference": "#inner"},
        "contained": [{**MEDICATION, "id": "inner"}],
    },
    "MedicationStatement R5": {
        "resourceType": "MedicationStatement",
        "status": "recorded",
        "medication": {"concept": WARFARIN},
    },
    "MedicationRequest": {
        "resourceType": "MedicationRequest",
        "status": "active",
        "medicationCodeableConcept": WARFARIN,
    },
    "MedicationDispense": {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": WARFARIN,
    },
    "Immunization": {"resourceType": "Immunization", "status": "completed", "vaccineCode": WARFARIN},
    "Immunization R5": {
        "resourceType": "Immunization",
        "status": "completed",
        "administeredProduct": {"concept": WARFARIN},
    },
    "Device": {"resourceType": "Device"},
    "Procedure": {"resourceType": "Procedure", "status": "completed"},
}
REFERENCES = ("contained", "urn", "absolute", "relative", "versioned", "identifier", "display")
NOT_DRUGS = {"Device", "Procedure"}


def _payload(kind: str, target: dict[str, Any], *, status: str | None = None) -> dict[str, Any]:
    """An event that points to `target` in the given way."""
    target = copy.deepcopy(target)
    if status is not None:
        target["status"] = status
    name = target["resourceType"]
    if kind == "contained":
        inner = target.pop("contained", [])
        target["id"] = "t"
        return event(contained=[target, *inner], suspectEntity=[{"instance": {"reference": "#t"}}])
    target.update(id="t", identifier=[IDENTIFIER], meta={"versionId": "2"})
    entries: list[dict[str, Any]] = [{"fullUrl": f"{BASE}/AdverseEvent/ae1"}, {"fullUrl": f"{BASE}/{name}/t"}]
    reference: dict[str, Any] = {
        "urn": {"reference": URN},
        "absolute": {"reference": f"{BASE}/{name}/t"},
        "relative": {"reference": f"{name}/t"},
        "versioned": {"reference": f"{name}/t/_history/2"},
        "identifier": {"type": name, "identifier": IDENTIFIER},
        "display": {"display": "Warfarin 5 mg"},
    }[kind]
    if kind == "urn":
        entries[1]["fullUrl"] = URN
    if kind == "display":
        reference["type"] = name
        entries.pop()
    entries[0]["resource"] = event(suspectEntity=[{"instance": reference}])
    if len(entries) > 1:
        entries[1]["resource"] = target
    return {"resourceType": "Bundle", "type": "collection", "entry": [*entries, {"resource": PATIENT}]}


@pytest.mark.parametrize("kind", REFERENCES)
@pytest.mark.parametrize("target", TARGETS)
def test_reference_kind_times_target(kind: str, target: str) -> None:
    payload = _payload(kind, TARGETS[target])
    if target in NOT_DRUGS:
        assert outcome(payload) == "no-drug"
        return
    (drug,) = draft(payload).drugs
    if kind == "display":
        assert drug == DraftDrug(role=drug.role, text="Warfarin 5 mg", is_display_only=True)
    else:
        assert (drug.codes[0].code, drug.text, drug.is_display_only) == ("11289", "warfarin", False)


GATES = [
    ("Medication", "entered-in-error"),
    ("Substance R4", "entered-in-error"),
    ("MedicationAdministration R4", "entered-in-error"),
    ("MedicationAdministration R4", "not-done"),
    ("MedicationAdministration R5", "not-done"),
    ("MedicationStatement R4", "entered-in-error"),
    ("MedicationStatement R4", "not-taken"),
    ("MedicationStatement R5", "draft"),
    ("MedicationRequest", "entered-in-error"),
    ("MedicationRequest", "draft"),
    ("MedicationDispense", "entered-in-error"),
    ("Immunization", "entered-in-error"),
    ("Immunization", "not-done"),
]


@pytest.mark.parametrize("kind", [kind for kind in REFERENCES if kind != "display"])
@pytest.mark.parametrize(("target", "status"), GATES)
def test_status_gates(kind: str, target: str, status: str) -> None:
    assert outcome(_payload(kind, TARGETS[target], status=status)) == "not-done"


def test_one_drug_given_one_not_counts_the_given_one() -> None:
    not_given = {**TARGETS["MedicationAdministration R4"], "id": "n", "status": "not-done"}
    payload = bundle(
        event(
            suspectEntity=[
                {"instance": {"reference": "MedicationAdministration/n"}},
                {"instance": {"reference": "Medication/m1"}},
            ]
        ),
        MEDICATION,
        not_given,
    )
    assert len(draft(payload).drugs) == 1


def test_another_servers_resource_is_not_taken_for_ours() -> None:
    elsewhere = event(suspectEntity=[{"instance": {"reference": "https://other.example/r4/Medication/m1"}}])
    assert outcome(bundle(elsewhere, MEDICATION, base=BASE)) == "unresolved-reference"
    elsewhere["suspectEntity"][0]["instance"]["display"] = "warfarin"
    (drug,) = draft(bundle(elsewhere, MEDICATION, base=BASE)).drugs
    assert drug.is_display_only


def test_another_version_is_not_taken_for_the_asked_one() -> None:
    pointed = event(suspectEntity=[{"instance": {"reference": "Medication/m1/_history/7"}}])
    versions = [{**MEDICATION, "meta": {"versionId": "6"}}, {**MEDICATION, "meta": {"versionId": "8"}}]
    assert outcome(bundle(pointed, *versions)) == "unresolved-reference"
    wanted = {**MEDICATION, "meta": {"versionId": "7"}, "code": {"text": "the seventh"}}
    assert draft(bundle(pointed, *versions, wanted)).drugs[0].text == "the seventh"


@pytest.mark.parametrize(
    "contained",
    [
        [{"resourceType": "Medication", "id": "a", "ingredient": [{"itemReference": {"reference": "#a"}}]}],
        [
            {"resourceType": "Medication", "id": "a", "ingredient": [{"item": {"reference": {"reference": "#b"}}}]},
            {"resourceType": "Substance", "id": "b", "ingredient": [{"substanceReference": {"reference": "#a"}}]},
        ],
        [{"resourceType": "MedicationStatement", "id": "a", "medicationReference": {"reference": "#"}}],
    ],
)
def test_circles_end(contained: list[dict[str, Any]]) -> None:
    payload = event(contained=contained, suspectEntity=[{"instance": {"reference": "#a"}}])
    assert outcome(payload) == "circular-reference"


def test_too_many_references_are_refused_and_sixty_are_not() -> None:
    def many(count: int) -> dict[str, Any]:
        return event(suspectEntity=[{"instance": {"reference": "Medication/m1"}} for _ in range(count)])

    assert outcome(bundle(many(60), MEDICATION)) == "case"
    assert outcome(bundle(many(70), MEDICATION)) == "too-many-references"


def test_a_long_chain_is_refused() -> None:
    chain = [
        {"resourceType": "Medication", "id": f"c{n}", "ingredient": [{"itemReference": {"reference": f"#c{n + 1}"}}]}
        for n in range(40)
    ]
    payload = event(contained=chain, suspectEntity=[{"instance": {"reference": "#c0"}}])
    assert outcome(payload) == "too-many-references"


@pytest.mark.parametrize("version", ["R4", "R5", "Vulcan"])
def test_other_medicines_are_concomitant_and_treatments_are_none(version: str) -> None:
    statement: dict[str, Any] = {
        "resourceType": "MedicationStatement",
        "id": "s",
        "status": "recorded",
        "medication": {"concept": {"text": "metformin"}},
    }
    vaccine: dict[str, Any] = {
        "resourceType": "Immunization",
        "id": "s",
        "status": "completed",
        "vaccineCode": {"text": "metformin"},
    }
    item: dict[str, Any] = {"itemReference": {"reference": "MedicationStatement/s"}}
    url = "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/supporting-info"
    extension = {
        "url": url,
        "extension": [{"url": "item", "valueReference": {"reference": "MedicationStatement/s"}}],
    }
    treated = [{"itemReference": {"reference": "MedicationStatement/t"}}]
    elements: dict[str, Any] = {
        "R4": {"subjectMedicalHistory": [{"reference": "Immunization/s"}]},
        "R5": {"supportingInfo": [item, {"itemReference": {"reference": "MedicationStatement/gone"}}]},
        "Vulcan": {"extension": [extension]},
    }[version]
    other: dict[str, Any] = vaccine if version == "R4" else statement
    found = draft(
        bundle(
            event(mitigatingAction=treated, **elements),
            MEDICATION,
            other,
            {**statement, "id": "t", "medication": {"concept": {"text": "treatment"}}},
        )
    )
    assert [(drug.text, drug.role.value) for drug in found.drugs] == [
        ("warfarin", "suspect"),
        ("metformin", "concomitant"),
    ]


def test_ingredient_codes_come_before_package_codes() -> None:
    concept = {
        "coding": [
            {"system": "http://hl7.org/fhir/sid/ndc", "code": "0056-0169"},
            {"system": "urn:oid:1.2.276.0.76.4.6", "code": "123"},
            {"system": "http://www.whocc.no/atc", "code": "B01AA03"},
            {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "11289"},
        ]
    }
    (drug,) = draft(bundle(event(), {**MEDICATION, "code": concept})).drugs
    assert [code.code for code in drug.codes] == ["11289", "B01AA03", "123", "0056-0169"]
