"""The first half of an aggregator: receive shares, agree with the peer on who is in, add up what they hold.

Nothing here draws randomness or asks the clock. Everything an aggregator says is a function of what is durable before
it is said, so that after any crash it says the same again:

    shares ─► agree (both sign) ─► one transaction: acceptance and sums, single shares dropped ─► `SumSealer`
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases import IntegrityError, ServiceError
from hub.aggregator.shelf import AggregatorShelf, HeldShare
from hub.sql_store import SqlStore
from privacy.cohort import Cohort
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import (
    Acceptance,
    AcceptedSet,
    Role,
    ShareError,
    ShareFault,
    ShareReceipt,
    open_share,
    peek_share,
)
from privacy.secure_sum.framing import digest_of
from privacy.secure_sum.site_share import read_verified_share

__all__ = ["Aggregator"]

_log = logging.getLogger("kelsey.aggregator")


def _nothing(_: str) -> None:
    return None


class Aggregator:
    """One aggregator under one protocol.

    Parameters
    ----------
    role
        Leader or helper.
    protocol, cohort
        As sites and hub have accepted them.
    site_keys
        Public key of every registered site. Two sites with one key are refused.
    key
        This aggregator's signing key.
    peer_key
        The other aggregator's public key.
    store
        Durable state of this aggregator alone.
    reached
        Told the name of every step just reached; crash tests end the process there.

    Raises
    ------
    IntegrityError
        Two sites have one key, or the peer has this aggregator's key.
    """

    STEPS = ("held", "agreed")

    def __init__(
        self,
        *,
        role: Role,
        protocol: SurveillanceProtocol,
        cohort: Cohort,
        site_keys: Mapping[str, Ed25519PublicKey],
        key: Ed25519PrivateKey,
        peer_key: Ed25519PublicKey,
        store: SqlStore,
        reached: Callable[[str], None] = _nothing,
    ) -> None:
        raw = [public.public_bytes_raw() for public in site_keys.values()]
        if len(set(raw)) != len(raw):
            raise IntegrityError("two sites are registered with one key", hint="each site draws its own")
        if peer_key.public_bytes_raw() == key.public_key().public_bytes_raw():
            raise IntegrityError("both aggregators have one key", hint="they must be run by two parties")
        self.role = role
        self.protocol = protocol
        self.cohort = cohort
        self._site_keys = dict(site_keys)
        self._key = key
        self.public_key = key.public_key()
        public = {role: self.public_key, _other(role): peer_key}
        self._leader_key, self._helper_key = public[Role.LEADER], public[Role.HELPER]
        self._store = store
        self._shelf = AggregatorShelf(protocol)
        self._reached = reached
        self._heeded = -1

    def receive(self, data: bytes | memoryview, *, at: datetime) -> ShareReceipt:
        """Keep a site's share; on return it is on disk. The same bytes again get the same receipt.

        Raises `ShareError`, and counts it: whatever `open_share` finds, an unknown site, other bytes than before for
        the epoch (equivocation), an epoch that is agreed already without this share (closed).
        """
        site = ""
        try:
            site, _ = peek_share(data)
            if site not in self._site_keys:
                site = ""
                raise ShareError(ShareFault.UNKNOWN_SITE, "no key is registered for this site")
            share = open_share(data, public_key=self._site_keys[site], protocol=self.protocol, role=self.role)
            held = HeldShare(site, share.sharing, digest_of(data))
            with self._store.write() as connection:
                self._store.lock(connection, "aggregator")
                agreed = self._shelf.acceptance(connection, share.epoch)
                if agreed is not None:
                    if (site, share.sharing) not in agreed.accepted.members:
                        raise ShareError(
                            ShareFault.CLOSED, f"epoch {share.epoch} is agreed on without this share",
                            hint="send the increment with a later epoch",
                        )  # fmt: skip
                else:
                    known = self._shelf.held(connection, share.epoch).get(site)
                    if known is None:
                        self._shelf.hold(connection, share.epoch, held, data, at=at)
                    elif known != held:
                        raise ShareError(ShareFault.EQUIVOCATION, "the site sent another share for this epoch before")
        except ShareError as error:
            _log.warning("share refused site=%s reason=%s", site or "unknown", error.reason)
            with self._store.write() as connection:
                self._shelf.refuse(connection, site, str(error.reason), at=at)
            raise
        self._reached("held")
        return self._receipt(site, share.epoch, held.digest)

    def receipt(self, site: str, epoch: int) -> ShareReceipt | None:
        """The receipt of a share that waits for its epoch's agreement; None where there is none, or no more."""
        with self._store.read() as connection:
            held = self._shelf.held(connection, epoch).get(site)
        return None if held is None else self._receipt(site, epoch, held.digest)

    def _receipt(self, site: str, epoch: int, digest: str) -> ShareReceipt:
        return ShareReceipt(role=self.role, site=site, era=self.protocol.era, epoch=epoch, digest=digest).sign(
            self._key
        )

    def holdings(self, epoch: int) -> dict[str, str]:
        """The sharing of every site that is held for an epoch; what the leader asks the helper for."""
        with self._store.read() as connection:
            return {site: held.sharing for site, held in self._shelf.held(connection, epoch).items()}

    @property
    def next_epoch(self) -> int | None:
        """First epoch that is not agreed on; None after the last of the era."""
        with self._store.read() as connection:
            count = self._shelf.agreed_count(connection)
        return count if count < self.protocol.calendar.count else None

    def acceptance(self, epoch: int) -> Acceptance | None:
        """Who is in an epoch, with both signatures; None before it is agreed on."""
        with self._store.read() as connection:
            return self._shelf.acceptance(connection, epoch)

    def propose(self, epoch: int, peer: Mapping[str, str]) -> tuple[AcceptedSet, bytes]:
        """The leader's proposal, signed: the sites of which both hold the same sharing.

        Nothing is written: where the helper agreed to an earlier proposal before a crash, its word stands (`adopt`).
        Raises `ServiceError` for an epoch that is known to have been agreed on before (`heed`).
        """
        self._check_turn(epoch)
        mine = self.holdings(epoch)
        members = tuple((site, sharing) for site, sharing in sorted(mine.items()) if peer.get(site) == sharing)
        accepted = AcceptedSet(
            protocol_hash=self.protocol.hash,
            era=self.protocol.era,
            epoch=epoch,
            members=members,
            is_opened=len(members) >= self.cohort.minimum,
        )
        return accepted, accepted.sign(self._key)

    def agree(self, accepted: AcceptedSet, leader_signature: bytes, *, at: datetime) -> Acceptance:
        """The helper's answer to a proposal: what both now hold to, durable before it is said.

        An epoch that is agreed on already is answered with what was agreed, whatever is proposed now.

        Raises
        ------
        ShareError
            Not the leader's signature; another protocol or era; opened below the cohort, or not opened above it; a
            member of which this aggregator holds nothing, or another sharing.
        ServiceError
            The epoch has not ended by this aggregator's clock, or is not the next (retryable).
        """
        if self.role is not Role.HELPER:
            raise ShareError(ShareFault.RECIPIENT, "proposals go to the helper")
        accepted.verify(leader_signature, self._leader_key)
        if (known := self.acceptance(accepted.epoch)) is not None:
            return known
        self._check(accepted)
        self._check_turn(accepted.epoch)
        if not at >= self.protocol.calendar.closes_at(accepted.epoch):
            raise ServiceError(f"epoch {accepted.epoch} has not ended here yet", hint="compare the clocks")
        agreed = Acceptance(accepted=accepted, leader=leader_signature, helper=accepted.sign(self._key))
        return self._settle(agreed, at=at)

    def adopt(self, agreed: Acceptance, *, at: datetime) -> Acceptance:
        """Hold to what both signed: the leader after the helper's answer; either one after a loss of its own state.

        Raises
        ------
        ShareError
            It is not signed by both, or contradicts what is held or was agreed here (equivocation).
        ServiceError
            It is not the turn of its epoch yet (retryable).
        """
        accepted = agreed.verify(self._leader_key, self._helper_key)
        if (known := self.acceptance(accepted.epoch)) is not None:
            if known.accepted != accepted:
                raise ShareError(ShareFault.EQUIVOCATION, f"epoch {accepted.epoch} was agreed on with other sites")
            return known
        self._check(accepted)
        return self._settle(agreed, at=at)

    def heed(self, agreed: Acceptance, *, at: datetime) -> bool:
        """Learn from somebody else, the hub or a site, what both aggregators signed; whether it is settled here too.

        An aggregator whose state was lost or put back from a backup may have forgotten an agreement. To agree on the
        epoch once more, with other sites, would give two sums whose difference is a single site's. So from what it
        heeds on it agrees on nothing before it has caught up; the sites send their sealed shares again, and then
        `heed` settles what was agreed.

        Raises `ShareError` where it is not signed by both, or contradicts what was agreed here.
        """
        accepted = agreed.verify(self._leader_key, self._helper_key)
        self._check(accepted)
        self._heeded = max(self._heeded, accepted.epoch)
        try:
            self.adopt(agreed, at=at)
        except (ServiceError, ShareError) as error:
            if isinstance(error, ShareError) and error.reason is not ShareFault.DISAGREEMENT:
                raise
            return False
        return True

    def _check_turn(self, epoch: int) -> None:
        if epoch <= self._heeded:
            raise ServiceError(
                f"epoch {epoch} was agreed on before; this aggregator has forgotten it",
                hint="it waits for the sites to send their sealed shares again",
            )

    def _check(self, accepted: AcceptedSet) -> None:
        if accepted.protocol_hash != self.protocol.hash:
            raise ShareError(ShareFault.PROTOCOL, "proposed under another protocol")
        if accepted.era != self.protocol.era:
            raise ShareError(ShareFault.ERA, "proposed for another era")
        if accepted.is_opened != (len(accepted.members) >= self.cohort.minimum):
            minimum = self.cohort.minimum
            raise ShareError(ShareFault.COHORT, f"a sum is opened with at least {minimum} sites, and then is")

    def _settle(self, agreed: Acceptance, *, at: datetime) -> Acceptance:
        """Acceptance and sums in one transaction; the single shares are gone after it."""
        accepted = agreed.accepted
        with self._store.write() as connection:
            self._store.lock(connection, "aggregator")
            if (known := self._shelf.acceptance(connection, accepted.epoch)) is not None:
                return known
            if accepted.epoch != self._shelf.agreed_count(connection):
                raise ServiceError(f"epoch {self._shelf.agreed_count(connection)} has to be agreed on first")
            held = self._shelf.held(connection, accepted.epoch)
            for site, sharing in accepted.members:
                if site not in held:
                    raise ShareError(ShareFault.DISAGREEMENT, f"no share of {site} is held here")
                if held[site].sharing != sharing:
                    raise ShareError(ShareFault.EQUIVOCATION, f"another sharing of {site} is held here")
            content, noise = (np.zeros(self.protocol.layout.length, dtype=np.uint64) for _ in range(2))
            for site in accepted.sites:
                data = self._shelf.data(connection, accepted.epoch, site)
                share = read_verified_share(data, protocol=self.protocol, role=self.role)
                content += share.content
                noise += share.noise
            self._shelf.agree(connection, agreed, content, noise, at=at)
            self._shelf.drop(connection, accepted.epoch)
        _log.info("epoch %d agreed with %d sites opened=%s", accepted.epoch, len(accepted.members), accepted.is_opened)
        self._reached("agreed")
        return agreed


def _other(role: Role) -> Role:
    return Role.HELPER if role is Role.LEADER else Role.LEADER
