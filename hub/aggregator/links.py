"""What an aggregator asks of the hub and of its peer, over HTTP."""

from __future__ import annotations

import ssl
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import ConfigurationError, KelseyError, ServiceError
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import (
    SIGNATURE_HEADER,
    Acceptance,
    AcceptedSet,
    Introduction,
    Role,
    ShareError,
    ShareFault,
    sign_request,
)

__all__ = ["HttpHub", "HttpPeer", "Hub", "Peer", "Proposal", "SumRefusedError"]

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_LIMITS = httpx.Limits(max_keepalive_connections=0)  # an idle TLS connection would hold up the other side's end
_AGREEMENT_TIMEOUT = httpx.Timeout(900.0, connect=10.0)  # the helper adds a thousand vectors before it answers
_RETRYABLE = frozenset({401, 408, 425, 429})  # 401: the key may not be registered yet


class SumRefusedError(KelseyError):
    """The hub refuses a share of a sum for good.

    Parameters
    ----------
    reason
        Its code.
    """

    code = "sum-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"a share of a sum does not get through, the hub refuses it: {reason}")
        self.reason = reason


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /v1/agreements``: the leader's set and its signature of it."""

    accepted: AcceptedSet
    leader: bytes


class Hub(Protocol):
    """The hub, as an aggregator needs it."""

    def accepted(self) -> list[Acceptance]:
        """The sets of all epochs of which it has a share; raises `ServiceError` where it does not say."""
        ...

    def received(self, role: Role) -> dict[int, str]:
        """SHA-256 of the share that it has of an aggregator, by epoch; raises `ServiceError` where it does not say."""
        ...

    def send(self, message: bytes) -> None:
        """Give it a sealed share; on return it is stored. Raises `ServiceError` (retryable) or `SumRefusedError`."""
        ...


class Peer(Protocol):
    """The other aggregator; every method raises `ServiceError` where it does not answer."""

    def acceptance(self, epoch: int) -> Acceptance | None:
        """What it has agreed on."""
        ...

    def holdings(self, epoch: int) -> dict[str, str]:
        """The sharing of every site that it holds for an epoch."""
        ...

    def agree(self, accepted: AcceptedSet, signature: bytes) -> Acceptance:
        """Its answer to a proposal; raises `ShareError` where it refuses."""
        ...


class _Problem(msgspec.Struct, frozen=True):
    code: str = ""


class _Link:
    def __init__(self, name: str, url: str, *, tls: ssl.SSLContext, headers: dict[str, str] | None = None) -> None:
        self._name = name
        self._client = httpx.Client(
            base_url=url, headers=headers, timeout=_TIMEOUT, verify=tls, limits=_LIMITS, trust_env=False
        )

    def _ask(self, method: str, target: str, **more: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, target, **more)
        except httpx.HTTPError as error:
            raise ServiceError(f"the {self._name} did not answer: {type(error).__name__}") from error
        if answer.is_server_error or answer.status_code in _RETRYABLE:
            raise ServiceError(f"the {self._name} answered {answer.status_code} {_code(answer)}".rstrip())
        return answer

    def _read(self, answer: httpx.Response, kind: type[Any]) -> Any:
        try:
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=kind)
        except (httpx.HTTPError, msgspec.DecodeError, ValueError) as error:
            raise ServiceError(f"the {self._name} answered with something else: {type(error).__name__}") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class HttpHub(_Link):
    """The hub behind its interface.

    Parameters
    ----------
    url, api_key
        Its address, and a key of the role ``aggregator``.
    tls
        What verifies its certificate.
    """

    def __init__(self, url: str, *, api_key: str, tls: ssl.SSLContext) -> None:
        super().__init__("hub", url, tls=tls, headers={"Authorization": f"Bearer {api_key}"})

    def accepted(self) -> list[Acceptance]:
        """See `Hub`."""
        found: list[Acceptance] = self._read(self._ask("GET", "/v1/sums/accepted"), list[Acceptance])
        return found

    def received(self, role: Role) -> dict[int, str]:
        """See `Hub`."""
        found: dict[int, str] = self._read(self._ask("GET", f"/v1/sums/received/{role}"), dict[int, str])
        return found

    def protocol_hash(self) -> tuple[str, datetime | None]:
        """Hash of the protocol it works under, and its clock where it shows it; raises `ServiceError`."""
        answer = self._ask("GET", "/v1/protocol")
        try:
            answer.raise_for_status()
            found = SurveillanceProtocol.decode(answer.content).hash
        except (httpx.HTTPError, ConfigurationError) as error:
            raise ServiceError(f"the hub did not give its protocol: {type(error).__name__}") from error
        date = answer.headers.get("date")
        return found, None if date is None else parsedate_to_datetime(date)

    def send(self, message: bytes) -> None:
        """See `Hub`."""
        headers = {"Content-Type": "application/octet-stream"}
        answer = self._ask("POST", "/v1/sums", content=message, headers=headers)
        if not answer.is_success:
            raise SumRefusedError(_code(answer) or str(answer.status_code))


class HttpPeer(_Link):
    """The other aggregator behind its interface.

    Parameters
    ----------
    url
        Its address.
    key
        This aggregator's, to sign what only the peer may ask.
    tls
        What verifies its certificate, and shows this aggregator's.
    """

    def __init__(self, url: str, *, key: Ed25519PrivateKey, tls: ssl.SSLContext) -> None:
        super().__init__("peer", url, tls=tls)
        self._key = key

    def acceptance(self, epoch: int) -> Acceptance | None:
        """See `Peer`."""
        answer = self._ask("GET", f"/v1/epochs/{epoch}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found: Acceptance = self._read(answer, Acceptance)
        return found

    def introduction(self) -> Introduction:
        """What it says of itself; raises `ServiceError`."""
        found: Introduction = self._read(self._ask("GET", "/v1/introduction"), Introduction)
        return found

    def holdings(self, epoch: int) -> dict[str, str]:
        """See `Peer`."""
        target = f"/v1/holdings/{epoch}"
        headers = {SIGNATURE_HEADER: sign_request(self._key, "GET", target)}
        found: dict[str, str] = self._read(self._ask("GET", target, headers=headers), dict[str, str])
        return found

    def agree(self, accepted: AcceptedSet, signature: bytes) -> Acceptance:
        """See `Peer`."""
        body = msgspec.json.encode(Proposal(accepted, signature))
        answer = self._ask("POST", "/v1/agreements", content=body, timeout=_AGREEMENT_TIMEOUT)
        if answer.is_client_error and _code(answer) in set(ShareFault):
            raise ShareError(ShareFault(_code(answer)), "the helper refuses the proposal")
        agreed: Acceptance = self._read(answer, Acceptance)
        return agreed


def _code(answer: httpx.Response) -> str:
    try:
        return msgspec.json.decode(answer.content, type=_Problem).code
    except (msgspec.DecodeError, ValueError):
        return ""
