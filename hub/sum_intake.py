"""The hub's way in for sums: both aggregators' shares of an epoch are verified, kept, and then put together."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, insert, select

from cases import ConfigurationError
from hub import schema
from hub.intake import ReceiptStatus
from hub.release_shelf import RECORD_LOCK, ReleaseShelf
from hub.store import HubStore
from privacy.protocol import SurveillanceProtocol
from privacy.release import Release
from privacy.secure_sum import (
    Acceptance,
    Role,
    ShareError,
    ShareFault,
    SumShare,
    join_sums,
    open_sum_share,
    peek_sum_role,
)

__all__ = ["SUM_SITE", "SumIntake", "SumReceipt", "stored_acceptances"]

SUM_SITE = "secure-sum"
"""Under this name the sum over sites stands among the releases; no site may be called so."""

_log = logging.getLogger(__name__)


def stored_acceptances(store: HubStore, era: str) -> list[Acceptance]:
    """The accepted set of each epoch of `era` of which a share is stored, in order."""
    table = schema.sum_share
    query = select(table.c.epoch, table.c.acceptance).where(table.c.era == era)
    with store.read() as connection:
        found = {row.epoch: row.acceptance for row in connection.execute(query.order_by(table.c.epoch))}
    return [msgspec.json.decode(data, type=Acceptance) for data in found.values()]


class SumReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The hub's word that an aggregator's share of a sum is stored durably."""

    status: ReceiptStatus
    role: Role
    era: str
    epoch: int
    digest: str
    is_complete: bool
    """Whether the other aggregator's share is there too, so that the sum could be read."""


class SumIntake:
    """Takes in the aggregators' shares.

    Parameters
    ----------
    store
        Where they are kept.
    protocol
        Of trust mode ``secure-sum``.
    aggregator_keys
        Public key of both aggregators.
    shelf
        Where the joined vectors are read again.

    Raises
    ------
    ConfigurationError
        The protocol knows no sums, or a key is missing, or both are the same.
    """

    def __init__(
        self,
        store: HubStore,
        protocol: SurveillanceProtocol,
        aggregator_keys: Mapping[Role, Ed25519PublicKey],
        *,
        shelf: ReleaseShelf | None = None,
    ) -> None:
        cohort = protocol.cohort
        if cohort is None:
            raise ConfigurationError(f"protocol {protocol.name} has trust mode {protocol.trust_mode}, not secure-sum")
        if set(aggregator_keys) != set(Role):
            raise ConfigurationError("the keys of both aggregators, leader and helper, are needed")
        if len({key.public_bytes_raw() for key in aggregator_keys.values()}) != len(Role):
            raise ConfigurationError("both aggregators have one key", hint="they must be run by two parties")
        self._store = store
        self._protocol = protocol
        self._keys = dict(aggregator_keys)
        self._cohort = cohort
        self._shelf = ReleaseShelf() if shelf is None else shelf

    def accept(self, data: bytes, *, received_at: datetime) -> SumReceipt:
        """Verify and store one message; on return it is on disk.

        Raises `ShareError`, and counts it in the refusals: whatever `open_sum_share` finds, other bytes than before
        (equivocation), or another accepted set than the other aggregator's (disagreement).
        """
        try:
            role = peek_sum_role(data)
            share = self._open(data, role)
            return self._store_once(share, data, received_at)
        except ShareError as refused:
            _log.warning("sum share refused reason=%s", refused.reason)
            with self._store.write() as connection:
                values = {"site": "", "reason": str(refused.reason), "received_at": received_at}
                connection.execute(insert(schema.refusal).values(**values))
            raise

    def acceptances(self) -> list[Acceptance]:
        """The accepted set of each epoch of which a share is there, in order: what aggregators heed at their start."""
        return stored_acceptances(self._store, self._protocol.era)

    def received(self, role: Role) -> dict[int, str]:
        """SHA-256 of an aggregator's message by epoch: what it compares with its ledger before it sends more."""
        table = schema.sum_share
        query = select(table.c.epoch, table.c.digest).where(table.c.era == self._protocol.era)
        query = query.where(table.c.role == str(role))
        with self._store.read() as connection:
            return {row.epoch: row.digest for row in connection.execute(query.order_by(table.c.epoch))}

    def _open(self, data: bytes, role: Role) -> SumShare:
        return open_sum_share(data, keys=self._keys, role=role, protocol=self._protocol, cohort=self._cohort)

    def _store_once(self, share: SumShare, data: bytes, received_at: datetime) -> SumReceipt:
        accepted, digest = share.acceptance.accepted, hashlib.sha256(data).hexdigest()
        status = ReceiptStatus.ACCEPTED
        with self._store.write() as connection:
            self._store.lock(connection, RECORD_LOCK)
            known = self._known(connection, accepted.epoch)
            if share.role in known:
                if hashlib.sha256(known[share.role]).hexdigest() != digest:
                    raise ShareError(
                        ShareFault.EQUIVOCATION, f"the {share.role} sent another share for this epoch before"
                    )
                status = ReceiptStatus.REPLAYED
            else:
                others = [self._open(line, role) for role, line in known.items()]
                tables = join_sums(others[0], share, self._protocol) if others else None
                connection.execute(
                    insert(schema.sum_share).values(
                        era=self._protocol.era,
                        epoch=accepted.epoch,
                        role=str(share.role),
                        sites=len(accepted.members),
                        digest=digest,
                        acceptance=msgspec.json.encode(share.acceptance),
                        data=data,
                        received_at=received_at,
                    )
                )
                if tables is not None:
                    release = Release(
                        site=SUM_SITE,
                        protocol_hash=self._protocol.hash,
                        era=self._protocol.era,
                        epoch=accepted.epoch,
                        sequence=accepted.epoch,
                        tables=tables,
                    )
                    self._shelf.add(
                        connection,
                        release,
                        line=b"".join({**known, share.role: data}[role] for role in Role),
                        signature=None,
                        epoch_end=self._protocol.calendar.last_day(accepted.epoch),
                        received_at=received_at,
                    )
                    _log.info("sum put together epoch=%d sites=%d", accepted.epoch, len(accepted.members))
        is_complete = bool(set(known) - {share.role})
        return SumReceipt(
            status=status,
            role=share.role,
            era=self._protocol.era,
            epoch=accepted.epoch,
            digest=digest,
            is_complete=is_complete,
        )

    def _known(self, connection: Connection, epoch: int) -> dict[Role, bytes]:
        table = schema.sum_share
        query = select(table.c.role, table.c.data).where(table.c.era == self._protocol.era, table.c.epoch == epoch)
        return {Role(row.role): bytes(row.data) for row in connection.execute(query)}
