"""What a site gives to each of the two aggregators for one epoch: a share of its increment and one of its noise.

The leader gets the words of the increment and the seed of the noise, the helper the seed of the increment and the words
of the noise, so that either link carries one long vector. Each message is uniformly random to whoever holds it alone,
always equally long, also when nothing happened, and names the other by its digest: the two belong to one sharing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.epoch_vector import EpochVector
from privacy.protocol import SurveillanceProtocol
from privacy.release import TABLES
from privacy.secure_sum.additive_share import SEED_BYTES, Words, expand_seed, split_vector
from privacy.secure_sum.framing import digest_of, open_frame, read_frame, seal_frame
from privacy.secure_sum.share_error import ShareError, ShareFault, require_place

__all__ = [
    "Role",
    "SiteShare",
    "epoch_of",
    "maximum_share_bytes",
    "open_share",
    "pack_sharing",
    "peek_share",
    "read_verified_share",
    "share_epoch",
    "sharing_of",
    "unpack_sharing",
]

_KIND = "share"
_SITE = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
_HASH = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_HEADER_BYTES = 4096
_BOTH = b"kelsey.sharing/1\n"


class Role(StrEnum):
    """The two aggregators; they do the same, but the leader proposes which sites are in."""

    LEADER = "leader"
    HELPER = "helper"


class _Digests(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    leader: _HASH
    helper: _HASH


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site: _SITE
    protocol_hash: _HASH
    era: str
    epoch: Annotated[int, msgspec.Meta(ge=0)]
    recipient: Role
    digests: _Digests


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteShare:
    """One verified message.

    Parameters
    ----------
    site, epoch
        Whose, and for which epoch.
    sharing
        SHA-256 over both digests: the same at both aggregators, and only there.
    content
        Share of the increment X, all tables one after the other (`TableLayout`), in grid units of the weights.
    noise
        Share of the noise, equally long, in lattice units.
    """

    site: str
    epoch: int
    sharing: str
    content: Words
    noise: Words


def _payload_bytes(protocol: SurveillanceProtocol) -> int:
    return SEED_BYTES + 8 * protocol.layout.length


def maximum_share_bytes(protocol: SurveillanceProtocol) -> int:
    """Longest message to one of the aggregators."""
    return _payload_bytes(protocol) + _HEADER_BYTES + 6 * len(protocol.era.encode())


def share_epoch(
    *,
    site: str,
    protocol: SurveillanceProtocol,
    epoch: int,
    increment: EpochVector,
    noise: Mapping[str, NDArray[np.int64]],
    key: Ed25519PrivateKey,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> dict[Role, bytes]:
    """The two signed messages of an epoch.

    To be called once for an epoch that is charged; what it gives is stored before it is sent, and sent as it is
    however often: two sharings of one increment with two draws of noise would tell more than the budget allows.

    Parameters
    ----------
    site
        Public identifier.
    protocol, epoch
        Under which, and for which of its epochs.
    increment
        Net weights by coordinate that no earlier accepted epoch has.
    noise
        The site's own noise by table, in lattice units (`Cohort.site_sigma`).
    key
        The site's signing key.
    random_bytes
        Source of the seeds.

    Raises
    ------
    ParameterError
        The epoch or a cell lies outside the protocol, or a table of noise has another length.
    """
    if not 0 <= epoch < protocol.calendar.count:
        raise ParameterError(f"epoch must lie in [0, {protocol.calendar.count - 1}], not {epoch!r}")
    layout = protocol.layout
    if increment.cells.size and not increment.cells[-1] < layout.length:
        raise ParameterError(f"cell must lie in [0, {layout.length - 1}], not {int(increment.cells[-1])}")
    for name, length in layout.lengths.items():
        if noise[name].shape != (length,):
            raise ParameterError(f"noise of table {name} must have the shape {(length,)}, not {noise[name].shape}")
    dense = np.zeros(layout.length, dtype=np.int64)
    dense[increment.cells] = increment.weights
    content_seed, content = split_vector(dense, random_bytes=random_bytes)
    noise_seed, noise_words = split_vector(np.concatenate([noise[name] for name in TABLES]), random_bytes=random_bytes)
    payloads = {
        Role.LEADER: (noise_seed, content.astype("<u8", copy=False).data.cast("B")),
        Role.HELPER: (content_seed, noise_words.astype("<u8", copy=False).data.cast("B")),
    }
    digests = _Digests(digest_of(*payloads[Role.LEADER]), digest_of(*payloads[Role.HELPER]))
    bodies = {
        role: _Body(
            site=site, protocol_hash=protocol.hash, era=protocol.era, epoch=epoch, recipient=role, digests=digests
        )
        for role in Role
    }
    return {role: seal_frame(_KIND, bodies[role], payloads[role], key) for role in Role}


def pack_sharing(messages: Mapping[Role, bytes]) -> bytes:
    """Both messages of an epoch in one: what a site's ledger keeps."""
    leader = messages[Role.LEADER]
    return b"".join((_BOTH, len(leader).to_bytes(8, "big"), leader, messages[Role.HELPER]))


