"""What an epoch leaves the site as: one noisy signed line to the hub, or two shares to the aggregators.

Envelope ── SignedLine      trust mode per-site
└── SealedSharing   trust mode secure-sum
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import IntegrityError
from privacy.cohort import Cohort
from privacy.epoch_vector import EpochVector
from privacy.gaussian import DiscreteGaussian
from privacy.protocol import SurveillanceProtocol
from privacy.release import Release, open_release, seal_release
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import Role, open_share, pack_sharing, share_epoch, unpack_sharing
from privacy.trust_mode import find_trust_mode

__all__ = ["Envelope", "SealedSharing", "SignedLine", "envelope_of"]


class Envelope(Protocol):
    """Turns an epoch into the bytes that may leave.

    The gate calls `seal` once for an epoch, after the ledger has reserved it and before the bytes are stored, and
    `check` before every time they are sent.
    """

    def seal(self, epoch: int, history: Mapping[int, EpochVector], *, random_bytes: Callable[[int], bytes]) -> bytes:
        """The bytes of an epoch, with noise drawn for them; `history` holds its own vector and those before."""
        ...

    def check(self, payload: bytes, epoch: int) -> None:
        """Open the bytes as their receiver does. Raises `IntegrityError` unless they are this site's of that epoch."""
        ...


class SignedLine(Envelope):
    """The site's own noisy tables: what it counted up to now, encoded, with the whole noise.

    Parameters
    ----------
    site_id, protocol, key
        Whose, under which protocol, signed by which key.
    """

    def __init__(self, site_id: str, protocol: SurveillanceProtocol, key: Ed25519PrivateKey) -> None:
        self._site_id, self._protocol, self._key = site_id, protocol, key
        self._spec = ReleaseSpec.of(protocol)
        self._trust_mode = find_trust_mode(protocol.trust_mode)

    def seal(self, epoch: int, history: Mapping[int, EpochVector], *, random_bytes: Callable[[int], bytes]) -> bytes:
        """See `Envelope.seal`."""
        release = Release(
            site=self._site_id,
            protocol_hash=self._protocol.hash,
            era=self._protocol.era,
            epoch=epoch,
            sequence=epoch,
            tables=self._trust_mode.protect(self._spec, epoch, history, random_bytes=random_bytes),
        )
        return seal_release(release, self._key)

    def check(self, payload: bytes, epoch: int) -> None:
        """See `Envelope.check`."""
        release = open_release(payload, public_key=self._key.public_key(), protocol=self._protocol)
        if (release.site, release.epoch) != (self._site_id, epoch):
            raise IntegrityError(f"the sealed line of epoch {epoch} is not this site's release of it")


class SealedSharing(Envelope):
    """The epoch's own increment and the site's part of the noise, shared between two aggregators.

    Parameters
    ----------
    site_id, protocol, key
        Whose, under which protocol, signed by which key.
    cohort
        Of the protocol.
    """

    def __init__(self, site_id: str, protocol: SurveillanceProtocol, key: Ed25519PrivateKey, *, cohort: Cohort) -> None:
        self._site_id, self._protocol, self._key = site_id, protocol, key
        self._noise = {
            name: (DiscreteGaussian(cohort.site_sigma(table.sigma)), table.length)
            for name, table in ReleaseSpec.of(protocol).tables.items()
        }

    def seal(self, epoch: int, history: Mapping[int, EpochVector], *, random_bytes: Callable[[int], bytes]) -> bytes:
        """See `Envelope.seal`."""
        noise = {
            name: source.sample(length, random_bytes=random_bytes) for name, (source, length) in self._noise.items()
        }
        messages = share_epoch(
            site=self._site_id, protocol=self._protocol, epoch=epoch, increment=history[epoch], noise=noise,
            key=self._key, random_bytes=random_bytes,
        )  # fmt: skip
        return pack_sharing(messages)

    def check(self, payload: bytes, epoch: int) -> None:
        """See `Envelope.check`."""
        messages = unpack_sharing(payload)
        for role in Role:
            share = open_share(messages[role], public_key=self._key.public_key(), protocol=self._protocol, role=role)
            if (share.site, share.epoch) != (self._site_id, epoch):
                raise IntegrityError(f"the sealed shares of epoch {epoch} are not this site's of it")


def envelope_of(site_id: str, protocol: SurveillanceProtocol, key: Ed25519PrivateKey) -> Envelope:
    """The envelope that the protocol's trust mode wants."""
    if protocol.cohort is not None:
        return SealedSharing(site_id, protocol, key, cohort=protocol.cohort)
    return SignedLine(site_id, protocol, key)
