"""Elements of decoded FHIR JSON, taken with care: a wrong shape is a reason code, an unknown field is none.

FHIR repeats an element in one version and not in the next, so `objects` takes one object for a list of one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from cases import Code, DeadLetterReason, RecordError

__all__ = ["FhirObject", "coded", "is_empty_concept", "is_one_of", "objects", "one_object", "text"]

FhirObject: TypeAlias = dict[str, Any]

_NOTHING: Sequence[FhirObject] = ()

# the terminologies that counts are made in first: RxNorm, then ATC for drugs, MedDRA for reactions; then SNOMED CT,
# national systems, and NDC (a package, not an ingredient) last
_PREFERENCE: Mapping[str, int] = {
    "http://www.nlm.nih.gov/research/umls/rxnorm": 0,
    "https://www.meddra.org": 0,
    "http://www.meddra.org": 0,
    "http://www.whocc.no/atc": 1,
    "http://snomed.info/sct": 2,
    "http://hl7.org/fhir/sid/ndc": 4,
}
_NATIONAL = 3


def objects(value: Any, path: str) -> Sequence[FhirObject]:
    """The objects of a repeating element; raises `RecordError` (invalid-structure) for anything else."""
    if value is None:
        return _NOTHING
    if isinstance(value, dict):
        return (value,)
    if isinstance(value, list):
        for item in value:
            if not isinstance(item, dict):
                break
        else:
            return value
    raise RecordError(DeadLetterReason.INVALID_STRUCTURE, f"{path} must hold objects")


def one_object(value: Any, path: str) -> FhirObject | None:
    """The object of an element that does not repeat (the first, where a server repeats it), None where absent."""
    found = objects(value, path)
    return found[0] if found else None


def text(value: Any, path: str) -> str:
    """The text of a primitive element, "" where absent; raises `RecordError` (invalid-structure) for another type."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise RecordError(DeadLetterReason.INVALID_STRUCTURE, f"{path} must be text")


def coded(concept: FhirObject, path: str) -> tuple[tuple[Code, ...], str]:
    """Codes of a CodeableConcept, the preferred systems first, and its words.

    The words are the first display that stands beside a code, as it is the coding system's own term; else
    `text`, which is what somebody typed.
    """
    words = ""
    found = concept.get("coding")
    if found is None:
        return (), text(concept.get("text"), path).strip()
    codes: list[Code] = []
    for coding in objects(found, path):
        code = text(coding.get("code"), path)
        if code:
            codes.append(Code(text(coding.get("system"), path), code))
        if not words:
            words = text(coding.get("display"), path)
    if len(codes) > 1:
        codes.sort(key=lambda code: _PREFERENCE.get(code.system, _NATIONAL))
    return tuple(codes), (words or text(concept.get("text"), path)).strip()


def is_one_of(value: Any, codes: Collection[str]) -> bool:
    """Whether a code is one of `codes`; something that is no text is none."""
    return isinstance(value, str) and value in codes


def is_empty_concept(concept: FhirObject | None) -> bool:
    """Whether a CodeableConcept names nothing."""
    return not concept or not (concept.get("coding") or concept.get("text"))
