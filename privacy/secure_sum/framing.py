r"""Signed messages of the secure sum: a magic line, a canonical JSON line with its signature, then the words.

    kelsey.<kind>/1\n
    {"body":{...,"payload_digest":hex},"signature":base64}\n
    <payload bytes>

The signature covers kind and body, and with the digest in it the payload. JSON is for what people read; vectors of a
million words stay binary, 8 bytes each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privacy.secure_sum.share_error import ShareError, ShareFault

__all__ = ["HEADER_LIMIT", "digest_of", "open_frame", "read_frame", "seal_frame"]

HEADER_LIMIT = 1 << 20
"""Most bytes before the payload: a header that names ten thousand sites fits."""

_Body = TypeVar("_Body", bound=msgspec.Struct)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    body: msgspec.Raw
    signature: bytes


def _line(body: bytes, signature: bytes) -> bytes:
    return msgspec.json.encode(_Line(msgspec.Raw(body), signature)) + b"\n"


def digest_of(*parts: bytes | memoryview) -> str:
    """SHA-256 of the parts behind one another, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _magic(kind: str) -> bytes:
    return f"kelsey.{kind}/1\n".encode()


def seal_frame(kind: str, body: msgspec.Struct, payload: Iterable[bytes | memoryview], key: Ed25519PrivateKey) -> bytes:
    """The message; the same body, payload (in parts, which are long) and key give the same bytes."""
    encoded = msgspec.json.encode(body)
    return b"".join((_magic(kind), _line(encoded, key.sign(_magic(kind) + encoded)), *payload))


def _split(kind: str, data: bytes | memoryview, body_type: type[_Body]) -> tuple[_Body, bytes, bytes, int]:
    """Body, its bytes, signature and where the payload begins; nothing is verified but form."""
    magic = _magic(kind)
    head = bytes(data[: len(magic) + HEADER_LIMIT])
    end = head.find(b"\n", len(magic)) + 1
    if not head.startswith(magic) or not end:
        raise ShareError(ShareFault.MALFORMED, f"not a message of schema kelsey.{kind}/1")
    try:
        line = msgspec.json.decode(head[len(magic) : end], type=_Line)
        body = msgspec.json.decode(line.body, type=body_type)
    except _UNREADABLE:  # its text may repeat what the line holds
        raise ShareError(ShareFault.MALFORMED, f"not a message of schema kelsey.{kind}/1") from None
    encoded = msgspec.json.encode(body)
    if _line(encoded, line.signature) != head[len(magic) : end]:
        raise ShareError(ShareFault.MALFORMED, "not in canonical form")
    return body, encoded, line.signature, end


def read_frame(kind: str, data: bytes | memoryview, body_type: type[_Body]) -> tuple[_Body, memoryview]:
    """Body and payload as a message has them; nothing is verified. Raises `ShareError` (malformed)."""
    body, _, _, start = _split(kind, data, body_type)
    return body, memoryview(data)[start:]


def open_frame(
    kind: str, data: bytes | memoryview, body_type: type[_Body], public_key: Ed25519PublicKey
) -> tuple[_Body, memoryview]:
    """Verified body and payload; whether the payload has the digest in the body is the caller's to check.

    Raises `ShareError` (malformed, signature).
    """
    body, encoded, signature, start = _split(kind, data, body_type)
    try:
        public_key.verify(signature, _magic(kind) + encoded)
    except InvalidSignature as error:
        raise ShareError(ShareFault.SIGNATURE, "the signature does not belong to this message and key") from error
    return body, memoryview(data)[start:]
