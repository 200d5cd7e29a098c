"""The outside of FHIR JSON: resource types, ids and Bundle entries, with the resources themselves left as bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from cases import DeadLetterReason, RecordError
from connectors.fhir.dates import instant
from connectors.fhir.resolver import split_reference

__all__ = [
    "Deletion",
    "Entry",
    "Envelope",
    "Header",
    "Link",
    "Request",
    "Response",
    "Search",
    "deletion_of",
    "open_bundle",
    "open_header",
]


class Header(msgspec.Struct):
    """What a resource says of itself."""

    resourceType: Any = None
    id: Any = None
    meta: Any = None
    identifier: Any = None

    @property
    def kind(self) -> str:
        """Its resource type, "" where it states none."""
        return self.resourceType if isinstance(self.resourceType, str) else ""

    @property
    def logical_id(self) -> str:
        """Its id, "" where it has none."""
        return self.id if isinstance(self.id, str) else ""

    @property
    def version_id(self) -> str:
        """Its ``meta.versionId``, "" where it has none."""
        found = self.meta.get("versionId") if isinstance(self.meta, dict) else None
        return found if isinstance(found, str) else ""

    @property
    def last_updated(self) -> str:
        """Its ``meta.lastUpdated`` as written, "" where it has none."""
        found = self.meta.get("lastUpdated") if isinstance(self.meta, dict) else None
        return found if isinstance(found, str) else ""


class Link(msgspec.Struct):
    """A Bundle's link."""

    relation: str = ""
    url: str = ""


class Request(msgspec.Struct):
    """What was, or is to be, done with an entry."""

    method: str = ""
    url: str = ""


class Response(msgspec.Struct):
    """How a server answered for an entry."""

    etag: str | None = None
    lastModified: str | None = None


class Search(msgspec.Struct):
    """Why an entry is in a search result."""

    mode: str = ""


class Entry(msgspec.Struct):
    """One entry of a Bundle; `resource` is empty where there is none."""

    resource: msgspec.Raw = msgspec.Raw()
    fullUrl: str = ""
    request: Request | None = None
    response: Response | None = None
    search: Search | None = None


class Envelope(msgspec.Struct):
    """A Bundle."""

    type: str = ""
    meta: Any = None
    timestamp: Any = None
    total: Any = None
    link: list[Link] = []
    entry: list[Entry] = []

    def url_of(self, relation: str) -> str:
        """The URL of a link, "" where it is not there."""
        return next((link.url for link in self.link if link.relation == relation), "")


class Deletion(msgspec.Struct, frozen=True):
    """An entry that says a resource is gone."""

    kind: str
    logical_id: str
    version_id: str
    updated_at: datetime | None


_header_decoder = msgspec.json.Decoder(Header)
_envelope_decoder = msgspec.json.Decoder(Envelope)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def open_header(body: bytes) -> Header:
    """The header of a resource.

    Raises `RecordError`: invalid-encoding, invalid-json, truncated (it ends inside a value), wrong-resource-type (no
    object).
    """
    try:
        body.decode()
        return _header_decoder.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except UnicodeDecodeError as error:
        raise RecordError(DeadLetterReason.INVALID_ENCODING, "not UTF-8") from error
    except msgspec.ValidationError as error:
        raise RecordError(DeadLetterReason.WRONG_RESOURCE_TYPE, "not an object") from error
    except RecursionError as error:
        raise RecordError(DeadLetterReason.INVALID_JSON, "nested too deep") from error
    except msgspec.DecodeError as error:
        is_cut = "truncated" in str(error)
        raise RecordError(DeadLetterReason.TRUNCATED if is_cut else DeadLetterReason.INVALID_JSON, "") from error


def open_bundle(body: bytes) -> Envelope:
    """The Bundle in `body`, which `open_header` has read; raises `RecordError` (invalid-structure)."""
    try:
        return _envelope_decoder.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordError(DeadLetterReason.INVALID_STRUCTURE, "Bundle") from error


def deletion_of(entry: Entry) -> Deletion | None:
    """What a history or transaction entry deletes, None where it deletes nothing.

    A conditional deletion of another type has no id. Raises `RecordError` (invalid-structure) for a conditional
    deletion of AdverseEvents, which does not say which.
    """
    if entry.request is None or entry.request.method.upper() != "DELETE":
        return None
    parts = split_reference(entry.request.url.strip("/"))
    if parts is None:
        parts = split_reference(entry.fullUrl)
    if parts is None:
        condition = entry.request.url.strip("/").partition("?")[0]
        if condition in ("", "AdverseEvent"):
            raise RecordError(DeadLetterReason.INVALID_STRUCTURE, "a deletion that names no resource")
        parts = ("", condition, "", "")
    _, kind, logical_id, version = parts
    etag = (entry.response.etag or "") if entry.response else ""
    moment = (entry.response.lastModified or "") if entry.response else ""
    return Deletion(
        kind=kind,
        logical_id=logical_id,
        version_id=version or etag.removeprefix("W/").strip('"'),
        updated_at=instant(moment, "response.lastModified") if moment else None,
    )
