"""From a FHIR document to what a source hands on: one outcome for every thing in it, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import msgspec

from cases import DeadLetterReason, IgnoreReason, RawRecord, RecordError
from connectors.fhir.elements import FhirObject
from connectors.fhir.envelope import Deletion, Entry, Header, deletion_of, open_bundle, open_header
from connectors.fhir.gathering import Found, gather, wrap
from connectors.fhir.resolver import split_reference
from connectors.fhir.resource_types import CONTEXT_TYPES, RESOURCE_TYPES, ignore_reason

__all__ = ["Outcome", "Unpacker", "context_in"]

_MAXIMUM_BUNDLE_DEPTH = 3
_URN = "urn:"
Outcome = RawRecord | str
"""A record, or the `IgnoreReason` of something passed over."""


class _Scope:
    """What the entries of one Bundle mean to each other."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.by_url: dict[str, Found] = {}
        self._by_key: dict[str, Found] = {}
        for entry in entries:
            if not entry.resource:
                continue
            body = bytes(entry.resource)
            header = _header_or_none(body)
            if header is None or header.kind not in CONTEXT_TYPES:
                continue
            key = f"{header.kind}/{header.logical_id}" if header.logical_id else entry.fullUrl
            found = Found(key, entry.fullUrl, body)
            if entry.fullUrl:
                self.by_url[entry.fullUrl] = found
            if header.logical_id:
                self._by_key[key] = found
                if header.version_id:
                    versioned = f"{key}/_history/{header.version_id}"
                    self._by_key[versioned] = found._replace(key=versioned)

    def find(self, reference: FhirObject, base: str) -> Found | None:
        literal = reference.get("reference")
        if not isinstance(literal, str):
            return None
        hit = self.by_url.get(literal)
        if hit is not None:
            return hit
        parts = split_reference(literal)
        if parts is None or parts[0] not in ("", base):
            return None
        _, kind, logical_id, version = parts
        key = f"{kind}/{logical_id}"
        return (self._by_key.get(f"{key}/_history/{version}") if version else None) or self._by_key.get(key)


class Unpacker:
    """Makes records of the documents of one source.

    Parameters
    ----------
    source
        Name of the source.
    lookup
        Where a reference is looked up that its own Bundle does not answer.
    """

    def __init__(self, source: str, lookup: Callable[[FhirObject], Found | None]) -> None:
        self._source = source
        self._lookup = lookup

    def unpack(self, body: bytes, *, received_at: datetime, position: str, depth: int = 0) -> Iterator[Outcome]:
        """Every AdverseEvent and every deletion of one as a record, everything else by why it is passed over.

        Damage is a record with a fault, and costs nothing but itself.
        """
        try:
            header = open_header(body)
            if header.kind == "Bundle":
                yield from self._bundle(body, received_at=received_at, position=position, depth=depth)
            elif header.kind == "AdverseEvent":
                event = Found("", "", body)
                yield self._record(header, event, _Scope([]), received_at=received_at, position=position)
            elif header.kind in RESOURCE_TYPES:
                yield ignore_reason(header.kind)
            else:
                raise RecordError(DeadLetterReason.WRONG_RESOURCE_TYPE, "resourceType")
        except RecordError as error:
            yield self.fault(body, error.reason, received_at=received_at, position=position)

    def fault(self, body: bytes, reason: str, *, received_at: datetime, position: str) -> RawRecord:
        """A record of bytes that cannot be read."""
        return RawRecord(
            source=self._source,
            record_id="",
            format="fhir",
            payload=body,
            received_at=received_at,
            fault=reason,
            position=position,
        )

    def _bundle(self, body: bytes, *, received_at: datetime, position: str, depth: int) -> Iterator[Outcome]:
        entries = open_bundle(body).entry
        if not entries:
            yield IgnoreReason.NOT_ADVERSE_EVENT
        yield from self.unpack_entries(entries, entries, received_at=received_at, position=position, depth=depth)

    def unpack_entries(
        self, entries: Sequence[Entry], among: Sequence[Entry], *, received_at: datetime, position: str, depth: int = 0
    ) -> Iterator[Outcome]:
        """The outcomes of some `entries` of a Bundle, whose references may mean anything `among` all of it."""
        scope = _Scope(among)
        for number, entry in enumerate(entries):
            where = f"{position}#{number}"
            try:
                yield from self._entry(entry, scope, received_at=received_at, position=where, depth=depth)
            except RecordError as error:
                yield self.fault(bytes(entry.resource), error.reason, received_at=received_at, position=where)

    def _entry(
        self, entry: Entry, scope: _Scope, *, received_at: datetime, position: str, depth: int
    ) -> Iterator[Outcome]:
        deletion = deletion_of(entry)
        if deletion is not None:
            is_ours = deletion.kind == "AdverseEvent"
            gone = self._deleted(deletion, received_at=received_at, position=position)
            yield gone if is_ours else ignore_reason(deletion.kind)
            return
        inner = bytes(entry.resource)
        if not inner:
            yield IgnoreReason.NOT_ADVERSE_EVENT
            return
        header = open_header(inner)
        if header.kind == "AdverseEvent":
            event = Found("", entry.fullUrl, inner)
            yield self._record(header, event, scope, received_at=received_at, position=position)
        elif header.kind == "Bundle" and depth < _MAXIMUM_BUNDLE_DEPTH:
            yield from self.unpack(inner, received_at=received_at, position=position, depth=depth + 1)
        elif header.kind in RESOURCE_TYPES:
            yield ignore_reason(header.kind)
        else:
            raise RecordError(DeadLetterReason.WRONG_RESOURCE_TYPE, "resourceType")

    def _deleted(self, deletion: Deletion, *, received_at: datetime, position: str) -> RawRecord:
        return RawRecord(
            source=self._source,
            record_id=deletion.logical_id,
            format="fhir",
            payload=b"",
            received_at=received_at,
            is_deleted=True,
            version_id=deletion.version_id,
            updated_at=deletion.updated_at,
            position=position,
        )

    def _record(
        self, header: Header, event: Found, scope: _Scope, *, received_at: datetime, position: str
    ) -> RawRecord:
        base = (split_reference(event.full_url) or ("",))[0]

        def find(reference: FhirObject) -> Found | None:
            return scope.find(reference, base) or self._lookup(reference)

        try:
            decoded: FhirObject = msgspec.json.decode(event.body.removeprefix(b"\xef\xbb\xbf"))
            others = gather(decoded, find)
        except (msgspec.DecodeError, RecursionError):
            others = []  # its reader says what is wrong with it
        return RawRecord(
            source=self._source,
            record_id=header.logical_id or (event.full_url if event.full_url.startswith(_URN) else ""),
            format="fhir",
            payload=wrap(event, others),
            received_at=received_at,
            position=position,
        )


def _header_or_none(body: bytes) -> Header | None:
    try:
        return open_header(body)
    except RecordError:
        return None


def context_in(body: bytes, depth: int = 0) -> Iterator[tuple[Header, bytes]]:
    """Every resource of a document, Bundles opened, that an AdverseEvent may be read with; damage is passed over."""
    header = _header_or_none(body)
    if header is None:
        return
    if header.kind in CONTEXT_TYPES:
        yield header, body
    elif header.kind == "Bundle" and depth < _MAXIMUM_BUNDLE_DEPTH:
        try:
            entries = open_bundle(body).entry
        except RecordError:
            return
        for entry in entries:
            if entry.resource:
                yield from context_in(bytes(entry.resource), depth + 1)
