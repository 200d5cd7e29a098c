"""Seriousness of an AdverseEvent: its own statement, the criteria of the Vulcan guides, a fatal outcome."""

from __future__ import annotations

from collections.abc import Mapping

from cases import Seriousness, SeriousnessCriterion
from connectors.fhir.elements import FhirObject, coded, objects, one_object, text
from connectors.fhir.extensions import Extensions, item_of

__all__ = ["read_seriousness"]

# NCI Thesaurus codes of the guides' value set, and the code of the FDA's additional criterion
_CRITERIA: Mapping[str, SeriousnessCriterion] = {
    "c48275": SeriousnessCriterion.DEATH,
    "c84266": SeriousnessCriterion.LIFE_THREATENING,
    "c83052": SeriousnessCriterion.HOSPITALISATION,
    "c11338": SeriousnessCriterion.DISABILITY,
    "c83117": SeriousnessCriterion.CONGENITAL_ANOMALY,
    "c82521": SeriousnessCriterion.MEDICALLY_IMPORTANT,
    "c201939": SeriousnessCriterion.MEDICALLY_IMPORTANT,
    "requirespreventimpairment": SeriousnessCriterion.MEDICALLY_IMPORTANT,
}
_FATAL = frozenset({"fatal", "c48275"})
_STATEMENTS: Mapping[str, bool] = {"serious": True, "non-serious": False, "nonserious": False}


def _words(concept: FhirObject | None, path: str) -> list[str]:
    if concept is None:
        return []
    codes, words = coded(concept, path)
    return [*(code.code.casefold() for code in codes), words.casefold()]


def read_seriousness(event: FhirObject, extensions: Extensions) -> Seriousness:
    """Stated seriousness (R4 writes ``Serious``, Vulcan ``serious``: compared without case) and criteria.

    A criterion or a fatal outcome makes a case serious whatever else is stated; without any statement the case is
    neither serious nor not.
    """
    criteria: list[SeriousnessCriterion] = []
    for extension in extensions["seriousness-criteria"]:
        parts = {
            text(part.get("url"), "url"): part for part in objects(extension.get("extension"), "seriousness-criteria")
        }
        code, present = parts.get("criterionCode"), parts.get("criterionPresent")
        if code is None or present is None or present.get("valueBoolean") is not True:
            continue
        for word in _words(item_of(code, "valueCodeableConcept"), "seriousness-criteria"):
            if word in _CRITERIA:
                criteria.append(_CRITERIA[word])
                break
    if any(not _FATAL.isdisjoint(_words(outcome, "outcome")) for outcome in objects(event.get("outcome"), "outcome")):
        criteria.append(SeriousnessCriterion.DEATH)
    if criteria:
        return Seriousness.of(*criteria)
    for word in _words(one_object(event.get("seriousness"), "seriousness"), "seriousness"):
        if word in _STATEMENTS:
            return _SERIOUS if _STATEMENTS[word] else _NOT_SERIOUS
    return _UNSTATED


_SERIOUS, _NOT_SERIOUS, _UNSTATED = Seriousness(True), Seriousness(False), Seriousness()
