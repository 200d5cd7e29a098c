"""What a party puts its name to: a detached Ed25519 signature of a document, of one kind and in one role.

Signed is the kind of document, then the document's SHA-256 with the party's name and role, so that a signature can
neither be taken for one of another kind nor be shown under another name.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases.errors import ParameterError

__all__ = ["PartySignature", "sign_document"]

_Key = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Signature = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class PartySignature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One party's signature; whose key it is, the reader must know from elsewhere.

    Parameters
    ----------
    party
        Name of the party, as the readers' settings have it.
    role
        In which it signs.
    public_key
        The Ed25519 key it can be verified with, 64 hexadecimal digits.
    signature
        128 hexadecimal digits.

    Examples
    --------
    >>> key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    >>> signature = sign_document("example", b"text", key, party="north", role="site")
    >>> signature.is_of("example", b"text"), signature.is_of("example", b"more"), signature.is_of("other", b"text")
    (True, False, False)
    """

    party: _Name
    role: _Name
    public_key: _Key
    signature: _Signature

    def is_of(self, kind: str, document: bytes) -> bool:
        """Whether it is a signature of this document under the public key it names."""
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))
        try:
            key.verify(bytes.fromhex(self.signature), _signed_bytes(kind, document, self.party, self.role))
        except InvalidSignature:
            return False
        return True

    def is_by(self, key: Ed25519PublicKey) -> bool:
        """Whether it names this key."""
        return self.public_key == key.public_bytes_raw().hex()

    @property
    def fingerprint(self) -> str:
        """First digits of the key, to compare by eye."""
        return self.public_key[:16]


def sign_document(kind: str, document: bytes, key: Ed25519PrivateKey, *, party: str, role: str) -> PartySignature:
    """Sign; `kind` separates documents of different meaning. Raises `ParameterError` for an empty or long name."""
    for name, value in (("party", party), ("role", role)):
        if not 0 < len(value) <= 128:
            raise ParameterError(f"{name} must have between 1 and 128 characters")
    return PartySignature(
        party=party,
        role=role,
        public_key=key.public_key().public_bytes_raw().hex(),
        signature=key.sign(_signed_bytes(kind, document, party, role)).hex(),
    )


def _signed_bytes(kind: str, document: bytes, party: str, role: str) -> bytes:
    said = {"digest": hashlib.sha256(document).hexdigest(), "party": party, "role": role}
    return f"kelsey.{kind}/1\n".encode() + msgspec.json.encode(said, order="sorted")
