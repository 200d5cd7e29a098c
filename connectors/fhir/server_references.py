"""References of a server's AdverseEvents, fetched from that server alone, each once a poll."""

from __future__ import annotations

from collections import OrderedDict
from urllib.parse import quote

from cases import RecordError
from connectors.fhir.elements import FhirObject
from connectors.fhir.envelope import open_bundle, open_header
from connectors.fhir.gathering import Found
from connectors.fhir.resolver import split_reference
from connectors.fhir.resource_types import CONTEXT_TYPES
from connectors.polite_client import PoliteClient

__all__ = ["ServerReferences"]

_MAXIMUM_CACHED = 5000


class ServerReferences:
    """Looks references up by GET, with a cache that lives as long as the object.

    A poll makes a new one, so that a Medication that was corrected since is read as it is now. What is not to be had
    (404, 410) stays unresolved; the reader decides what that means.
    """

    def __init__(self, client: PoliteClient) -> None:
        self._client = client
        self._cache: OrderedDict[str, Found | None] = OrderedDict()
        self.bases = {client.base_url}
        """Base URLs under which the server knows itself; references to any other are not followed."""

    def find(self, reference: FhirObject) -> Found | None:
        """What a relative reference, one below `bases` or a logical one means."""
        literal = reference.get("reference")
        if isinstance(literal, str):
            parts = split_reference(literal)
            if parts is None or parts[1] not in CONTEXT_TYPES or (parts[0] and parts[0] not in self.bases):
                return None
            _, kind, logical_id, version = parts
            if not logical_id.strip("."):
                return None  # a path upwards, not an id
            path = f"{kind}/{quote(logical_id, safe='')}" + (f"/_history/{quote(version, safe='')}" if version else "")
            return self._cached(path, kind)
        identifier, named = reference.get("identifier"), reference.get("type")
        if not isinstance(identifier, dict) or not isinstance(named, str) or named not in CONTEXT_TYPES:
            return None
        value, system = identifier.get("value"), identifier.get("system")
        if not isinstance(value, str):
            return None
        token = f"{system}|{value}" if isinstance(system, str) else value
        return self._cached(f"{named}?identifier={token}", named, identifier=token)

    def _cached(self, key: str, kind: str, *, identifier: str = "") -> Found | None:
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        found = self._search(kind, identifier) if identifier else self._read(key, kind)
        self._cache[key] = found
        if len(self._cache) > _MAXIMUM_CACHED:
            self._cache.popitem(last=False)
        return found

    def _read(self, path: str, kind: str) -> Found | None:
        answer = self._client.get(path)
        found = self._found(answer.body, kind) if answer.status == 200 else None
        return found._replace(key=path) if found is not None else None

    def _search(self, kind: str, identifier: str) -> Found | None:
        """The one resource with an identifier; None where there is none, or more than one."""
        answer = self._client.get(kind, {"identifier": identifier, "_count": "2"})
        if answer.status != 200:
            return None
        try:
            hits = [bytes(entry.resource) for entry in open_bundle(answer.body).entry if entry.resource]
        except RecordError:
            return None
        found = [hit for body in hits if (hit := self._found(body, kind)) is not None]
        return found[0] if len(found) == 1 else None

    def _found(self, body: bytes, kind: str) -> Found | None:
        try:
            header = open_header(body)
        except RecordError:
            return None
        if header.kind != kind or not header.logical_id:
            return None
        key = f"{kind}/{header.logical_id}"
        return Found(key, f"{self._client.base_url}/{key}", body)
