"""What `fhir.resources` finds in a record: a report beside the reading, never a gate before it.

The library is too strict to gate on (an unknown field is an error, so a newer server's records would all be refused)
and too lax (unknown codes pass, a wrong contained type raises a bare KeyError). As a report it tells a site what to
ask its server's vendor for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from pydantic import ValidationError

from cases import RawRecord
from connectors.fhir.elements import FhirObject
from connectors.fhir.reader import decode_record

__all__ = ["ConformanceIssue", "report"]

_R5_ELEMENTS = frozenset({"status", "code", "occurrenceDateTime", "occurrencePeriod", "resultingEffect", "note"})


class ConformanceIssue(msgspec.Struct, frozen=True):
    """One departure from the standard: resource type, FHIR version, element path and rule; never a value."""

    resource_type: str
    fhir_version: str
    path: str
    rule: str


def report(record: RawRecord) -> list[ConformanceIssue]:
    """Every departure in the resources of a record of the format ``fhir``, in the record's order.

    The version is guessed from the AdverseEvent's elements: R5 or R4B (which describes R4 as well). Raises
    `cases.RecordError` where the payload cannot be decoded at all.
    """
    if record.is_deleted:
        return []
    event, entries = decode_record(record.payload)
    resources = [entry["resource"] for entry in entries if isinstance(entry, dict) and "resource" in entry] or [event]
    version = "R5" if _is_r5(event) else "R4B"
    return [issue for resource in resources for issue in _issues(resource, version)]


def _is_r5(event: FhirObject) -> bool:
    entities = event.get("suspectEntity")
    first = entities[0] if isinstance(entities, list) and entities and isinstance(entities[0], dict) else {}
    return not _R5_ELEMENTS.isdisjoint(event) or "instanceReference" in first or "instanceCodeableConcept" in first


def _issues(resource: Any, version: str) -> Iterator[ConformanceIssue]:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str):
        yield ConformanceIssue("", version, "resourceType", "missing")
        return
    try:
        _model(kind, version).model_validate(resource)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_context=False, include_input=False):
            yield ConformanceIssue(kind, version, ".".join(map(str, found["loc"])), found["type"])
    except (KeyError, ValueError, TypeError, RecursionError) as error:  # a type it does not know, contained or not
        yield ConformanceIssue(kind, version, "", type(error).__name__)


def _model(kind: str, version: str) -> Any:
    # the library costs a fifth of a second to import and only those who ask for the report need it
    if version == "R5":
        from fhir.resources import get_fhir_model_class
    else:
        from fhir.resources.R4B import get_fhir_model_class
    return get_fhir_model_class(kind)
