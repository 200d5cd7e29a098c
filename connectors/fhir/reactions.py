"""From an AdverseEvent to its reactions: what happened, and every effect it led to."""

from __future__ import annotations

from cases import DraftReaction
from connectors.fhir.elements import FhirObject, coded, is_empty_concept, is_one_of, objects, one_object, text
from connectors.fhir.extensions import Extensions, item_of, refuse_modifiers
from connectors.fhir.resolver import Resolver

__all__ = ["ReactionReader"]

_REFUTED = frozenset({"refuted", "entered-in-error"})
_ERRONEOUS = frozenset({"entered-in-error", "cancelled"})


class ReactionReader:
    """The reactions of one AdverseEvent.

    Attributes
    ----------
    reactions
        Distinct reactions found, in order: the event's own code first, then the effects it resulted in.
    is_unresolved
        Whether an effect could not be resolved.
    """

    __slots__ = ("_resolver", "is_unresolved", "reactions")

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self.reactions: dict[DraftReaction, None] = {}
        self.is_unresolved = False

    def read(self, event: FhirObject, extensions: Extensions) -> None:
        """Add `event` (R4), `code` (R5), `type` (STU3), then the effects of every version and guide."""
        for element in ("event", "code", "type"):
            if element in event:
                self._concept(one_object(event[element], element))
        for element in ("resultingCondition", "resultingEffect", "reaction"):
            for reference in objects(event.get(element), element):
                self._effect(reference, event)
        for extension in extensions["resultingEffect"]:
            effect = item_of(extension, "valueReference", "valueCodeableReference")
            if effect:
                self._effect(effect, event)

    def _concept(self, concept: FhirObject | None) -> bool:
        if concept is None or is_empty_concept(concept):
            return False
        codes, words = coded(concept, "reaction")
        if codes or words:
            self.reactions[DraftReaction(codes=codes, text=words)] = None
        return bool(codes or words)

    def _effect(self, reference: FhirObject, event: FhirObject) -> None:
        inner = reference.get("reference")
        if isinstance(inner, dict):  # a CodeableReference
            reference = inner
        elif self._concept(reference.get("concept") if isinstance(reference.get("concept"), dict) else None):
            return
        found = self._resolver.resolve(reference, event)
        if found is not None:
            resource = found.resource
            refuse_modifiers(resource, "resultingEffect")
            if self._is_refuted(resource):
                return
            for element in ("valueCodeableConcept", "code"):  # an Observation's finding, else what it asks for
                if self._concept(one_object(resource.get(element), element)):
                    return
        display = text(reference.get("display"), "reference.display").strip()
        if display:
            self.reactions[DraftReaction(text=display)] = None
        elif found is None:
            self.is_unresolved = True

    @staticmethod
    def _is_refuted(resource: FhirObject) -> bool:
        if resource.get("resourceType") != "Condition":
            return is_one_of(resource.get("status"), _ERRONEOUS)
        status = one_object(resource.get("verificationStatus"), "verificationStatus")
        codings = objects(status.get("coding"), "verificationStatus") if status else ()
        return any(is_one_of(coding.get("code"), _REFUTED) for coding in codings)
