"""A FHIR server as a source: polled by `_lastUpdated` with an overlap, page by page, deletions by its history.

A server's `_lastUpdated` is not the order in which transactions commit, so every poll asks again from a while before
the last one (`overlap`) and drops what it has seen. The time asked from is the server's own, never ours. Pages may
expire, repeat, never end or lead to another server: each of these has its rule below.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from cases import ConfigurationError, IntegrityError, RawRecord, RecordError, ServiceError
from connectors.fhir.capability import Capability
from connectors.fhir.dates import instant
from connectors.fhir.envelope import Entry, Envelope, deletion_of, open_header
from connectors.fhir.paged_search import PagedSearch, written
from connectors.fhir.resolver import split_reference
from connectors.fhir.server_references import ServerReferences
from connectors.fhir.unpacking import Unpacker
from connectors.polite_client import PoliteClient, TokenProvider
from connectors.source import SourceBatch

__all__ = ["FhirServerSource"]

_logger = logging.getLogger(__name__)

_MAXIMUM_SEEN = 10_000
_SEARCH, _HISTORY = "search", "history"


class _Cursor(msgspec.Struct):
    since: str = ""  # server time up to which everything was read; "" at the very first poll
    until: str = ""  # server time at which the poll under way began; "" between polls
    stage: str = _SEARCH
    page: str = ""  # next page of the poll under way; "" at the beginning of a stage
    seen: dict[str, tuple[str, str]] = {}  # id: version and last change, of what the overlap will show again
    version: int = 1


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FhirServerSource:
    """AdverseEvents of one FHIR server (R4, R4B or R5), each with what it refers to.

    Parameters
    ----------
    base_url
        Where the server's API begins, e.g. ``https://fhir.hospital.example/r4``.
    name
        Name of the source.
    token
        Gives the bearer token (`TokenProvider`); None for a server without.
    overlap
        How far each poll reaches back, above zero. It must exceed the server's longest transaction and the time it
        caches searches and history counts (HAPI: one minute).
    page_size
        `_count` of a page, a hint to the server.
    clock, sleep
        What time it is, and how to wait some seconds.
    maximum_wait_seconds
        Longest wait for a busy server before the poll is given up (`ServiceError`, to be tried again later).
    verify
        TLS verification, as httpx takes it.

    Notes
    -----
    One call of `batches` is one poll: what changed since the last, then (where the server keeps a history of the
    type) what was deleted. A server without such a history never tells of deletions: call `reconcile` now and then.
    A Medication that changes without its AdverseEvent changing is not noticed by any poll.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str,
        token: TokenProvider | None = None,
        overlap: timedelta = timedelta(minutes=5),
        page_size: int = 100,
        clock: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], None] = time.sleep,
        maximum_wait_seconds: float = 300.0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        if not overlap > timedelta(0):
            raise ConfigurationError("overlap must be above zero")
        if not page_size >= 1:
            raise ConfigurationError(f"page_size must be at least 1, not {page_size!r}")
        self._name = name
        self._overlap = overlap
        self._page_size = page_size
        self._clock = clock
        self._client = PoliteClient(
            base_url,
            token=token,
            sleep=sleep,
            clock=clock,
            maximum_wait_seconds=maximum_wait_seconds,
            verify=verify,
        )
        self._capability: Capability | None = None

    @property
    def name(self) -> str:
        """Name of the source as the site configured it."""
        return self._name

    def close(self) -> None:
        """Close the connections to the server."""
        self._client.close()

    def capability(self) -> Capability:
        """What the server says it can do; asked once. Raises as `batches` does."""
        if self._capability is None:
            answer = self._client.get("metadata")
            if answer.status != 200:
                raise ServiceError(f"the server has no /metadata ({answer.status})", hint="check the source's url")
            self._capability = Capability.of(answer.body)
        return self._capability

    def batches(self, after: str | None) -> Iterator[SourceBatch]:
        """One poll, a batch a page; a poll that was broken off goes on at its next page.

        Raises `ServiceError` (retryable) where the server does not answer as it should, `ConfigurationError` where
        it never will (no AdverseEvent search, missing rights), `IntegrityError` for a cursor of another source.
        """
        capability = self.capability()
        state = _decoded(after)
        references = ServerReferences(self._client)
        is_over = False
        while not is_over:
            for records, skipped, is_last in self._pages(state, references):
                if is_last and state.stage == _SEARCH and capability.has_history and state.since:
                    state.stage = _HISTORY
                elif is_last:
                    state.since, state.until, state.stage = state.until, "", _SEARCH
                    state.seen = self._recent(state.seen, state.since)
                    is_over = True
                cursor = msgspec.json.encode(state).decode()
                yield SourceBatch(records=tuple(records), skipped=dict(skipped), cursor=cursor)

    def reconcile(self, known_ids: Collection[str]) -> tuple[RawRecord, ...]:
        """A deletion for each of `known_ids` that the server no longer has.

        For servers that keep no history: lists every AdverseEvent's id, so run it seldom. Raises as `batches` does;
        a listing that breaks off deletes nothing.
        """
        left = set(known_ids)
        listing = PagedSearch(self._client, "AdverseEvent", {"_elements": "id", "_count": "500"})
        for page in listing.pages(""):
            for entry in page.bundle.entry:
                if entry.resource:
                    left.discard(open_header(bytes(entry.resource)).logical_id)
        gone = [record_id for record_id in sorted(left) if self._client.get(f"AdverseEvent/{record_id}").status != 200]
        now = self._clock()
        return tuple(
            RawRecord(
                source=self._name,
                record_id=record_id,
                format="fhir",
                payload=b"",
                received_at=now,
                is_deleted=True,
                updated_at=now,
                position=f"{self._client.base_url} (reconciled)",
            )
            for record_id in gone
        )

    def _pages(
        self, state: _Cursor, references: ServerReferences
    ) -> Iterator[tuple[list[RawRecord], Counter[str], bool]]:
        """What is new on each page of the stage, and whether it is the last; `state` follows along."""
        parameters = {"_count": str(self._page_size)}
        path = "AdverseEvent"
        if state.stage == _HISTORY:
            path = "AdverseEvent/_history"
            parameters["_since"] = self._start(state.since)
        else:
            parameters["_sort"] = "_lastUpdated"
            if state.since:
                parameters["_lastUpdated"] = f"ge{self._start(state.since)}"
        unpacker = Unpacker(self._name, references.find)
        for page in PagedSearch(self._client, path, parameters).pages(state.page):
            if page.is_first and state.stage == _SEARCH:
                state.until = state.until or page.server_time or state.since
                self._warn_of_ignored_parameters(page.bundle, state)
            state.page = page.next_url
            fresh = [entry for entry in page.bundle.entry if self._is_fresh(entry, state, references)]
            records: list[RawRecord] = []
            skipped: Counter[str] = Counter()
            where = f"{self._client.base_url}/{path}"
            for outcome in unpacker.unpack_entries(fresh, page.bundle.entry, received_at=self._clock(), position=where):
                if isinstance(outcome, RawRecord):
                    records.append(outcome)
                else:
                    skipped[str(outcome)] += 1
            yield records, skipped, not page.next_url

    def _is_fresh(self, entry: Entry, state: _Cursor, references: ServerReferences) -> bool:
        """Whether an entry was not handed on before; remembers it where the overlap will show it again."""
        try:
            deletion = deletion_of(entry)
            if deletion is not None:
                key, version = f"-{deletion.logical_id}", deletion.version_id
                changed = deletion.updated_at.isoformat() if deletion.updated_at else state.until
            elif state.stage == _HISTORY:
                return False  # the search has told all but the deletions
            else:
                header = open_header(bytes(entry.resource)) if entry.resource else None
                if header is None or header.kind != "AdverseEvent":
                    return True
                parts = split_reference(entry.fullUrl)
                if parts is None:
                    entry.fullUrl = f"{self._client.base_url}/AdverseEvent/{header.logical_id}"
                elif parts[0]:
                    references.bases.add(parts[0])
                key, version = header.logical_id, header.version_id or header.last_updated
                changed = instant(header.last_updated, "").isoformat() if header.last_updated else state.until
        except RecordError:
            return True  # its reader says what is wrong with it
        if version and state.seen.get(key, ("", ""))[0] == version:
            return False
        state.seen.pop(key, None)
        state.seen[key] = (version, changed)
        if len(state.seen) > _MAXIMUM_SEEN:
            state.seen = self._recent(state.seen, state.until)
        return True

    def _recent(self, seen: dict[str, tuple[str, str]], until: str) -> dict[str, tuple[str, str]]:
        """What a poll that begins at `until` will be shown again; at most so many that the cursor stays small."""
        if not until:
            return seen
        start = instant(self._start(until), "until").isoformat()
        kept = {key: state for key, state in seen.items() if state[1] >= start}
        return dict(list(kept.items())[-_MAXIMUM_SEEN:])

    def _start(self, since: str) -> str:
        return written(instant(since, "cursor") - self._overlap)

    def _warn_of_ignored_parameters(self, bundle: Envelope, state: _Cursor) -> None:
        url = bundle.url_of("self")
        if state.since and url and "_lastUpdated" not in url:
            _logger.warning("source %s: the server ignores _lastUpdated; every poll reads everything", self._name)


def _decoded(after: str | None) -> _Cursor:
    if after is None:
        return _Cursor()
    try:
        return msgspec.json.decode(after, type=_Cursor)
    except msgspec.DecodeError as error:
        raise IntegrityError("the stored cursor is not one of a FHIR server source") from error
