"""All free text of an AdverseEvent: its own words, notes, the generated page, documents it refers to.

The text stays inside the site. It is plain text afterwards: markup is taken off, never interpreted.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator

from cases import DeadLetterReason, RecordError
from connectors.fhir.elements import FhirObject, objects, one_object, text
from connectors.fhir.extensions import Extensions, item_of
from connectors.fhir.resolver import Resolver

__all__ = ["MAXIMUM_NARRATIVE_CHARACTERS", "plain_text", "read_narrative"]

MAXIMUM_NARRATIVE_CHARACTERS = 1 << 20
"""Longest narrative that is read, in characters; a longer one makes the record oversized."""

_TAG = re.compile(r"<[^<>]*>")  # stops at the next bracket, so its time is linear in the text


def plain_text(markup: str) -> str:
    """XHTML without its markup: tags become line breaks or blanks, entities their characters."""
    if "<" in markup:
        markup = _TAG.sub(" ", markup)
    if "&" in markup:
        markup = html.unescape(markup)
    if "\n" not in markup:
        return " ".join(markup.split())
    return "\n".join(line for part in markup.split("\n") if (line := " ".join(part.split())))


def read_narrative(event: FhirObject, extensions: Extensions, resolver: Resolver) -> str:
    """Distinct parts in reading order, joined by blank lines; raises `RecordError` (oversized) beyond the cap."""
    parts: dict[str, None] = {}
    length = 0
    for part in _parts(event, extensions, resolver):
        length += len(part)
        if length > MAXIMUM_NARRATIVE_CHARACTERS:
            raise RecordError(DeadLetterReason.OVERSIZED, "narrative")
        words = plain_text(part)
        if words:
            parts[words] = None
    return "\n\n".join(parts)


def _parts(event: FhirObject, extensions: Extensions, resolver: Resolver) -> Iterator[str]:
    yield text(event["description"], "description") if "description" in event else ""  # STU3
    for element in ("event", "code"):
        concept = one_object(event.get(element), element)
        if concept is not None:
            yield text(concept.get("text"), element)
    for note in objects(event.get("note"), "note"):
        yield text(note.get("text"), "note.text")
    for extension in extensions["note"]:
        annotation = item_of(extension, "valueAnnotation")
        if annotation is not None:
            yield text(annotation.get("text"), "note.text")
    page = one_object(event.get("text"), "text")
    if page is not None:
        yield text(page.get("div"), "text.div")
    for reference in objects(event.get("referenceDocument"), "referenceDocument"):
        found = resolver.resolve(reference, event)
        if found is not None and found.resource.get("status") != "entered-in-error":
            yield from _document(found.resource, found.container, resolver)


def _document(document: FhirObject, container: FhirObject, resolver: Resolver) -> Iterator[str]:
    yield text(document.get("description"), "DocumentReference.description")
    for content in objects(document.get("content"), "content"):
        attachment = one_object(content.get("attachment"), "attachment")
        if attachment is None:
            continue
        yield text(attachment.get("title"), "attachment.title")
        kind, data = attachment.get("contentType"), attachment.get("data")
        if data is None and isinstance(attachment.get("url"), str):
            found = resolver.resolve({"reference": attachment["url"]}, container)
            if found is not None:
                kind, data = found.resource.get("contentType", kind), found.resource.get("data")
        if isinstance(data, str) and isinstance(kind, str) and kind.startswith("text/"):
            yield _decoded(data)


def _decoded(data: str) -> str:
    if len(data) > MAXIMUM_NARRATIVE_CHARACTERS * 4 // 3 + 4:
        raise RecordError(DeadLetterReason.OVERSIZED, "attachment")
    try:
        return base64.b64decode(data).decode(errors="replace")
    except (binascii.Error, ValueError) as error:
        raise RecordError(DeadLetterReason.INVALID_STRUCTURE, "attachment.data is not base64") from error
