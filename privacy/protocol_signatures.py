"""Who signed a surveillance protocol: detached signatures of its canonical bytes, in one file beside it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases.errors import ConfigurationError
from privacy.party_signature import PartySignature, sign_document
from privacy.protocol import SurveillanceProtocol

__all__ = ["PartyRole", "ProtocolSignatures", "signatures_beside"]

_KIND = "protocol-signature"


class PartyRole(StrEnum):
    """In which role a party signs a protocol."""

    SITE = "site"
    LEADER = "leader"  # of the aggregators
    HELPER = "helper"
    AUTHORITY = "authority"  # who answers for the federation: regulator, ethics board, data-protection officer


def signatures_beside(protocol_file: Path) -> Path:
    """``protocol.signatures.json`` for ``protocol.json``."""
    return protocol_file.with_suffix(".signatures.json")


class ProtocolSignatures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signatures that one protocol has.

    Parameters
    ----------
    protocol
        Hash of the protocol.
    signatures
        At most one by party and role, in that order.

    Examples
    --------
    >>> none = ProtocolSignatures(protocol="0" * 64)
    >>> none.missing([("north", PartyRole.SITE, Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key())])
    ['north (site)']
    """

    protocol: str
    signatures: tuple[PartySignature, ...] = ()
    schema_version: Literal[1] = 1

    @classmethod
    def of(cls, protocol: SurveillanceProtocol) -> Self:
        """None so far."""
        return cls(protocol=protocol.hash)

    @classmethod
    def load(cls, path: Path, protocol: SurveillanceProtocol) -> Self:
        """Those in a file, every one verified; none where there is no file.

        Raises `ConfigurationError` where the file holds something else, signatures of another protocol, or one that
        is not valid.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return cls.of(protocol)
        except OSError as error:
            raise ConfigurationError(f"signature file {path}: {error.strerror}") from error
        try:
            found = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigurationError(f"{path}: no signatures of schema version 1: {error}") from error
        if found.protocol != protocol.hash:
            raise ConfigurationError(
                f"{path} holds signatures of protocol {found.protocol[:12]}, not of {protocol.hash[:12]}",
                hint="the protocol was changed after it was signed; have it signed again",
            )
        for each in found.signatures:
            if not each.is_of(_KIND, protocol.encode()):
                raise ConfigurationError(f"{path}: the signature of {each.party} ({each.role}) is not valid")
        return found

    def dump(self, path: Path) -> None:
        """Write canonical JSON, with a newline at its end."""
        path.write_bytes(msgspec.json.encode(self, order="sorted") + b"\n")

    def sign(self, protocol: SurveillanceProtocol, key: Ed25519PrivateKey, *, party: str, role: PartyRole) -> Self:
        """With the signature of `party` in `role`, in place of one it gave before."""
        made = sign_document(_KIND, protocol.encode(), key, party=party, role=role)
        others = [each for each in self.signatures if (each.party, each.role) != (party, role)]
        together = sorted([*others, made], key=lambda each: (each.role, each.party))
        return msgspec.structs.replace(self, signatures=tuple(together))

    def missing(self, required: Iterable[tuple[str, PartyRole | None, Ed25519PublicKey]]) -> list[str]:
        """Whose signature is not there, in words; asked for by party, role (None: any) and key."""
        return [
            f"{party} ({role or 'any role'})"
            for party, role, key in required
            if not any(
                each.party == party and role in (None, each.role) and each.is_by(key) for each in self.signatures
            )
        ]
