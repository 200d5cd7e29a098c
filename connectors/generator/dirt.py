"""Broken records of the kinds that arrive in life, each made from a sound Bundle, each with the reason it must give."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from cases import DeadLetterReason, IgnoreReason
from connectors.fhir.elements import FhirObject

__all__ = ["BROKEN_KINDS", "break_bundle"]


def _event(bundle: FhirObject) -> FhirObject:
    event: FhirObject = bundle["entry"][0]["resource"]
    return event


def _edited(edit: Callable[[FhirObject], object]) -> Callable[[FhirObject], bytes]:
    def apply(bundle: FhirObject) -> bytes:
        edit(_event(bundle))
        return msgspec.json.encode(bundle)

    return apply


def _truncated(bundle: FhirObject) -> bytes:
    payload = msgspec.json.encode(bundle)
    return payload[: len(payload) * 2 // 3]


def _not_utf8(bundle: FhirObject) -> bytes:
    return msgspec.json.encode(bundle).replace(b'"actual"', b'"act\xfcal"')


def _wrong_type(bundle: FhirObject) -> bytes:
    return msgspec.json.encode({"resourceType": "Observashun", "id": _event(bundle)["id"], "status": "final"})


def _without_drugs(event: FhirObject) -> None:
    event.pop("suspectEntity")


def _dangling(event: FhirObject) -> None:
    event["suspectEntity"] = [{"instance": {"reference": "Medication/gone"}}]


def _circular(event: FhirObject) -> None:
    event["contained"] = [
        {"resourceType": "Medication", "id": "ring", "ingredient": [{"itemReference": {"reference": "#ring"}}]}
    ]
    event["suspectEntity"] = [{"instance": {"reference": "#ring"}}]


def _without_reactions(event: FhirObject) -> None:
    for element in ("event", "code", "resultingCondition", "resultingEffect"):
        event.pop(element, None)


def _dated(value: str) -> Callable[[FhirObject], None]:
    def apply(event: FhirObject) -> None:
        event["occurrenceDateTime" if "occurrenceDateTime" in event else "date"] = value

    return apply


def _modified(event: FhirObject) -> None:
    event["modifierExtension"] = [{"url": "urn:kelsey:generator:not-really", "valueBoolean": True}]


def _subject(reference: str) -> Callable[[FhirObject], None]:
    def apply(event: FhirObject) -> None:
        event["subject"] = {"reference": reference}

    return apply


def _near_miss(event: FhirObject) -> None:
    event["actuality"] = "potential"


_MAKERS: Mapping[str, Callable[[FhirObject], bytes]] = {
    DeadLetterReason.INVALID_JSON: _truncated,
    DeadLetterReason.INVALID_ENCODING: _not_utf8,
    DeadLetterReason.WRONG_RESOURCE_TYPE: _wrong_type,
    DeadLetterReason.MISSING_SUBJECT: _edited(lambda event: event.pop("subject")),
    DeadLetterReason.SUBJECT_NOT_PATIENT: _edited(_subject("Group/ward-7")),
    DeadLetterReason.UNKNOWN_MODIFIER: _edited(_modified),
    DeadLetterReason.UNRESOLVED_REFERENCE: _edited(_dangling),
    DeadLetterReason.CIRCULAR_REFERENCE: _edited(_circular),
    DeadLetterReason.NO_DRUG: _edited(_without_drugs),
    DeadLetterReason.NO_REACTION: _edited(_without_reactions),
    DeadLetterReason.FUTURE_DATE: _edited(_dated("2071-04-01")),
    DeadLetterReason.INVALID_DATE: _edited(_dated("01/04/2025")),
    IgnoreReason.POTENTIAL: _edited(_near_miss),
}

BROKEN_KINDS: tuple[str, ...] = tuple(str(kind) for kind in _MAKERS)
"""Reason codes that the broken records of the generator give, dead letters first, then what is rightly ignored."""


def break_bundle(bundle: FhirObject, kind: str) -> bytes:
    """`bundle` broken so that reading it gives the reason `kind`; the Bundle itself is used up."""
    return _MAKERS[kind](bundle)
