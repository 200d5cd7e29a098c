"""Releases over HTTPS to the hub; the only code of a site that holds hub credentials."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import msgspec

from cases import ConfigurationError, ServiceError
from privacy.ledger_entry import Published
from privacy.protocol import SurveillanceProtocol
from streams.problem import reason_of
from streams.release_sink import ReleaseRejected

__all__ = ["HttpReleaseSink"]

_TIMEOUT_SECONDS = 30.0
_RETRYABLE = frozenset({408, 425, 429})


class _Latest(msgspec.Struct, frozen=True):
    era: str
    epoch: int
    digest: str


class HttpReleaseSink:
    """Posts each line to ``<url>/v1/releases``.

    Parameters
    ----------
    url
        Base address of the hub.
    api_key
        Key of role `site`.
    ca_file
        Certificates to trust instead of the system's.
    transport
        For tests: an in-process transport (httpx) instead of the network.
    """

    def __init__(
        self, url: str, *, api_key: str, ca_file: Path | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"[hub] ca_file {ca_file} cannot be used") from error
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
            timeout=_TIMEOUT_SECONDS,
            verify=context,
            transport=transport,
        )

    def send(self, line: bytes, /) -> None:
        """Post the line; accepted and replayed are both done."""
        try:
            answer = self._client.post("/v1/releases", content=line)
        except httpx.HTTPError as error:
            raise ServiceError(f"the hub did not answer: {type(error).__name__}") from error
        if answer.is_success:
            return
        if answer.is_server_error or answer.status_code in _RETRYABLE:
            raise ServiceError(f"the hub answered {answer.status_code}")
        raise ReleaseRejected(reason_of(answer))

    def last_published(self) -> Published | None:
        """The site's newest release that the hub holds, None before its first.

        Raises `ServiceError` where the hub does not say: without its word nothing may be released, as a ledger from an
        old backup could not be told.
        """
        try:
            answer = self._client.get("/v1/releases/latest")
            answer.raise_for_status()
            latest = msgspec.json.decode(answer.content, type=_Latest | None)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise ServiceError(f"the hub did not say what it has of this site: {_cause(error)}") from error
        return None if latest is None else Published(latest.era, latest.epoch, latest.digest)

    def protocol_hash(self) -> str:
        """Hash of the protocol the hub runs under; raises `ServiceError` where it does not say."""
        try:
            answer = self._client.get("/v1/protocol")
            answer.raise_for_status()
            return SurveillanceProtocol.decode(answer.content).hash
        except (httpx.HTTPError, ConfigurationError) as error:
            raise ServiceError(f"the hub did not give its protocol: {_cause(error)}") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _cause(error: Exception) -> str:
    return f"HTTP {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
