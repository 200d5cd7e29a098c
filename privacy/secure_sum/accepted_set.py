"""Which sites are in the sum of an epoch: agreed between the aggregators, signed by both, published by the hub."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases.errors import ParameterError
from privacy.secure_sum.framing import digest_of
from privacy.secure_sum.share_error import ShareError, ShareFault

__all__ = ["Acceptance", "AcceptedSet"]

_HASH = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_SIGNATURE = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
_DOMAIN = b"kelsey.accepted-set/1\n"


class AcceptedSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sites of an epoch, each with the sharing that both aggregators hold.

    A site that is missing may send its increment again with a later epoch: this document is the proof that it is not
    counted here. One that is in must never do so.

    Parameters
    ----------
    protocol_hash, era, epoch
        Of which epoch.
    members
        (site, sharing), sorted by site, each site once.
    is_opened
        Whether the sum is put together. If not, for want of sites, its increments belong to the next that is.
    """

    protocol_hash: _HASH
    era: str
    epoch: Annotated[int, msgspec.Meta(ge=0)]
    members: tuple[tuple[str, _HASH], ...]
    is_opened: bool

    def __post_init__(self) -> None:
        sites = self.sites
        if list(sites) != sorted(set(sites)):
            raise ParameterError("members must be sorted by site, each site once")

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that are in."""
        return tuple(site for site, _ in self.members)

    def encode(self) -> bytes:
        """Canonical JSON; equal sets give equal bytes."""
        return msgspec.json.encode(self)

    @property
    def hash(self) -> str:
        """SHA-256 of `encode`: what is booked in the aggregators' ledgers."""
        return digest_of(self.encode())

    def sign(self, key: Ed25519PrivateKey) -> bytes:
        """One aggregator's signature."""
        return key.sign(_DOMAIN + self.encode())

    def verify(self, signature: bytes, public_key: Ed25519PublicKey) -> None:
        """Raise `ShareError` (signature) unless `signature` is one of this set by that key."""
        try:
            public_key.verify(signature, _DOMAIN + self.encode())
        except InvalidSignature as error:
            raise ShareError(ShareFault.SIGNATURE, "not the aggregator's signature of this accepted set") from error


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An accepted set with both aggregators' signatures."""

    accepted: AcceptedSet
    leader: _SIGNATURE
    helper: _SIGNATURE

    def verify(self, leader: Ed25519PublicKey, helper: Ed25519PublicKey) -> AcceptedSet:
        """The set, if both signed it; raises `ShareError` (signature)."""
        self.accepted.verify(self.leader, leader)
        self.accepted.verify(self.helper, helper)
        return self.accepted
