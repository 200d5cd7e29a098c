"""HTTP GET as a hospital's server wants it: one request at a time, waiting when told to, the token kept at home."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from cases import ConfigurationError, ServiceError

__all__ = ["Answer", "PoliteClient", "TokenProvider"]

_logger = logging.getLogger(__name__)

TokenProvider = Callable[[bool], str]
"""Gives an access token; called with True where the last one was refused and a new one is needed."""

_AGAIN = frozenset({429, 500, 502, 503, 504})
_GONE = frozenset({404, 410})
_MAXIMUM_ANSWER_BYTES = 128 << 20
_MAXIMUM_REDIRECTS = 3
_ISSUE_CODE = re.compile(r"[a-z]{3,12}(?:-[a-z]{3,12}){0,2}")


class Answer(NamedTuple):
    """Status (200, 404 or 410), body, and the server's own time, None where it does not tell."""

    status: int
    body: bytes
    server_time: datetime | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PoliteClient:
    """GET below one base URL.

    Parameters
    ----------
    base_url
        Where the server's FHIR API begins; the only origin that is ever asked.
    token
        Gives the bearer token; None for a server without.
    sleep, clock
        How to wait some seconds, and what time it is.
    attempts
        How often one request is tried, at least 1.
    maximum_wait_seconds
        Longest wait between two tries; a server that asks for a longer one is left for the next poll.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: TokenProvider | None,
        sleep: Callable[[float], None],
        clock: Callable[[], datetime] = _utc_now,
        attempts: int = 5,
        maximum_wait_seconds: float = 300.0,
        timeout_seconds: float = 60.0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ConfigurationError("url must be http(s)://host/path without user, password or query")
        self.base_url = base_url.rstrip("/")
        self._origin = _origin(base_url)
        self._token = token
        self._sleep = sleep
        self._clock = clock
        self._attempts = attempts
        self._maximum_wait_seconds = maximum_wait_seconds
        for chatty in ("httpx", "httpcore"):  # they log every URL (a patient's id) and header (the token)
            logging.getLogger(chatty).setLevel(logging.WARNING)
        headers = {"Accept": "application/fhir+json", "Cache-Control": "no-cache"}
        self._http = httpx.Client(headers=headers, timeout=timeout_seconds, verify=verify, follow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, url: str, parameters: Mapping[str, str] | None = None) -> Answer:
        """The answer at `url`, relative to the base or absolute.

        Busy (429, 503, other 5xx) and broken connections are tried again, after the time the server asks for or 1, 2,
        4 ... seconds. A refused token (401) is renewed once. Raises `ServiceError` where that does not help, or the
        URL leads to another server; `ConfigurationError` for 400 and 403, which no retry cures.
        """
        target = self.url_of(url, parameters or {})
        is_renewed = False
        redirects = 0
        failures = 0
        while True:
            self._refuse_other_origin(target)
            outcome = self._try(target, renew=is_renewed)
            if isinstance(outcome, str):
                wait, reason = float(2**failures), outcome
            elif outcome.status_code in _AGAIN:
                wait, reason = self._wait(outcome, failures), f"status {outcome.status_code}"
            elif outcome.status_code == 401 and self._token is not None and not is_renewed:
                is_renewed = True
                continue
            elif outcome.is_redirect and redirects < _MAXIMUM_REDIRECTS:
                redirects += 1
                target = self.url_of(urljoin(target, outcome.headers.get("Location", "")), {})
                continue
            else:
                return _settled(outcome)
            failures += 1
            if failures >= self._attempts or wait > self._maximum_wait_seconds:
                raise ServiceError(f"the FHIR server does not answer ({reason})", hint="the next poll tries again")
            _logger.warning("FHIR server busy (%s), waiting %.0f s", reason, wait)
            self._sleep(wait)

    def url_of(self, url: str, parameters: Mapping[str, str]) -> str:
        """The absolute URL of a path below the base, with its parameters; an absolute URL stays itself.

        Raises `ServiceError` where that is no URL.
        """
        try:
            target = httpx.URL(urljoin(f"{self.base_url}/", url))
        except (httpx.InvalidURL, ValueError) as error:
            raise ServiceError("the FHIR server gives a link that is no URL") from error
        return str(target.copy_merge_params(dict(parameters)) if parameters else target)

    def _try(self, target: str, *, renew: bool) -> httpx.Response | str:
        headers = {"Authorization": f"Bearer {self._token(renew)}"} if self._token is not None else {}
        try:
            with self._http.stream("GET", target, headers=headers) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > _MAXIMUM_ANSWER_BYTES:
                        raise ServiceError("the FHIR server's answer is too large", hint="lower page_size")
                response.extensions["kelsey_body"] = bytes(body)
                return response
        except httpx.RequestError as error:
            return type(error).__name__

    def _refuse_other_origin(self, target: str) -> None:
        if _origin(target) != self._origin:
            raise ServiceError(
                "the FHIR server links to another server, which is not followed",
                hint="set url to the address the server itself uses in its links",
            )

    def _wait(self, response: httpx.Response, failures: int) -> float:
        """Seconds to wait by Retry-After (seconds, or a date reckoned from the server's own clock), else doubling."""
        asked = response.headers.get("Retry-After", "").strip()
        if asked.isdecimal():
            return float(asked)
        moment = _http_date(asked)
        if moment is not None:
            now = _http_date(response.headers.get("Date", "")) or self._clock()
            return max(0.0, (moment - now).total_seconds())
        return float(2**failures)


def _settled(response: httpx.Response) -> Answer:
    status = response.status_code
    body: bytes = response.extensions["kelsey_body"]
    if status == 200 or status in _GONE:
        return Answer(status, body, _http_date(response.headers.get("Date", "")))
    if status == 401:
        raise ServiceError("the FHIR server refuses the access token (401)", hint="check the source's credentials")
    if status == 403:
        raise ConfigurationError(
            "the FHIR server forbids this read (403)",
            hint="the token needs read access to AdverseEvent, Patient, Condition, Observation and Medication*",
        )
    if 400 <= status < 500:
        raise ConfigurationError(f"the FHIR server refuses the request ({status}{_issue_codes(body)})")
    raise ServiceError(f"the FHIR server answers with status {status}")


def _issue_codes(body: bytes) -> str:
    """The codes of an OperationOutcome; never its words, which may quote a patient."""
    try:
        outcome: Any = msgspec.json.decode(body)
        codes = [str(issue["code"]) for issue in outcome["issue"] if _ISSUE_CODE.fullmatch(str(issue["code"]))]
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError, RecursionError):
        return ""
    return f": {', '.join(codes[:3])}" if codes else ""


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return ("", "", 0)
    return (parts.scheme, (parts.hostname or "").lower(), port)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
