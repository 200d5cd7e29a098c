"""From a FHIR reference to the resource it means, inside what the record itself brings; nothing is ever fetched.

What a reference can be, in the order of the standard: ``#id`` (contained in the same resource), ``urn:uuid:`` and
``urn:oid:`` (the full URL of an entry of the same Bundle), an absolute URL (an entry's full URL, or an entry of the
server the AdverseEvent itself came from; another server's is not followed), ``Type/id`` with or without
``/_history/version``, an identifier alone, a display alone (which resolves to nothing).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from cases import DeadLetterReason, RecordError
from connectors.fhir.elements import FhirObject, objects, text

__all__ = ["MAXIMUM_REFERENCES", "Resolved", "Resolver", "reference_type", "split_reference"]

MAXIMUM_REFERENCES = 64
"""How many references of one record are resolved before it is refused (too-many-references)."""

_TYPE_AND_ID = re.compile(r"(?:(.*)/)?([A-Z][A-Za-z]{2,63})/([^/\s#?|]{1,256})(?:/_history/([^/\s]{1,64}))?", re.ASCII)
_MAXIMUM_LENGTH = 2048


class Resolved(NamedTuple):
    """A resource, and the resource whose `contained` its own ``#id`` references mean."""

    resource: FhirObject
    container: FhirObject


def split_reference(reference: str) -> tuple[str, str, str, str] | None:
    """Base URL ("" for a relative one), type, id and version ("" for any) of a literal reference, else None."""
    if len(reference) > _MAXIMUM_LENGTH or (match := _TYPE_AND_ID.fullmatch(reference)) is None:
        return None
    return match[1] or "", match[2], match[3], match[4] or ""


def reference_type(reference: FhirObject) -> str:
    """The type a reference states, by its `type` element or its ``Type/id``; "" where it states none."""
    parts = split_reference(text(reference.get("reference"), "reference"))
    return parts[1] if parts else text(reference.get("type"), "reference.type")


class Resolver:
    """References of one record.

    Parameters
    ----------
    main
        The AdverseEvent.
    entries
        The entries of its Bundle; empty for an AdverseEvent alone.

    `resolve` raises `RecordError` (too-many-references) beyond `MAXIMUM_REFERENCES`.
    """

    __slots__ = ("_base", "_by_id", "_by_url", "_left", "_resources")

    def __init__(self, main: FhirObject, entries: list[Any]) -> None:
        self._left = MAXIMUM_REFERENCES
        self._base: str | None = None
        self._by_url: dict[str, FhirObject] = {}
        self._by_id: dict[tuple[str, str], list[FhirObject]] = {}
        self._resources: list[FhirObject] = []
        for entry in entries:
            if not isinstance(entry, dict):
                raise RecordError(DeadLetterReason.INVALID_STRUCTURE, "Bundle.entry must hold objects")
            resource = entry.get("resource")
            if not isinstance(resource, dict):
                continue
            url = entry.get("fullUrl")
            if isinstance(url, str):
                self._by_url.setdefault(url, resource)
            if resource is main:
                parts = split_reference(url) if isinstance(url, str) else None
                self._base = parts[0] if parts and parts[0] else None
            self._resources.append(resource)
            kind, logical_id = resource.get("resourceType"), resource.get("id")
            if isinstance(kind, str) and isinstance(logical_id, str):
                self._by_id.setdefault((kind, logical_id), []).append(resource)

    def resolve(self, reference: FhirObject, container: FhirObject) -> Resolved | None:
        """The resource that `reference`, found inside `container`, means; None where the record does not bring it."""
        self._left -= 1
        if self._left < 0:
            raise RecordError(DeadLetterReason.TOO_MANY_REFERENCES, f"more than {MAXIMUM_REFERENCES} references")
        literal = text(reference.get("reference"), "reference")
        if literal:
            if literal[0] == "#":
                return self._contained(literal[1:], container)
            found = self._by_url.get(literal) or self._by_type_and_id(literal)
        else:
            found = self._by_identifier(reference)
        return None if found is None else Resolved(found, found)

    def is_same_base(self, base: str) -> bool:
        """Whether `base` is the server the AdverseEvent itself came from ("" is: a relative reference)."""
        return not base or base == self._base

    def _contained(self, local_id: str, container: FhirObject) -> Resolved | None:
        if not local_id:
            return Resolved(container, container)
        for resource in objects(container.get("contained"), "contained"):
            if resource.get("id") in (local_id, f"#{local_id}"):
                return Resolved(resource, container)
        return None

    def _by_type_and_id(self, literal: str) -> FhirObject | None:
        parts = split_reference(literal)
        if parts is None:
            return None
        base, kind, logical_id, version = parts
        if not self.is_same_base(base):
            return None
        candidates = self._by_id.get((kind, logical_id))
        if not candidates:
            return self._by_url.get(f"{base}/{kind}/{logical_id}") if base else None
        if not version:
            return candidates[-1]
        for resource in candidates:
            meta = resource.get("meta")
            found = meta.get("versionId") if isinstance(meta, dict) else None
            if found is None or found == version:
                return resource
        return None

    def _by_identifier(self, reference: FhirObject) -> FhirObject | None:
        wanted = reference.get("identifier")
        if not isinstance(wanted, dict) or not isinstance(wanted.get("value"), str):
            return None
        kind = reference.get("type")
        for resource in self._resources:
            if kind and resource.get("resourceType") != kind:
                continue
            for found in objects(resource.get("identifier"), "identifier"):
                if found.get("value") == wanted["value"] and found.get("system") == wanted.get("system"):
                    return resource
        return None
