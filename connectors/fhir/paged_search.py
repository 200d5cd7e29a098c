"""The pages of one FHIR search or history, whatever becomes of them on the way."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from cases import RecordError, ServiceError
from connectors.fhir.dates import instant
from connectors.fhir.envelope import Envelope, open_bundle, open_header
from connectors.polite_client import Answer, PoliteClient

__all__ = ["Page", "PagedSearch", "written"]

_logger = logging.getLogger(__name__)

_MAXIMUM_PAGES = 100_000
_MAXIMUM_RESTARTS = 3
_MAXIMUM_EMPTY_PAGES = 3


class Page(NamedTuple):
    """One page; `next_url` is "" on the last, `server_time` "" where the server does not tell."""

    bundle: Envelope
    next_url: str
    is_first: bool
    server_time: str


def written(moment: datetime) -> str:
    """A moment as FHIR instant with milliseconds: without them a second-wide range would be asked for."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class PagedSearch:
    """One search, page by page.

    Rules: a page that expired (404, 410) restarts the search, at most three times; so does, once, an end at which
    fewer resources came than the first page announced (pages that shifted under an update). A page seen before, or
    three empty ones in a row, is the end. Another server's page is never asked for (`PoliteClient`).
    """

    def __init__(self, client: PoliteClient, path: str, parameters: Mapping[str, str]) -> None:
        self._client = client
        self._path = path
        self._parameters = parameters

    def pages(self, page_url: str) -> Iterator[Page]:
        """Pages from `page_url` on, from the first where it is "".

        Raises `ServiceError` where the server answers with something else than a Bundle, or never comes to an end.
        """
        url, visited, restarts, empty = page_url, set[str](), 0, 0
        listed, announced = 0, 0
        for _ in range(_MAXIMUM_PAGES):
            answer = self._client.get(url) if url else self._client.get(self._path, self._parameters)
            if answer.status != 200:
                if not url:
                    raise ServiceError(f"the FHIR server does not know {self._path} ({answer.status})")
                restarts = self._restarted(restarts, f"a page is gone ({answer.status})")
                url, listed, announced = "", 0, 0
                visited.clear()
                continue
            bundle = _bundle(answer)
            if not url and isinstance(bundle.total, int):
                announced = bundle.total
            listed += sum(entry.search is None or entry.search.mode in ("", "match") for entry in bundle.entry)
            empty = 0 if bundle.entry else empty + 1
            visited.add(url)
            next_url = bundle.url_of("next")
            if next_url in visited or empty >= _MAXIMUM_EMPTY_PAGES:
                next_url = ""
            is_short = not next_url and 0 < listed < announced and restarts == 0
            following = next_url
            if is_short:
                restarts = self._restarted(restarts, f"{listed} of {announced} resources came")
                following = str(self._first_url())
            yield Page(bundle, following, not url, _server_time(answer, bundle))
            if is_short:
                url, listed, announced = "", 0, 0
                visited.clear()
            elif next_url:
                url = next_url
            else:
                return
        raise ServiceError("the FHIR server's pages do not come to an end")

    def _first_url(self) -> str:
        return self._client.url_of(self._path, self._parameters)

    def _restarted(self, restarts: int, reason: str) -> int:
        if restarts >= _MAXIMUM_RESTARTS:
            raise ServiceError(f"the FHIR server loses its pages ({reason})", hint="lower page_size")
        _logger.warning("search of %s begins again: %s", self._path, reason)
        return restarts + 1


def _bundle(answer: Answer) -> Envelope:
    try:
        if open_header(answer.body).kind == "Bundle":
            return open_bundle(answer.body)
    except RecordError as error:
        raise ServiceError(f"the FHIR server answers with no FHIR JSON ({error.reason})") from error
    raise ServiceError("the FHIR server answers a search with something else than a Bundle")


def _server_time(answer: Answer, bundle: Envelope) -> str:
    """The server's time by its Date header and the Bundle's own, the earlier of the two; a cached page is older."""
    moments = [answer.server_time] if answer.server_time else []
    updated = bundle.meta.get("lastUpdated") if isinstance(bundle.meta, dict) else None
    if isinstance(updated, str):
        try:
            moments.append(instant(updated, "Bundle.meta.lastUpdated"))
        except RecordError:
            _logger.warning("the FHIR server's Bundle.meta.lastUpdated is no instant")
    return written(min(moments)) if moments else ""
