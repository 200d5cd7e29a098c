"""The hub's one way in: a signed line is verified, stored once, and everything else is refused, counted and logged."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import insert

from hub import schema
from hub.errors import ReleaseRefused
from hub.reasons import RefusalReason
from hub.release_shelf import RECORD_LOCK, ReleaseShelf
from hub.store import HubStore
from privacy.protocol import SurveillanceProtocol
from privacy.release import Release, ReleaseError, ReleaseFault, open_release, peek_site, signature_of

__all__ = ["Receipt", "ReceiptStatus", "ReleaseIntake"]

_log = logging.getLogger(__name__)

_REASON_OF = {
    ReleaseFault.OVERSIZED: RefusalReason.OVERSIZED,
    ReleaseFault.MALFORMED: RefusalReason.INVALID_FORMAT,
    ReleaseFault.SIGNATURE: RefusalReason.BAD_SIGNATURE,
    ReleaseFault.PROTOCOL: RefusalReason.WRONG_PROTOCOL,
    ReleaseFault.ERA: RefusalReason.WRONG_ERA,
    ReleaseFault.EPOCH: RefusalReason.EPOCH_OUT_OF_RANGE,
    ReleaseFault.TABLE: RefusalReason.INVALID_FORMAT,
}


class ReceiptStatus(StrEnum):
    """What became of a release that was not refused."""

    ACCEPTED = "accepted"
    REPLAYED = "replayed"  # the hub already had these bytes


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The hub's word that a release is stored durably."""

    status: ReceiptStatus
    site: str
    era: str
    epoch: int
    sequence: int
    digest: str


class ReleaseIntake:
    """Takes in the releases of registered sites, in each site's order.

    Parameters
    ----------
    store
        Where releases are kept.
    protocol
        The only protocol releases may be made under.
    site_keys
        Ed25519 public key of every registered site, by site id.
    shelf
        Where the vectors are read again; by default one without a cache.
    """

    def __init__(
        self,
        store: HubStore,
        protocol: SurveillanceProtocol,
        site_keys: Mapping[str, Ed25519PublicKey],
        *,
        shelf: ReleaseShelf | None = None,
    ) -> None:
        self._store = store
        self._protocol = protocol
        self._site_keys = dict(site_keys)
        self._shelf = ReleaseShelf() if shelf is None else shelf

    def accept(self, line: bytes, *, received_at: datetime, sender: str | None = None) -> Receipt:
        """Verify and store one line; on return it is on disk.

        Parameters
        ----------
        line
            The sealed line as the gate stored it.
        received_at
            When it arrived.
        sender
            Site the API key belongs to; a release of another site is refused. None where there is no API key
            (embedded).

        Raises
        ------
        ReleaseRefused
            For any reason of `hub.reasons.RefusalReason`; the refusal is counted in the store, no release is.
        """
        claimed = sender or ""
        try:
            claimed = claimed or self._claimed_site(line)
            release = self._verified(line, sender)
            return self._store_once(release, line, received_at)
        except ReleaseRefused as refused:
            self.record_refusal(claimed, refused.reason, received_at=received_at)
            raise

    def record_refusal(self, site: str, reason: RefusalReason, *, received_at: datetime) -> None:
        """Count and log a refusal; of the release itself nothing is kept."""
        site = site if site in self._site_keys else ""
        _log.warning("release refused site=%s reason=%s", site or "unknown", reason)
        with self._store.write() as connection:
            values = {"site": site, "reason": str(reason), "received_at": received_at}
            connection.execute(insert(schema.refusal).values(**values))

    def _claimed_site(self, line: bytes) -> str:
        try:
            return peek_site(line, protocol=self._protocol)
        except ReleaseError:
            return ""  # said again, and reported, by `_verified`

    def _verified(self, line: bytes, sender: str | None) -> Release:
        try:
            site = peek_site(line, protocol=self._protocol)
            if sender is not None and site != sender:
                raise ReleaseRefused(RefusalReason.SITE_MISMATCH)
            key = self._site_keys.get(site)
            if key is None:
                raise ReleaseRefused(RefusalReason.UNKNOWN_SITE)
            return open_release(line, public_key=key, protocol=self._protocol)
        except ReleaseError as error:
            raise ReleaseRefused(_REASON_OF[error.reason]) from error

    def _store_once(self, release: Release, line: bytes, received_at: datetime) -> Receipt:
        digest = hashlib.sha256(line).hexdigest()
        status = ReceiptStatus.ACCEPTED
        with self._store.write() as connection:
            site, era = release.site, release.era
            self._store.lock(connection, RECORD_LOCK)  # what is looked at here holds until it is written
            known = self._shelf.find(connection, site, era, epoch=release.epoch, sequence=release.sequence)
            if any(item.digest == digest for item in known):
                status = ReceiptStatus.REPLAYED
            elif known:
                raise ReleaseRefused(RefusalReason.CONFLICT)
            else:
                last = self._shelf.last(connection, site, era)
                if release.sequence != (0 if last is None else last.sequence + 1):
                    raise ReleaseRefused(RefusalReason.SEQUENCE_GAP)
                if last is not None and release.epoch <= last.epoch:
                    raise ReleaseRefused(RefusalReason.EPOCH_ORDER)
                self._shelf.add(
                    connection,
                    release,
                    line=line,
                    signature=signature_of(line),
                    epoch_end=self._protocol.calendar.last_day(release.epoch),
                    received_at=received_at,
                )
        if status is ReceiptStatus.ACCEPTED:
            _log.info("release accepted site=%s epoch=%d sequence=%d", site, release.epoch, release.sequence)
        return Receipt(status=status, site=site, era=era, epoch=release.epoch, sequence=release.sequence, digest=digest)
