"""Putting one AdverseEvent and what it refers to into one record, whatever they came in.

Only the elements the reader looks at are followed, and only to the types it understands: a record carries no
practitioner, no encounter, nobody else's data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from connectors.fhir.elements import FhirObject
from connectors.fhir.resolver import MAXIMUM_REFERENCES, reference_type
from connectors.fhir.resource_types import CONTEXT_TYPES

__all__ = ["Found", "Lookup", "gather", "wrap"]

_MAXIMUM_DEPTH = 4  # event, administration, medication, ingredient
_MAXIMUM_NESTING = 12
_FOLLOWED = frozenset(
    {
        "subject", "individual", "suspectEntity", "instance", "instanceReference", "resultingCondition",
        "resultingEffect", "reaction", "supportingInfo", "contributingFactor", "itemReference", "item",
        "subjectMedicalHistory", "referenceDocument", "extension", "valueReference", "medicationReference",
        "medication", "reference", "ingredient", "substanceReference", "administeredProduct", "contained", "content",
        "attachment", "code",
    }
)  # fmt: skip


class Found(NamedTuple):
    """A resource that a reference led to: the key it is known by, its full URL ("" for none), its own bytes."""

    key: str
    full_url: str
    body: bytes


Lookup = Callable[[FhirObject], Found | None]
"""From a Reference to what it means; None where that is not to be had."""

_decoder = msgspec.json.Decoder()


def gather(event: FhirObject, lookup: Lookup) -> list[Found]:
    """What `event` refers to, and what that refers to, each once, in order of discovery; at most 64 resources."""
    found: dict[str, Found] = {}
    layer: list[Any] = [event]
    for _ in range(_MAXIMUM_DEPTH):
        following: list[Any] = []
        for resource in layer:
            for reference in _references(resource, 0):
                if len(found) >= MAXIMUM_REFERENCES:
                    return list(found.values())
                hit = lookup(reference)
                if hit is None or hit.key in found:
                    continue
                try:
                    following.append(_decoder.decode(hit.body))
                except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                    continue  # damaged: the record is read without it
                found[hit.key] = hit
        if not following:
            break
        layer = following
    return list(found.values())


def _references(node: Any, nesting: int) -> Iterator[FhirObject]:
    """References below `node` in the elements that are followed, to types that are understood."""
    if nesting > _MAXIMUM_NESTING:
        return
    if isinstance(node, list):
        for item in node:
            yield from _references(item, nesting + 1)
        return
    if not isinstance(node, dict):
        return
    literal = node.get("reference")
    if isinstance(literal, str):
        if literal[:1] != "#" and _is_followed(node):
            yield node
        return
    kind = node.get("type")
    if isinstance(kind, str) and kind in CONTEXT_TYPES and isinstance(node.get("identifier"), dict):  # a logical one
        yield node
        return
    if isinstance(node.get("url"), str) and "contentType" in node:  # an attachment kept as a Binary
        yield {"reference": node["url"]}
    for key, value in node.items():
        if key in _FOLLOWED and isinstance(value, (dict, list)):
            yield from _references(value, nesting + 1)


def _is_followed(reference: FhirObject) -> bool:
    try:
        kind = reference_type(reference)
    except ValueError:
        return False
    return not kind or kind in CONTEXT_TYPES


class _Entry(msgspec.Struct, omit_defaults=True):
    resource: msgspec.Raw
    fullUrl: str = ""


class _Bundle(msgspec.Struct):
    resourceType: str
    type: str
    entry: list[_Entry]


def wrap(event: Found, others: list[Found]) -> bytes:
    """The payload of a record: the AdverseEvent's own bytes alone, or a collection Bundle that begins with it."""
    if not others and not event.full_url:
        return event.body
    entries = [_Entry(msgspec.Raw(item.body), item.full_url) for item in (event, *others)]
    return msgspec.json.encode(_Bundle("Bundle", "collection", entries))