def unpack_sharing(data: bytes) -> dict[Role, bytes]:
    """Inverse of `pack_sharing`; raises `ShareError` (malformed)."""
    start = len(_BOTH) + 8
    end = start + int.from_bytes(data[len(_BOTH) : start], "big")
    if not (data.startswith(_BOTH) and start < end < len(data)):
        raise ShareError(ShareFault.MALFORMED, "not both messages of an epoch")
    return {Role.LEADER: data[start:end], Role.HELPER: data[end:]}


def epoch_of(message: bytes | memoryview) -> int:
    """The epoch that one of a site's own messages is for; nothing is verified."""
    return read_frame(_KIND, message, _Body)[0].epoch


def sharing_of(message: bytes | memoryview) -> str:
    """The sharing that one of a site's own messages belongs to (`SiteShare.sharing`); nothing is verified."""
    return _sharing(read_frame(_KIND, message, _Body)[0])


def _sharing(body: _Body) -> str:
    return digest_of((body.digests.leader + body.digests.helper).encode())


def peek_share(data: bytes | memoryview) -> tuple[str, int]:
    """Site and epoch a message says it is of, to find the public key; raises `ShareError` (malformed)."""
    body, _ = read_frame(_KIND, data, _Body)
    return body.site, body.epoch


def open_share(
    data: bytes | memoryview, *, public_key: Ed25519PublicKey, protocol: SurveillanceProtocol, role: Role
) -> SiteShare:
    """Verify and decode a message to the aggregator `role`; the only way in.

    Raises `ShareError` with the first fault of: form, signature, protocol, era, epoch, recipient, length, digest.
    """
    body, payload = open_frame(_KIND, data, _Body, public_key)
    require_place(body.protocol_hash, body.era, body.epoch, protocol=protocol)
    if body.recipient is not role:
        raise ShareError(ShareFault.RECIPIENT, f"made for the {body.recipient}, this is the {role}")
    if len(payload) != _payload_bytes(protocol):
        raise ShareError(ShareFault.LENGTH, f"a payload has {_payload_bytes(protocol)} bytes, not {len(payload)}")
    if digest_of(payload) != getattr(body.digests, role):
        raise ShareError(ShareFault.DIGEST, "the payload is not the one that was signed")
    return _decoded(body, payload, protocol, role)


def read_verified_share(data: bytes | memoryview, *, protocol: SurveillanceProtocol, role: Role) -> SiteShare:
    """Decode a message that `open_share` took in before, from the reader's own disk; verifies form and length alone."""
    body, payload = read_frame(_KIND, data, _Body)
    if len(payload) != _payload_bytes(protocol):
        raise ShareError(ShareFault.LENGTH, "the stored payload has another length")
    return _decoded(body, payload, protocol, role)


def _decoded(body: _Body, payload: memoryview, protocol: SurveillanceProtocol, role: Role) -> SiteShare:
    seed = bytes(payload[:SEED_BYTES])
    words = np.frombuffer(payload, dtype="<u8", offset=SEED_BYTES).astype(np.uint64, copy=False)
    length = protocol.layout.length
    content, noise = (words, expand_seed(seed, length)) if role is Role.LEADER else (expand_seed(seed, length), words)
    return SiteShare(
        site=body.site,
        epoch=body.epoch,
        sharing=_sharing(body),
        content=content,
        noise=noise,
    )
