"""The one thing that leaves a site: a signed line of public codes, noisy integers and parameters.

The schema has no field that could hold anything else: names are those of the protocol, the site's own name is a short
identifier, vectors have exactly one encoding, unknown fields are refused, and a line that is not byte for byte what
`seal_release` writes is refused as a whole. Neither the budget ledger's hashes nor any count of patients or of blocked
operations stand in it: they are functions of exact data.

    {"release":{"schema":"kelsey.release/1","site":...,"protocol_hash":...,"era":...,"epoch":...,"sequence":...,
                "tables":{"pair":base64,"drug":base64,"reaction":base64}},"signature":base64}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from numpy.typing import NDArray

from cases.errors import IntegrityError, ParameterError
from privacy.packing import pack_integers, packed_size_bytes, unpack_integers
from privacy.protocol import SurveillanceProtocol

__all__ = [
    "TABLES",
    "Release",
    "ReleaseError",
    "ReleaseFault",
    "maximum_release_bytes",
    "open_release",
    "peek_site",
    "rebuild_line",
    "seal_release",
    "signature_of",
    "table_lengths",
]

TABLES = ("pair", "drug", "reaction")
_SITE = r"^[a-z0-9][a-z0-9-]{0,62}\Z"
_HASH = r"^[0-9a-f]{64}\Z"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_DOMAIN = b"kelsey.release/1\n"  # what a signature signs starts with it, so that it can mean nothing else


class ReleaseFault(StrEnum):
    """Why a release is refused; stable codes."""

    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    SIGNATURE = "signature"
    PROTOCOL = "protocol"
    ERA = "era"
    EPOCH = "epoch"
    TABLE = "table"


class ReleaseError(IntegrityError):
    """A line that is not an acceptable release; `reason` says why."""

    code = "release"

    def __init__(self, reason: ReleaseFault, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Release:
    """What one site says about one epoch.

    Parameters
    ----------
    site
        The site's public identifier: lower-case letters, digits and hyphens, at most 63.
    protocol_hash, era
        Of the surveillance protocol.
    epoch
        Index in the protocol's calendar.
    sequence
        Number of releases the site made in this era before this one.
    tables
        Encoded noisy totals W (`privacy.trust_mode`) in lattice units, int64: ``pair``, ``drug``, ``reaction``.
    """

    site: str
    protocol_hash: str
    era: str
    epoch: int
    sequence: int
    tables: Mapping[str, NDArray[np.int64]]

    def __post_init__(self) -> None:
        if not re.match(_SITE, self.site):
            raise ParameterError("site must be 1 to 63 lower-case letters, digits and hyphens, no hyphen first")
        if not re.match(_HASH, self.protocol_hash):
            raise ParameterError("protocol_hash must be 64 hexadecimal digits")
        if not (self.epoch >= 0 and self.sequence >= 0):
            raise ParameterError(f"epoch and sequence must be at least 0, not {self.epoch} and {self.sequence}")
        if tuple(sorted(self.tables)) != tuple(sorted(TABLES)):
            raise ParameterError(f"tables must be {', '.join(TABLES)}")


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pair: bytes
    drug: bytes
    reaction: bytes


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: Literal["kelsey.release/1"] = "kelsey.release/1"
    site: Annotated[str, msgspec.Meta(pattern=_SITE)]
    protocol_hash: Annotated[str, msgspec.Meta(pattern=_HASH)]
    era: str
    epoch: Annotated[int, msgspec.Meta(ge=0)]
    sequence: Annotated[int, msgspec.Meta(ge=0)]
    tables: _Tables


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    release: _Body
    signature: Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]


class _Head(msgspec.Struct, frozen=True):
    site: Annotated[str, msgspec.Meta(pattern=_SITE)]


class _HeadLine(msgspec.Struct, frozen=True):
    release: _Head


def seal_release(release: Release, private_key: Ed25519PrivateKey) -> bytes:
    """The release as one line of JSON, without a newline, signed with the site's key.

    Deterministic: the same release and key give the same bytes (Ed25519 signs without randomness).
    """
    packed = {name: pack_integers(release.tables[name]) for name in TABLES}
    body = _Body(
        site=release.site,
        protocol_hash=release.protocol_hash,
        era=release.era,
        epoch=release.epoch,
        sequence=release.sequence,
        tables=_Tables(**packed),
    )
    signature = private_key.sign(_DOMAIN + msgspec.json.encode(body))
    return msgspec.json.encode(_Line(body, signature))


def peek_site(data: bytes, *, protocol: SurveillanceProtocol) -> str:
    """The site a line says it comes from, to find its public key; nothing is verified but size and form.

    Raises `ReleaseError` (oversized, malformed).
    """
    _check_size(data, protocol)
    try:
        return msgspec.json.decode(data, type=_HeadLine).release.site
    except _UNREADABLE:  # its text may repeat what the line holds
        raise ReleaseError(ReleaseFault.MALFORMED, "a release must be a JSON object that names its site") from None


def open_release(data: bytes, *, public_key: Ed25519PublicKey, protocol: SurveillanceProtocol) -> Release:
    """Verify and decode a line; the only way in, for the hub and for the gate's own last look.

    Checked in this order, each before anything later is looked at: size, form, canonical encoding, signature, protocol
    hash, era, epoch, length of every table. Raises `ReleaseError` with the first fault found; its text never repeats
    what the line holds.
    """
    _check_size(data, protocol)
    line = _read(data)
    if msgspec.json.encode(line) != data:
        raise ReleaseError(ReleaseFault.MALFORMED, "not in canonical form")
    body = line.release
    _check_signature(body, line.signature, public_key)
    if body.protocol_hash != protocol.hash:
        raise ReleaseError(
            ReleaseFault.PROTOCOL, "made under another protocol", hint=f"the hub's protocol is {protocol.hash}"
        )
    if body.era != protocol.era:
        raise ReleaseError(ReleaseFault.ERA, "made for another era than its protocol's")
    if not body.epoch < protocol.calendar.count:
        raise ReleaseError(ReleaseFault.EPOCH, f"epoch lies outside the calendar of {protocol.calendar.count} epochs")
    tables: dict[str, NDArray[np.int64]] = {}
    for name, length in table_lengths(protocol).items():
        try:
            tables[name] = unpack_integers(getattr(body.tables, name), length=length)
        except IntegrityError as error:
            raise ReleaseError(ReleaseFault.TABLE, f"table {name}: {error.message}") from error
    return Release(
        site=body.site,
        protocol_hash=body.protocol_hash,
        era=body.era,
        epoch=body.epoch,
        sequence=body.sequence,
        tables=tables,
    )


def signature_of(data: bytes) -> bytes:
    """The signature that a line carries; raises `ReleaseError` (malformed)."""
    return _read(data).signature


def rebuild_line(
    packed: Mapping[str, bytes],
    signature: bytes,
    *,
    site: str,
    protocol_hash: str,
    era: str,
    epoch: int,
    sequence: int,
    public_key: Ed25519PublicKey,
) -> bytes:
    """The signed line of which only the parts were kept: of any protocol, byte for byte as it was sealed.

    Raises `ReleaseError` (malformed, signature) where these are not the parts that the site signed.
    """
    values = {"site": site, "protocol_hash": protocol_hash, "era": era, "epoch": epoch, "sequence": sequence}
    try:
        body = msgspec.convert({**values, "tables": dict(packed)}, type=_Body, builtin_types=(bytes,))
    except msgspec.ValidationError:
        raise ReleaseError(ReleaseFault.MALFORMED, "these are not the parts of a release") from None
    _check_signature(body, signature, public_key)
    return msgspec.json.encode(_Line(body, signature))


def table_lengths(protocol: SurveillanceProtocol) -> dict[str, int]:
    """Number of integers in each table, in their order."""
    return protocol.layout.lengths


def maximum_release_bytes(protocol: SurveillanceProtocol) -> int:
    """Largest line a release of the protocol can be."""
    tables = sum((packed_size_bytes(length) + 2) // 3 * 4 for length in table_lengths(protocol).values())
    return tables + 6 * len(protocol.era.encode()) + 1024


def _read(data: bytes) -> _Line:
    try:
        return msgspec.json.decode(data, type=_Line)
    except _UNREADABLE:  # its text may repeat what the line holds
        raise ReleaseError(ReleaseFault.MALFORMED, "not a release of schema kelsey.release/1") from None


def _check_signature(body: _Body, signature: bytes, public_key: Ed25519PublicKey) -> None:
    try:
        public_key.verify(signature, _DOMAIN + msgspec.json.encode(body))
    except InvalidSignature as error:
        raise ReleaseError(
            ReleaseFault.SIGNATURE, "the signature does not belong to this release and the registered key of its site"
        ) from error


def _check_size(data: bytes, protocol: SurveillanceProtocol) -> None:
    limit = maximum_release_bytes(protocol)
    if len(data) > limit:
        raise ReleaseError(ReleaseFault.OVERSIZED, f"{len(data)} bytes, a release has at most {limit}")
