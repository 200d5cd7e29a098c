"""Gates, versions, people, dates, seriousness and free text of the FHIR reader."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cases import CaseVersion, IgnoreReason, Seriousness, SeriousnessCriterion, Sex
from connectors import Ignored, read
from connectors.fhir.narrative import MAXIMUM_NARRATIVE_CHARACTERS, plain_text
from tests.connectors.records import (
    BLEED,
    MEDICATION,
    PATIENT,
    RECEIVED,
    VULCAN,
    WARFARIN,
    bundle,
    draft,
    event,
    outcome,
    record,
)


def _alone(**changes: Any) -> dict[str, Any]:
    """An event that needs no other resource."""
    return event(contained=[{**MEDICATION, "id": "m"}], suspectEntity=[{"instance": {"reference": "#m"}}], **changes)


class TestStatus:
    def test_entered_in_error_takes_the_case_back_and_names_the_patient(self) -> None:
        found = draft(_alone(status="entered-in-error"))
        assert (found.is_nullified, found.case_id, found.patient_id) == (True, "ae1", "fhir:Patient/p1")

    @pytest.mark.parametrize(
        "changes",
        [
            {"modifierExtension": [{"url": f"{VULCAN}status", "valueCode": "entered-in-error"}]},
            {"meta": {"tag": [{"code": "entered-in-error"}]}},
            {"status": "entered-in-error", "subject": None},
            {"status": "entered-in-error", "actuality": "potential"},
        ],
    )
    def test_every_way_of_saying_so(self, changes: dict[str, Any]) -> None:
        assert outcome(_alone(**changes)) == "nullified"

    def test_a_deletion_takes_the_case_back(self) -> None:
        gone = record(b"", is_deleted=True, record_id="ae1", version_id="9", updated_at=RECEIVED)
        found = read(gone)
        assert (found.is_nullified, found.case_id, found.version) == (True, "ae1", CaseVersion(RECEIVED, 9))

    def test_a_deletion_without_id_is_kept(self) -> None:
        assert outcome(b"", is_deleted=True) == "missing-id"

    def test_a_near_miss_is_ignored_and_can_still_be_taken_back(self) -> None:
        with pytest.raises(Ignored) as caught:
            draft(_alone(actuality="potential"))
        assert caught.value.reason == IgnoreReason.POTENTIAL
        assert caught.value.retraction is not None
        assert caught.value.retraction.is_nullified

    def test_missing_actuality_is_read_as_actual_and_an_unknown_one_is_not(self) -> None:
        assert outcome(_alone(actuality=None)) == "case"
        assert outcome(_alone(actuality="imagined")) == "invalid-structure"

    @pytest.mark.parametrize(
        "changes",
        [
            {"modifierExtension": [{"url": "urn:example:negated", "valueBoolean": True}]},
            {"modifierExtension": [{"url": f"{VULCAN}status"}]},
            {"implicitRules": "urn:example:rules"},
            {"suspectEntity": [{"modifierExtension": [{"url": "x"}], "instance": {"display": "warfarin"}}]},
        ],
    )
    def test_unknown_modifiers_forbid_reading(self, changes: dict[str, Any]) -> None:
        assert outcome(event(**changes)) == "unknown-modifier"

    def test_unknown_modifiers_of_what_is_read_with_it_too(self) -> None:
        modified = {**MEDICATION, "modifierExtension": [{"url": "urn:example:not"}]}
        assert outcome(bundle(event(), modified)) == "unknown-modifier"

    def test_unknown_extensions_and_elements_are_passed_over(self) -> None:
        assert outcome(_alone(extension=[{"url": "urn:example:ward", "valueString": "7"}], newer={"a": 1})) == "case"


class TestVersion:
    def test_from_the_record_its_carrier_or_its_arrival(self) -> None:
        arrival = RECEIVED - timedelta(hours=1)
        assert draft(_alone()).version == CaseVersion(datetime(2026, 10, 2, 10, tzinfo=UTC), 3)
        assert draft(_alone(meta=None), updated_at=arrival, version_id="5").version == CaseVersion(arrival, 5)
        assert draft(_alone(meta=None)).version == CaseVersion(RECEIVED, 0)

    @pytest.mark.parametrize("version", ["b6f3", "٣", "9" * 40, ""])
    def test_a_version_that_is_no_counter_counts_nothing(self, version: str) -> None:
        assert draft(_alone(meta={"versionId": version})).version.sequence == 0

    def test_a_zone_with_a_dot_is_understood(self) -> None:
        found = draft(_alone(meta={"lastUpdated": "2026-10-02T10:00:00.5+02.00"}))
        assert found.version.updated_at == datetime(2026, 10, 2, 8, 0, 0, 500_000, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("updated", "reason"),
        [
            ("2026-10-02", "invalid-date"),
            ("2026-10-02T10:00:00", "invalid-date"),
            ("yesterday", "invalid-date"),
            ("2031-10-02T10:00:00Z", "future-date"),
        ],
    )
    def test_a_change_that_cannot_be(self, updated: str, reason: str) -> None:
        assert outcome(_alone(meta={"lastUpdated": updated})) == reason

    def test_the_id_falls_back_to_the_carrier_and_the_business_identifier(self) -> None:
        assert draft(_alone(id=None), record_id="r1").case_id == "r1"
        assert draft(_alone(id=None, identifier={"system": "urn:x", "value": "7"})).case_id == "urn:x|7"
        assert outcome(_alone(id=None)) == "missing-id"


class TestSubject:
    @pytest.mark.parametrize(
        ("subject", "reason"),
        [
            (None, "missing-subject"),
            ({"display": "Jane Example"}, "missing-subject"),
            ({"reference": "Group/g"}, "subject-not-patient"),
            ({"reference": "Practitioner/x"}, "subject-not-patient"),
            ({"reference": "RelatedPerson/x"}, "subject-not-patient"),
            ({"identifier": {"value": "g"}, "type": "Group"}, "subject-not-patient"),
            ({"reference": "urn:uuid:1"}, "unresolved-reference"),
            ({"reference": "#nobody"}, "unresolved-reference"),
            ("Patient/p1", "invalid-structure"),
            ({"reference": 7}, "invalid-structure"),
        ],
    )
    def test_nobody_to_count(self, subject: Any, reason: str) -> None:
        assert outcome(_alone(subject=subject)) == reason

    @pytest.mark.parametrize(
        ("subject", "patient_id"),
        [
            ({"reference": "Patient/p1"}, "fhir:Patient/p1"),
            ({"reference": "Patient/p1/_history/4"}, "fhir:Patient/p1"),
            ({"reference": "https://else.example/r4/Patient/p1"}, "fhir:https://else.example/r4/Patient/p1"),
            ({"reference": "ResearchSubject/s1"}, "fhir:ResearchSubject/s1"),
            ({"identifier": {"system": "urn:mrn", "value": "77"}}, "fhir:identifier|urn:mrn|77"),
        ],
    )
    def test_ids(self, subject: dict[str, Any], patient_id: str) -> None:
        assert draft(_alone(subject=subject)).patient_id == patient_id

    def test_a_patient_has_one_id_however_the_record_points_to_it(self) -> None:
        patient = {**PATIENT, "identifier": [{"system": "urn:mrn", "value": "77"}]}
        base = "https://fhir.example/r4"
        pointers: list[dict[str, Any]] = [
            {"reference": "Patient/p1"},
            {"reference": f"{base}/Patient/p1"},
            {"type": "Patient", "identifier": {"system": "urn:mrn", "value": "77"}},
        ]
        found = {
            draft(bundle(event(subject=pointer), patient, MEDICATION, base=base)).patient_id for pointer in pointers
        }
        assert found == {"fhir:Patient/p1"}

    @pytest.mark.parametrize("element", ["individual", "subject"])
    def test_a_research_subject_is_the_patient_behind_it(self, element: str) -> None:
        behind = {"resourceType": "ResearchSubject", "id": "s1", element: {"reference": "Patient/p1"}}
        found = draft(bundle(event(subject={"reference": "ResearchSubject/s1"}), behind, PATIENT, MEDICATION))
        assert (found.patient_id, found.sex) == ("fhir:Patient/p1", Sex.FEMALE)

    def test_contained_patients_of_two_records_stay_two(self) -> None:
        contained = [{**MEDICATION, "id": "m"}, {"resourceType": "Patient", "id": "p", "gender": "male"}]
        both = [
            draft({**_alone(id=name, subject={"reference": "#p"}), "contained": contained}) for name in ("one", "two")
        ]
        assert both[0].patient_id != both[1].patient_id
        assert both[0].sex is Sex.MALE

    @pytest.mark.parametrize(
        ("patient", "sex", "age"),
        [
            ({"gender": "other", "birthDate": "1990-10-01"}, Sex.OTHER, 36.0),
            ({"gender": "nonsense", "birthDate": "1990"}, Sex.UNKNOWN, 36.75),
            ({"birthDate": "2027-01-01"}, Sex.UNKNOWN, None),
            ({"birthDate": "1790-01-01"}, Sex.UNKNOWN, None),
            ({"birthDate": "01.10.1990", "gender": "male"}, Sex.MALE, None),
            ({"gender": "male", "birthDate": "1990-10-01", "modifierExtension": [{"url": "x"}]}, Sex.UNKNOWN, None),
        ],
    )
    def test_sex_and_age(self, patient: dict[str, Any], sex: Sex, age: float | None) -> None:
        found = draft(bundle(event(), {"resourceType": "Patient", "id": "p1", **patient}, MEDICATION))
        assert (found.sex, found.age_years) == (sex, age)


class TestDates:
    @pytest.mark.parametrize(
        "written", ["2026", "2026-10", "2026-10-01", "2026-10-01T08:00:00+02:00", "2026-10-01T08:00Z"]
    )
    def test_partial_dates_are_kept_as_written(self, written: str) -> None:
        assert draft(_alone(date=written)).event_date == written

    @pytest.mark.parametrize(
        "written", ["2026-13-01", "2026-02-30", "01/10/2026", "20261001", "0000", "2026-W01-1", ""]
    )
    def test_impossible_dates(self, written: str) -> None:
        assert outcome(_alone(date=written)) == ("case" if not written else "invalid-date")

    def test_the_future_begins_a_day_after_arrival(self) -> None:
        arrival = RECEIVED.date()
        assert outcome(_alone(date=(arrival + timedelta(days=1)).isoformat())) == "case"
        assert outcome(_alone(date=(arrival + timedelta(days=3)).isoformat())) == "future-date"
        assert outcome(_alone(recordedDate="2031-01-01")) == "future-date"
        assert outcome(_alone(detected="2031-01-01")) == "future-date"

    def test_r5_occurrences_and_detection(self) -> None:
        for changes in (
            {"occurrenceDateTime": "2026-09-09"},
            {"occurrencePeriod": {"start": "2026-09-09", "end": "2026-09-10"}},
            {"occurrenceTiming": {"event": ["2026-09-09"]}},
            {"detected": "2026-09-09"},
        ):
            assert draft(_alone(date=None, **changes)).event_date == "2026-09-09"
        assert draft(_alone(date=None, recordedDate="2026-09-09")).event_date is None


class TestSeriousness:
    @pytest.mark.parametrize(
        ("stated", "is_serious"),
        [("Serious", True), ("serious", True), ("Non-serious", False), ("non-serious", False), ("Mild", None)],
    )
    def test_stated_in_any_case(self, stated: str, is_serious: bool | None) -> None:
        assert draft(_alone(seriousness={"coding": [{"code": stated}]})).seriousness.is_serious is is_serious

    def test_not_stated_is_not_known(self) -> None:
        assert draft(_alone(seriousness=None)).seriousness == Seriousness()

    @pytest.mark.parametrize("outcomes", [{"coding": [{"code": "fatal"}]}, [{"coding": [{"code": "C48275"}]}]])
    def test_a_fatal_outcome_outweighs_a_statement(self, outcomes: Any) -> None:
        found = draft(_alone(seriousness={"text": "non-serious"}, outcome=outcomes)).seriousness
        assert found == Seriousness.of(SeriousnessCriterion.DEATH)

    def test_a_criterion_that_is_absent_is_none(self) -> None:
        def criterion(code: str, is_present: bool) -> dict[str, Any]:
            return {
                "url": f"{VULCAN}seriousness-criteria",
                "extension": [
                    {"url": "criterionPresent", "valueBoolean": is_present},
                    {"url": "criterionCode", "valueCodeableConcept": {"coding": [{"code": code}]}},
                ],
            }

        found = draft(_alone(extension=[criterion("C48275", False), criterion("C84266", True), criterion("C9", True)]))
        assert found.seriousness == Seriousness.of(SeriousnessCriterion.LIFE_THREATENING)


class TestReactions:
    def test_event_and_effects_once_each(self) -> None:
        nausea = {"resourceType": "Condition", "id": "c", "code": {"text": "nausea"}}
        finding = {
            "resourceType": "Observation",
            "id": "o",
            "code": {"text": "finding"},
            "valueCodeableConcept": {"text": "rash"},
        }
        found = draft(
            bundle(
                event(
                    resultingCondition=[
                        {"reference": "Condition/c"},
                        {"reference": "Condition/c"},
                        {"display": "fall"},
                    ],
                    resultingEffect=[{"reference": "Observation/o"}, {"concept": {"text": "cough"}}],
                ),
                MEDICATION,
                nausea,
                finding,
            )
        )
        assert [reaction.text for reaction in found.reactions] == ["GI bleeding", "nausea", "fall", "rash", "cough"]

    @pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
    def test_a_refuted_condition_is_none(self, status: str) -> None:
        refuted = {
            "resourceType": "Condition",
            "id": "c",
            "code": {"text": "nausea"},
            "verificationStatus": {"coding": [{"code": status}]},
        }
        payload = bundle(event(event=None, resultingCondition=[{"reference": "Condition/c"}]), MEDICATION, refuted)
        assert outcome(payload) == "no-reaction"

    def test_nothing_or_nothing_to_be_had(self) -> None:
        assert outcome(_alone(event=None)) == "no-reaction"
        assert outcome(_alone(event={})) == "no-reaction"
        assert (
            outcome(_alone(event=None, resultingCondition=[{"reference": "Condition/gone"}])) == "unresolved-reference"
        )


class TestNarrative:
    def test_all_four_places_in_order_and_each_once(self) -> None:
        letter = base64.b64encode(b"<p>Letter &amp; more</p>").decode()
        document = {
            "resourceType": "DocumentReference",
            "id": "d",
            "description": "discharge",
            "content": [
                {"attachment": {"contentType": "text/html", "data": letter}},
                {"attachment": {"contentType": "application/pdf", "data": "JVBERg=="}},
                {"attachment": {"contentType": "text/plain", "url": "Binary/b"}},
            ],
        }
        binary = {
            "resourceType": "Binary",
            "id": "b",
            "contentType": "text/plain",
            "data": base64.b64encode(b"bytes").decode(),
        }
        found = draft(
            bundle(
                event(
                    event={**BLEED, "text": "bled a lot"},
                    note=[{"text": "a note"}, {"text": "a note"}],
                    text={"status": "generated", "div": "<div><p>She\u00a0 bled.</p><br/><b>Twice</b></div>"},
                    extension=[{"url": f"{VULCAN}note", "valueAnnotation": {"text": "vulcan note"}}],
                    referenceDocument=[{"reference": "DocumentReference/d"}],
                ),
                MEDICATION,
                document,
                binary,
            )
        )
        assert found.narrative.split("\n\n") == [
            "bled a lot",
            "a note",
            "vulcan note",
            "She bled. Twice",
            "discharge",
            "Letter & more",
            "bytes",
        ]

    def test_five_megabytes_are_oversized(self) -> None:
        assert outcome(_alone(note=[{"text": "bled " * 1_000_000}])) == "oversized"
        half = "x" * (MAXIMUM_NARRATIVE_CHARACTERS // 2)
        assert outcome(_alone(note=[{"text": half}])) == "case"
        assert outcome(_alone(note=[{"text": half}, {"text": half}, {"text": "y"}])) == "oversized"
        data = base64.b64encode(b"z" * (MAXIMUM_NARRATIVE_CHARACTERS + 9)).decode()
        document = {
            "resourceType": "DocumentReference",
            "id": "d",
            "content": {"attachment": {"contentType": "text/plain", "data": data}},
        }
        letter = event(
            contained=[{**MEDICATION, "id": "m"}, document], suspectEntity=[{"instance": {"reference": "#m"}}]
        )
        assert outcome({**letter, "referenceDocument": [{"reference": "#d"}]}) == "oversized"

    @pytest.mark.parametrize("hostile", ["<" * 100_000, "<a " * 50_000, "&" * 100_000, "&lt;" * 50_000])
    def test_hostile_markup_takes_linear_time(self, hostile: str) -> None:
        start = time.process_time()
        plain_text(hostile)
        assert time.process_time() - start < 1.0

    def test_markup_is_taken_off_not_interpreted(self) -> None:
        assert plain_text('<p onclick="x()">a</p><script>b</script>&lt;i&gt;') == "a b <i>"


def test_suspect_concept_without_anything_is_no_drug() -> None:
    assert outcome(event(suspectEntity=[{"instanceCodeableConcept": {}}])) == "no-drug"
    assert outcome(event(suspectEntity=[{"instance": {"coding": []}}])) == "no-drug"
    assert draft(event(suspectEntity=[{"instance": WARFARIN}])).drugs[0].text == "warfarin"
