"""What an aggregator tells the hub: its share of the noisy encoded sum of one epoch, over the sites both agreed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.cohort import Cohort
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum.accepted_set import Acceptance
from privacy.secure_sum.additive_share import Words, join_shares
from privacy.secure_sum.framing import HEADER_LIMIT, digest_of, open_frame, read_frame, seal_frame
from privacy.secure_sum.share_error import ShareError, ShareFault, require_place
from privacy.secure_sum.site_share import Role

__all__ = [
    "SumShare",
    "encode_sum",
    "join_sums",
    "maximum_sum_bytes",
    "open_sum_share",
    "peek_sum_role",
    "seal_sum_share",
]

_KIND = "sum-share"
_HASH = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: Role
    acceptance: Acceptance
    payload_digest: _HASH


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SumShare:
    """One verified message of an aggregator to the hub.

    Parameters
    ----------
    role
        Which aggregator's.
    acceptance
        The agreed set of sites, with both signatures.
    words
        Share of W, all tables one after the other, shape (cells + drugs + reactions,), in lattice units.
    """

    role: Role
    acceptance: Acceptance
    words: Words


def encode_sum(coefficients: Mapping[int, int], contents: Iterable[tuple[int, Words]], noise: Words) -> Words:
    r"""An aggregator's share of :math:`W_t = \sum_s C_{ts} X_s + Z_t`, modulo 2**64.

    Linear throughout, so that the two aggregators' results add up to what one would get who holds both.

    Parameters
    ----------
    coefficients
        Row t of C: whole number by epoch s.
    contents
        Share of the summed increments with their epoch, asked for one after the other: those of a whole era may be
        more than the memory. Epochs without a coefficient are an error.
    noise
        Share of the sites' summed noise of epoch t. Like every increment it holds all tables one after the other.

    Raises
    ------
    ParameterError
        An epoch has no coefficient, or a share another length.
    """
    total = noise.copy()
    for epoch, content in contents:
        if epoch not in coefficients:
            raise ParameterError(f"there is no coefficient for epoch {epoch}")
        if content.shape != noise.shape:
            raise ParameterError(f"the share of epoch {epoch} must have {noise.size} words, not {content.size}")
        total += np.uint64(coefficients[epoch] % (1 << 64)) * content
    return total


def seal_sum_share(share: SumShare, key: Ed25519PrivateKey) -> bytes:
    """The signed message; the same share and key give the same bytes."""
    payload = share.words.astype("<u8", copy=False).tobytes()
    body = _Body(role=share.role, acceptance=share.acceptance, payload_digest=digest_of(payload))
    return seal_frame(_KIND, body, [payload], key)


def peek_sum_role(data: bytes | memoryview) -> Role:
    """Whose message it says it is, to find the public key; nothing is verified. Raises `ShareError` (malformed)."""
    return read_frame(_KIND, data, _Body)[0].role


def maximum_sum_bytes(protocol: SurveillanceProtocol) -> int:
    """Longest message of an aggregator to the hub."""
    return 8 * protocol.layout.length + HEADER_LIMIT + 64


def open_sum_share(
    data: bytes | memoryview,
    *,
    keys: Mapping[Role, Ed25519PublicKey],
    role: Role,
    protocol: SurveillanceProtocol,
    cohort: Cohort,
) -> SumShare:
    """Verify and decode a message of the aggregator `role`; the hub's only way in.

    Raises `ShareError` with the first fault of: form, signature, recipient (another role), signatures of the accepted
    set, protocol, era, epoch, cohort (opened with too few sites, or not opened at all), length, digest.
    """
    body, payload = open_frame(_KIND, data, _Body, keys[role])
    if body.role is not role:
        raise ShareError(ShareFault.RECIPIENT, f"sealed as {body.role} with the {role}'s key")
    accepted = body.acceptance.verify(keys[Role.LEADER], keys[Role.HELPER])
    require_place(accepted.protocol_hash, accepted.era, accepted.epoch, protocol=protocol)
    if not (accepted.is_opened and len(accepted.members) >= cohort.minimum):
        raise ShareError(
            ShareFault.COHORT, f"{len(accepted.members)} sites, a sum is opened with at least {cohort.minimum}"
        )
    if len(payload) != 8 * protocol.layout.length:
        raise ShareError(ShareFault.LENGTH, f"the payload has {len(payload)} bytes, which is no sum of this protocol")
    if digest_of(payload) != body.payload_digest:
        raise ShareError(ShareFault.DIGEST, "the payload is not the one that was signed")
    return SumShare(role=role, acceptance=body.acceptance, words=np.frombuffer(payload, dtype="<u8").astype(np.uint64))


def join_sums(first: SumShare, second: SumShare, protocol: SurveillanceProtocol) -> dict[str, NDArray[np.int64]]:
    """The noisy tables W that the shares of both aggregators add up to, by table name.

    Raises `ShareError` (disagreement) unless they are of both roles and over the same accepted set.
    """
    if {first.role, second.role} != set(Role) or first.acceptance.accepted != second.acceptance.accepted:
        raise ShareError(ShareFault.DISAGREEMENT, "the two shares are not of both aggregators and one accepted set")
    return protocol.layout.split(join_shares(first.words, second.words))
