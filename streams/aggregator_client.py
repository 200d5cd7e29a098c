"""A site's link to one aggregator of the secure sum, over HTTPS with certificates of both sides."""

from __future__ import annotations

import ssl
from typing import TypeVar

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases import ServiceError
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import (
    SIGNATURE_HEADER,
    SITE_HEADER,
    Acceptance,
    Introduction,
    Role,
    ShareError,
    ShareFault,
    ShareReceipt,
    sign_request,
)
from privacy.secure_sum.framing import digest_of
from streams.problem import reason_of
from streams.release_sink import ReleaseRejected

__all__ = ["AggregatorClient"]

_TIMEOUT_SECONDS = 60.0
_CHUNK_BYTES = 1 << 20
_RETRYABLE = frozenset({408, 425, 429})
_WRONG_OFFSET, _MOST_RESTARTS = "offset", 3


_T = TypeVar("_T")


class _Upload(msgspec.Struct, frozen=True):
    offset: int
    receipt: ShareReceipt | None = None


class AggregatorClient:
    """Uploads sealed shares piece by piece, and reads which sites were in.

    Parameters
    ----------
    url
        Base address of the aggregator.
    role, public_key
        Which aggregator it is, and the key its receipts are signed with.
    site_id, signing_key
        The site's own; every request is signed.
    protocol
        Under which the shares were made.
    tls
        Trusts the aggregator's certificate and shows the site's.
    transport
        For tests: an in-process transport (httpx) instead of the network.
    """

    def __init__(
        self,
        url: str,
        *,
        role: Role,
        public_key: Ed25519PublicKey,
        site_id: str,
        signing_key: Ed25519PrivateKey,
        protocol: SurveillanceProtocol,
        tls: ssl.SSLContext,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.role = role
        self._public_key = public_key
        self._site_id = site_id
        self._key = signing_key
        self._era = protocol.era
        self._client = httpx.Client(
            base_url=url, timeout=_TIMEOUT_SECONDS, verify=tls, transport=transport, trust_env=False
        )

    def upload(self, epoch: int, message: bytes) -> None:
        """Give the aggregator a sealed message; on return it holds it durably, or has agreed on the epoch without it.

        Goes on where an earlier upload was cut off. Raises `ServiceError` where a later try can help,
        `ReleaseRejected` where none will, `ShareError` where the receipt is not the aggregator's word on these bytes.
        """
        target = f"/v1/shares/{self._site_id}/{epoch}"
        state = self._decode(self._ask("GET", target), _Upload)
        restarts = 0
        while state.receipt is None:
            chunk = message[state.offset : state.offset + _CHUNK_BYTES]
            put = f"{target}?offset={state.offset}&total={len(message)}"
            answer = self._ask("PUT", put, chunk, may_conflict=True)
            if answer.is_success:
                state = self._decode(answer, _Upload)
                continue
            reason = reason_of(answer)
            if reason == ShareFault.CLOSED:
                return  # what becomes of it is settled by the accepted set
            if reason != _WRONG_OFFSET:
                raise ReleaseRejected(f"{self.role}: {reason}")
            restarts += 1
            if restarts > _MOST_RESTARTS:
                raise ServiceError(f"the {self.role} loses what is uploaded")
            state = self._decode(self._ask("GET", target), _Upload)
        self._check(state.receipt, epoch, message)

    def is_held(self, epoch: int) -> bool:
        """Whether a share of the site waits there to be counted; raises what `upload` raises."""
        return self._decode(self._ask("GET", f"/v1/shares/{self._site_id}/{epoch}"), _Upload).receipt is not None

    def introduction(self) -> Introduction:
        """What the aggregator says of itself. Raises `ServiceError`, also where it is one that does not say."""
        answer = self._ask("GET", "/v1/introduction", may_be_missing=True)
        return self._decode(answer, Introduction)

    def acceptance(self, epoch: int) -> Acceptance | None:
        """Which sites are in an epoch, by this aggregator's word; not verified. Raises `ServiceError`."""
        answer = self._ask("GET", f"/v1/epochs/{epoch}", may_be_missing=True)
        return None if answer.status_code == httpx.codes.NOT_FOUND else self._decode(answer, Acceptance)

    def heed(self, agreed: Acceptance) -> None:
        """Show the aggregator what it agreed to: it may have been put back from a backup. Raises `ServiceError`."""
        self._ask("POST", "/v1/heed", msgspec.json.encode(agreed), may_conflict=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(
        self, method: str, target: str, body: bytes = b"", *, may_conflict: bool = False, may_be_missing: bool = False
    ) -> httpx.Response:
        headers = {SITE_HEADER: self._site_id, SIGNATURE_HEADER: sign_request(self._key, method, target, body)}
        try:
            answer = self._client.request(method, target, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise ServiceError(f"the {self.role} did not answer: {type(error).__name__}") from error
        allowed = {httpx.codes.CONFLICT} if may_conflict else {httpx.codes.NOT_FOUND} if may_be_missing else set()
        if answer.is_success or answer.status_code in allowed:
            return answer
        if answer.is_server_error or answer.status_code in _RETRYABLE:
            raise ServiceError(f"the {self.role} answered {answer.status_code}")
        raise ReleaseRejected(f"{self.role}: {reason_of(answer)}")

    def _decode(self, answer: httpx.Response, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.DecodeError as error:
            raise ServiceError(f"the {self.role} answered something else than agreed") from error

    def _check(self, receipt: ShareReceipt, epoch: int, message: bytes) -> None:
        receipt.verify(self._public_key)
        found = (receipt.role, receipt.site, receipt.era, receipt.epoch)
        if found != (self.role, self._site_id, self._era, epoch):
            raise ShareError(ShareFault.DISAGREEMENT, "the receipt is for another share")
        if receipt.digest != digest_of(message):
            raise ShareError(ShareFault.DIGEST, "the aggregator holds other bytes than were sealed")
