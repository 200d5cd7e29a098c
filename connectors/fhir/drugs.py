"""From an AdverseEvent to its drugs: every shape in which R4, R5 and the Vulcan backport say `suspect`.

    AdverseEvent ── suspectEntity.instance (R4) / instance[x] (R5) / extension suspect-entity (Vulcan)
        └─ Medication, Substance ── code, else ingredient[]
        └─ MedicationAdministration, -Statement, -Request, -Dispense ── medication[x] ─┐ concept, or Medication
        └─ Immunization ── vaccineCode, else administeredProduct ──────────────────────┘

Devices and procedures are no drugs and are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cases import DeadLetterReason, DraftDrug, DrugRole, RecordError
from connectors.fhir.elements import FhirObject, coded, is_empty_concept, is_one_of, objects, text
from connectors.fhir.extensions import Extensions, item_of, refuse_modifiers
from connectors.fhir.resolver import Resolver, reference_type

__all__ = ["DRUG_TYPES", "DrugReader"]


class _Shape(NamedTuple):
    elements: tuple[str, ...]  # where the drug stands, first hit wins
    dropped: frozenset[str]  # status codes that say it was not given


_MEDICATION = ("medicationCodeableConcept", "medicationReference", "medication")
_SHAPES: Mapping[str, _Shape] = {
    "Medication": _Shape(("code",), frozenset({"entered-in-error"})),
    "Substance": _Shape(("code",), frozenset({"entered-in-error"})),
    "MedicationAdministration": _Shape(_MEDICATION, frozenset({"entered-in-error", "not-done"})),
    "MedicationStatement": _Shape(_MEDICATION, frozenset({"entered-in-error", "not-taken", "intended", "draft"})),
    "MedicationRequest": _Shape(_MEDICATION, frozenset({"entered-in-error", "draft", "cancelled"})),
    "MedicationDispense": _Shape(_MEDICATION, frozenset({"entered-in-error", "declined", "cancelled"})),
    "Immunization": _Shape(("vaccineCode", "administeredProduct"), frozenset({"entered-in-error", "not-done"})),
}
_INGREDIENT = ("itemCodeableConcept", "itemReference", "item", "substanceCodeableConcept", "substanceReference")
_MAXIMUM_DEPTH = 6

DRUG_TYPES = frozenset(_SHAPES)
"""Resource types that hold, or lead to, a drug."""


class DrugReader:
    """The drugs of one AdverseEvent, and why a suspect one could not be read.

    Attributes
    ----------
    drugs
        Distinct drugs found so far, in order.
    was_not_given, is_circular, is_unresolved
        Whether a suspect entity was dropped by its status, leads back to itself, or cannot be resolved.
    """

    __slots__ = ("_path", "_resolver", "_role", "drugs", "is_circular", "is_unresolved", "was_not_given")

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._role = DrugRole.SUSPECT
        self._path: list[int] = []
        self.drugs: dict[DraftDrug, None] = {}
        self.was_not_given = self.is_circular = self.is_unresolved = False

    def read_suspects(self, event: FhirObject, extensions: Extensions) -> None:
        """Add the drugs of every suspect entity."""
        for entity in objects(event.get("suspectEntity"), "suspectEntity"):
            refuse_modifiers(entity, "suspectEntity")
            self._item(item_of(entity, "instance", "instanceReference", "instanceCodeableConcept"), event)
        for part in extensions.parts("suspect-entity", "instance"):
            self._item(item_of(part, "valueReference", "valueCodeableConcept", "valueCodeableReference"), event)

    def read_concomitants(self, event: FhirObject, extensions: Extensions) -> None:
        """Add drugs that R5 `supportingInfo` and `contributingFactor` and R4 `subjectMedicalHistory` refer to.

        Only what resolves counts; nothing here is missed when it does not. `mitigatingAction` treats the event and
        `preventiveAction` was to avert it: neither is a drug the patient had before.
        """
        found = [
            item_of(holder, "itemReference")
            for element in ("supportingInfo", "contributingFactor")
            for holder in objects(event.get(element), element)
        ]
        found += objects(event.get("subjectMedicalHistory"), "subjectMedicalHistory")
        for name in ("supporting-info", "contributing-factor"):
            found += [item_of(part, "valueReference") for part in extensions.parts(name, "item")]
        if not found:
            return
        kept = (self.was_not_given, self.is_circular, self.is_unresolved)
        suspects = {(drug.codes, drug.text) for drug in self.drugs}
        self._role = DrugRole.CONCOMITANT
        for reference in found:
            if reference and reference_type(reference) in DRUG_TYPES and reference.get("reference"):
                self._item(reference, event, is_display_enough=False)
        for drug in [drug for drug in self.drugs if drug.role is DrugRole.CONCOMITANT]:
            if (drug.codes, drug.text) in suspects:
                del self.drugs[drug]
        self.was_not_given, self.is_circular, self.is_unresolved = kept

    def _item(self, item: FhirObject | None, container: FhirObject, *, is_display_enough: bool = True) -> bool:
        """Add the drugs of a CodeableConcept, a Reference or a CodeableReference; whether anything was settled."""
        if not item:
            return False
        is_concept = "coding" in item or "text" in item
        concept = item if is_concept else item.get("concept")
        if isinstance(concept, dict) and not is_empty_concept(concept):
            codes, words = coded(concept, "drug")
            if codes or words:
                self.drugs[DraftDrug(role=self._role, codes=codes, text=words)] = None
                return True
        if is_concept:
            return False
        inner = item.get("reference")  # an object in a CodeableReference
        return self._reference(
            inner if isinstance(inner, dict) else item, container, is_display_enough=is_display_enough
        )

    def _reference(self, reference: FhirObject, container: FhirObject, *, is_display_enough: bool) -> bool:
        found = self._resolver.resolve(reference, container)
        if found is not None and self._resource(found.resource, found.container):
            return True
        kind = reference_type(reference)
        if found is None and kind and kind not in DRUG_TYPES:
            return True  # a device or a procedure that the record does not bring along is still no drug
        display = text(reference.get("display"), "reference.display").strip()
        if display and is_display_enough:
            self.drugs[DraftDrug(role=self._role, text=display, is_display_only=True)] = None
            return True
        if not self.is_circular:
            self.is_unresolved = True
        return False

    def _resource(self, resource: FhirObject, container: FhirObject) -> bool:
        """Add the drugs of a resolved resource; whether it settled what the reference meant."""
        kind = resource.get("resourceType")
        if id(resource) in self._path or kind == "AdverseEvent":
            self.is_circular = True
            return False
        if len(self._path) >= _MAXIMUM_DEPTH:
            raise RecordError(DeadLetterReason.TOO_MANY_REFERENCES, f"more than {_MAXIMUM_DEPTH} in a row")
        shape = _SHAPES.get(kind) if isinstance(kind, str) else None
        if shape is None:
            return True  # a device, a procedure: known, and no drug
        refuse_modifiers(resource, str(kind))
        if is_one_of(resource.get("status"), shape.dropped) or resource.get("doNotPerform") is True:
            self.was_not_given = True
            return True
        self._path.append(id(resource))
        try:
            for element in shape.elements:
                value = resource.get(element)
                if value is not None and self._item(item_of(resource, element), container):
                    return True
            if kind in ("Medication", "Substance"):
                return self._ingredients(resource, container)
            return False
        finally:
            self._path.pop()

    def _ingredients(self, resource: FhirObject, container: FhirObject) -> bool:
        is_settled = False
        for ingredient in objects(resource.get("ingredient"), "ingredient"):
            if ingredient.get("isActive") is not False:
                is_settled |= self._item(item_of(ingredient, *_INGREDIENT), container)
        return is_settled
