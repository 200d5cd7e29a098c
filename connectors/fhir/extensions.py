"""Extensions the reader knows, by one name whatever guide they come from; modifier extensions it does not know.

The Vulcan R4 backport carries R5 elements of AdverseEvent as extensions of its own, the R5-in-R4 cross-version package
as others. An unknown extension is passed over; an unknown *modifier* extension forbids reading the resource.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cases import DeadLetterReason, RecordError
from connectors.fhir.elements import FhirObject, objects

__all__ = ["Extensions", "item_of", "modifier_status", "refuse_modifiers"]

_VULCAN = (
    "http://hl7.org/fhir/uv/ae-research-backport-ig/StructureDefinition/",
    "http://hl7.org/fhir/uv/ae-research-ig/StructureDefinition/",
)
_CROSS_VERSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-AdverseEvent."
_CROSS_VERSION_NAMES: Mapping[str, str] = {
    "suspectEntity": "suspect-entity",
    "supportingInfo": "supporting-info",
    "contributingFactor": "contributing-factor",
}


def _name(url: object) -> str:
    if isinstance(url, str):
        for base in _VULCAN:
            if url.startswith(base):
                return url[len(base) :]
        if url.startswith(_CROSS_VERSION):
            name = url[len(_CROSS_VERSION) :]
            return _CROSS_VERSION_NAMES.get(name, name)
    return ""


class Extensions:
    """The known extensions of one AdverseEvent."""

    __slots__ = ("_known",)

    def __init__(self, resource: FhirObject) -> None:
        self._known: dict[str, list[FhirObject]] = {}
        for extension in objects(resource.get("extension"), "extension"):
            if name := _name(extension.get("url")):
                self._known.setdefault(name, []).append(extension)

    def __getitem__(self, name: str) -> list[FhirObject]:
        return self._known.get(name, [])

    def parts(self, name: str, part: str) -> Iterator[FhirObject]:
        """The sub-extensions `part` of every extension `name`."""
        for extension in self[name]:
            for inner in objects(extension.get("extension"), f"extension({name})"):
                if inner.get("url") == part:
                    yield inner


def item_of(holder: FhirObject, *elements: str) -> FhirObject | None:
    """The first of `elements` that `holder` has, as an object; extensions name theirs ``value...``."""
    for element in elements:
        value = holder.get(element)
        if value is not None:
            found = objects(value, element)
            return found[0] if found else None
    return None


def modifier_status(resource: FhirObject) -> str:
    """The status an R4 AdverseEvent carries as a modifier extension, "" where none.

    Raises `RecordError` (unknown-modifier) for every other modifier extension and for `implicitRules`.
    """
    status = ""
    for extension in objects(resource.get("modifierExtension"), "modifierExtension"):
        if _name(extension.get("url")) != "status":
            raise RecordError(DeadLetterReason.UNKNOWN_MODIFIER, "AdverseEvent.modifierExtension")
        value = extension.get("valueCode")
        if not isinstance(value, str):
            raise RecordError(DeadLetterReason.UNKNOWN_MODIFIER, "status without valueCode")
        status = value
    if resource.get("implicitRules"):
        raise RecordError(DeadLetterReason.UNKNOWN_MODIFIER, "AdverseEvent.implicitRules")
    return status


def refuse_modifiers(resource: FhirObject, path: str) -> None:
    """Raise `RecordError` (unknown-modifier) where an element or resource carries any modifier extension."""
    if resource.get("modifierExtension"):
        raise RecordError(DeadLetterReason.UNKNOWN_MODIFIER, f"{path}.modifierExtension")
