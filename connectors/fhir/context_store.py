"""Resources that AdverseEvents of the same files may refer to, kept on disk so that memory stays bounded.

SQLite's own private temporary database: a file the operating system deletes with the process. It holds patient data
and is never given a name.
"""

from __future__ import annotations

import sqlite3
from types import TracebackType

from connectors.fhir.elements import FhirObject
from connectors.fhir.envelope import Header
from connectors.fhir.gathering import Found
from connectors.fhir.resolver import split_reference

__all__ = ["ContextStore"]

_PENDING_ROWS = 2000


class ContextStore:
    """Resources by ``Type/id`` (the last one given wins), by version, and by business identifier."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE resource (key TEXT PRIMARY KEY, id TEXT, body BLOB) WITHOUT ROWID")
        self._pending: list[tuple[str, str, bytes]] = []

    def __enter__(self) -> ContextStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def put(self, header: Header, body: bytes) -> None:
        """Keep a resource that has an id or an identifier."""
        key = f"{header.kind}/{header.logical_id}"
        if header.logical_id:
            self._pending.append((key, key, body))
            if header.version_id:
                versioned = f"{key}/_history/{header.version_id}"
                self._pending.append((versioned, versioned, body))
        identifiers = header.identifier if isinstance(header.identifier, list) else [header.identifier]
        for identifier in identifiers:
            if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
                name = f"{header.kind}?{identifier.get('system')}|{identifier['value']}"
                self._pending.append((name, key if header.logical_id else name, body))
        if len(self._pending) >= _PENDING_ROWS:
            self._flush()

    def find(self, reference: FhirObject) -> Found | None:
        """What a relative or a logical reference means; absolute URLs are not followed, these files have no base."""
        literal = reference.get("reference")
        if isinstance(literal, str):
            parts = split_reference(literal)
            if parts is None or parts[0]:
                return None
            _, kind, logical_id, version = parts
            key = f"{kind}/{logical_id}"
            if version:
                return self._get(f"{key}/_history/{version}") or self._unversioned(key)
            return self._get(key)
        identifier = reference.get("identifier")
        if isinstance(identifier, dict) and isinstance(reference.get("type"), str):
            return self._get(f"{reference['type']}?{identifier.get('system')}|{identifier.get('value')}")
        return None

    def _unversioned(self, key: str) -> Found | None:
        """The resource where it does not say which version it is."""
        self._flush()
        pattern = f"{key}/_history/"
        query = "SELECT 1 FROM resource WHERE key >= ? AND key < ? LIMIT 1"
        if self._database.execute(query, (pattern, f"{pattern}\U0010ffff")).fetchone():
            return None
        return self._get(key)

    def _get(self, key: str) -> Found | None:
        self._flush()
        row = self._database.execute("SELECT id, body FROM resource WHERE key = ?", (key,)).fetchone()
        return None if row is None else Found(row[0], "", row[1])

    def _flush(self) -> None:
        if self._pending:
            self._database.executemany("REPLACE INTO resource VALUES (?, ?, ?)", self._pending)
            self._pending.clear()
