"""Every public FHIR example gives a case or a reason, as the table says."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import RawRecord, RecordError
from connectors import Ignored, read
from connectors.fhir_file import FhirFileSource
from tests.connectors.records import RECEIVED

# folder: what every record of it becomes, and what is passed over
EXPECTED: dict[str, tuple[dict[str, str], dict[str, int]]] = {
    "adverse_event": (
        {
            # the drug is in none of the files, and the reference carries no display
            "AdverseEvent-example.R4.json:1": "unresolved-reference",
            "AdverseEvent-example.R5.json:1": "unresolved-reference",
            "AdverseEvent-example.STU3.json:1": "unresolved-reference",
        },
        {},
    ),
    "ae_research_ig_r5": (
        {
            "AdverseEvent-AdverseEventFromProcedureNotStudyDrug.json:1": "case",
            "AdverseEvent-SeriousAdverseEventResearchStudy.json:1": "case",
            "AdverseEvent-adverse-event-compass-ex1.json:1": "case",
            "AdverseEvent-adverse-event-compass-ex1b.json:1": "case",
            "AdverseEvent-adverse-event-compass-ex2.json:1": "case",
            "AdverseEvent-adverse-event-device-death.json:1": "case",
            "AdverseEvent-clinical-research-ae-example-medwatch-patient-report.json:1": "case",
        },
        {"context": 51, "not-adverse-event": 14},
    ),
    "r4_spec_examples": (
        {"AdverseEvent-example.json:1": "unresolved-reference"},
        {"context": 410, "not-adverse-event": 319},
    ),
    "bulk_synthea/10-patients": ({}, {"context": 3689, "not-adverse-event": 3471}),
}


def _outcome(record: RawRecord) -> str:
    try:
        read(record)
    except RecordError as error:
        return error.reason
    except Ignored as ignored:
        return ignored.reason
    return "case"


@pytest.mark.parametrize("folder", EXPECTED)
def test_folder(shared_data: Path, folder: str) -> None:
    source = FhirFileSource([shared_data / "fhir" / folder], name="files", received_at=lambda: RECEIVED)
    found: dict[str, str] = {}
    skipped: dict[str, int] = {}
    for batch in source.batches(None):
        found |= {record.position: _outcome(record) for record in batch.records}
        for reason, count in batch.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
    assert (found, skipped) == EXPECTED[folder]


def test_every_folder_and_file_is_looked_at(shared_data: Path) -> None:
    root = shared_data / "fhir"
    folders = {str(path.parent.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert folders == set(EXPECTED)


def test_the_three_versions_of_one_example_agree_once_the_drug_is_there(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"resourceType": "Medication", "id": "example", "code": {"text": "amoxicillin"}}')
    drafts = []
    for version in ("R4", "R5", "STU3"):
        files = [shared_data / "fhir" / "adverse_event" / f"AdverseEvent-example.{version}.json", tmp_path / "m.json"]
        (record,) = [
            record
            for batch in FhirFileSource(files, name="files", received_at=lambda: RECEIVED).batches(None)
            for record in batch.records
        ]
        drafts.append(read(record))
    assert len({(draft.drugs, draft.reactions, draft.patient_id, draft.event_date) for draft in drafts}) == 1
    assert drafts[0].seriousness == drafts[1].seriousness
    assert all("mild rash on the left forearm" in draft.narrative for draft in drafts)


def test_suspects_effects_and_criteria_of_a_research_example(shared_data: Path) -> None:
    source = FhirFileSource([shared_data / "fhir" / "ae_research_ig_r5"], name="files", received_at=lambda: RECEIVED)
    records = {record.record_id: record for batch in source.batches(None) for record in batch.records}
    report = read(records["clinical-research-ae-example-medwatch-patient-report"])
    assert [(drug.text, drug.role.value) for drug in report.drugs] == [
        ("bresentrik 15 MG/ML Oral Solution", "suspect"),
        ("Tylenol PM", "concomitant"),
        ("Nasonex", "concomitant"),
        ("Little Pink Pill for water retention", "concomitant"),
    ]
    assert report.reactions[-1].text == "Uncontrollable vomiting"
    assert (report.sex.value, report.age_years, report.seriousness.is_serious) == ("female", 62.0, True)
    death = read(records["adverse-event-device-death"])
    assert [drug.text for drug in death.drugs] == ["KADCYLA"]
    assert [criterion.value for criterion in death.seriousness.criteria] == ["death"]
    procedure = read(records["AdverseEventFromProcedureNotStudyDrug"])
    assert [drug.text for drug in procedure.drugs] == ["montelukast sodium", "Barium"]


def test_xml_is_kept_with_a_reason(shared_data: Path) -> None:
    files = [shared_data / "fhir" / "adverse_event" / "AdverseEvent-example.R5.xml"]
    (batch,) = FhirFileSource(files, name="files", received_at=lambda: RECEIVED).batches(None)
    assert [_outcome(record) for record in batch.records] == ["invalid-json"]
