"""Signed requests of a site to an aggregator: who sends a piece is known before anything of it is kept.

The message itself is signed too (`framing`), but that can only be verified when all of it has arrived. A signed
request that somebody sends again changes nothing: it names its offset, and what is there already is not written again.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privacy.secure_sum.framing import digest_of
from privacy.secure_sum.share_error import ShareError, ShareFault

__all__ = ["SIGNATURE_HEADER", "SITE_HEADER", "sign_request", "verify_request"]

SIGNATURE_HEADER = "Kelsey-Signature"
SITE_HEADER = "Kelsey-Site"
_DOMAIN = b"kelsey.request/1\n"


def _signed_bytes(method: str, target: str, body: bytes) -> bytes:
    return _DOMAIN + b"\n".join((method.encode(), target.encode(), digest_of(body).encode()))


def sign_request(key: Ed25519PrivateKey, method: str, target: str, body: bytes = b"") -> str:
    """Value of the header `Kelsey-Signature`: base64 of the Ed25519 signature.

    Signed are the domain ``kelsey.request/1``, the method, the target and the SHA-256 of the body in hexadecimal, a
    line each, without a line break behind the last.

    Parameters
    ----------
    key
        The site's.
    method
        In capitals.
    target
        Path and, behind a question mark, the query if there is one, as they go over the wire.
    body
        All of it.

    Examples
    --------
    >>> key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    >>> signature = sign_request(key, "GET", "/v1/shares/north/3")
    >>> verify_request(key.public_key(), signature, "GET", "/v1/shares/north/3")
    >>> verify_request(key.public_key(), signature, "GET", "/v1/shares/north/4")
    Traceback (most recent call last):
        ...
    privacy.secure_sum.share_error.ShareError: not the site's signature of this request
    """
    return base64.b64encode(key.sign(_signed_bytes(method, target, body))).decode()


def verify_request(public_key: Ed25519PublicKey, signature: str, method: str, target: str, body: bytes = b"") -> None:
    """Raise `ShareError` (signature) unless `signature` is the header's value of this request by that key."""
    try:
        public_key.verify(base64.b64decode(signature, validate=True), _signed_bytes(method, target, body))
    except (InvalidSignature, binascii.Error, ValueError):
        raise ShareError(ShareFault.SIGNATURE, "not the site's signature of this request") from None
