"""The report beside the reading: it names paths and rules, never values, and stops nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cases import RecordError
from connectors import read
from connectors.fhir import ConformanceIssue, report
from tests.connectors.records import MEDICATION, PATIENT, bundle, event, record
from tests.connectors.test_golden import SHAPES


@pytest.mark.parametrize("shape", ["r4", "r5", "contained", "vulcan backport"])
def test_sound_records_have_no_issues(shape: str) -> None:
    payload: dict[str, Any] = SHAPES[shape]
    if shape == "vulcan backport":  # the guides require a causality, which the example leaves empty
        payload = msgspec.json.decode(msgspec.json.encode(payload))
        del payload["entry"][0]["resource"]["extension"][1]["extension"][1]
    assert report(record(payload)) == []


def test_a_record_that_reads_well_may_still_have_issues() -> None:
    payload = bundle(event(newElement="Jane Canary", actuality=None), PATIENT, MEDICATION)
    assert read(record(payload)).case_id == "ae1"
    issues = report(record(payload))
    assert ConformanceIssue("AdverseEvent", "R4B", "newElement", "extra_forbidden") in issues
    assert "Canary" not in repr(issues)


def test_the_librarys_own_accidents_are_issues() -> None:
    contained = event(contained=[{"resourceType": "Nothing", "id": "x"}])
    issues = report(record(contained))
    assert issues
    assert {issue.resource_type for issue in issues} == {"AdverseEvent"}


def test_deletions_and_what_cannot_be_decoded() -> None:
    assert report(record(b"", is_deleted=True, record_id="a")) == []
    with pytest.raises(RecordError):
        report(record(b"{"))
    assert report(record({"resourceType": "Bundle", "entry": [{"resource": event()}, {"resource": {}}]}))
