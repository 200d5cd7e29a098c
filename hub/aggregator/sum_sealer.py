"""The second half of an aggregator: encode its share of every agreed sum, book it, seal it once, keep it until sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from cases import IntegrityError
from hub.aggregator.shelf import AggregatorShelf
from hub.sql_store import SqlStore
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import ReleaseState, SealedRelease
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import Acceptance, Role, SumShare, encode_sum, seal_sum_share
from privacy.secure_sum.additive_share import Words

__all__ = ["SumSealer"]


def _nothing(_: str) -> None:
    return None


class SumSealer:
    """Turns agreed sums into signed messages to the hub.

    Deterministic: the same accepted sets and sums give the same bytes, so that a ledger from an older backup seals
    again what was sent.

    Parameters
    ----------
    role, protocol, key
        The aggregator's.
    store
        Its database, as `Aggregator` fills it.
    ledger
        Books each opened epoch once, under the hash of its accepted set; the first pays for the era.
    reached
        Told the name of every step just reached; crash tests end the process there.
    """

    STEPS = ("reserved", "sealed")

    def __init__(
        self,
        *,
        role: Role,
        protocol: SurveillanceProtocol,
        key: Ed25519PrivateKey,
        store: SqlStore,
        ledger: BudgetLedger,
        reached: Callable[[str], None] = _nothing,
    ) -> None:
        self._role = role
        self._protocol = protocol
        self._spec = ReleaseSpec.of(protocol)
        self._key = key
        self._store = store
        self._shelf = AggregatorShelf(protocol)
        self._ledger = ledger
        self._reached = reached

    def seal_due(self) -> int:
        """Seal the share of every agreed and opened epoch that is not sealed; returns how many.

        Raises `BudgetSpentError` where the era's budget does not cover it, `IntegrityError` where the ledger and the
        accepted sets contradict each other.
        """
        with self._store.read() as connection:
            agreed = list(self._shelf.acceptances(connection))
        sealed = 0
        era = self._protocol.era
        booked = [entry for entry in self._ledger.entries() if entry.era == era]
        done = {entry.epoch for entry in booked if entry.state is not ReleaseState.RESERVED}
        for number, each in enumerate(agreed):
            epoch = each.accepted.epoch
            if not each.accepted.is_opened or epoch in done:
                continue
            cost = 0 if self._is_paid(epoch) else self._spec.cost_micro_mu2
            self._ledger.reserve(era, epoch, cost, self._spec.cap_micro_mu2, self._spec.hash, each.accepted.hash)
            self._reached("reserved")
            share = SumShare(role=self._role, acceptance=each, words=self._encoded(agreed[: number + 1]))
            self._ledger.seal(era, epoch, seal_sum_share(share, self._key))
            self._reached("sealed")
            sealed += 1
        return sealed

    def waiting(self) -> list[int]:
        """Epochs whose sealed messages the hub does not have yet, in order."""
        return self._ledger.waiting(self._protocol.era)

    def pending(self) -> Iterator[SealedRelease]:
        """Their messages, each read when it is asked for."""
        return self._ledger.pending(self._protocol.era)

    def lost(self, received: Mapping[int, str]) -> Iterator[SealedRelease]:
        """Messages that the hub has acknowledged and has no more, in order, each read when it is asked for.

        `received` is the SHA-256 of what it has, by epoch. Raises `IntegrityError` where it has other bytes than were
        sealed here.
        """
        for entry in self._ledger.entries():
            if entry.era != self._protocol.era or entry.state is not ReleaseState.SENT:
                continue
            if (digest := received.get(entry.epoch)) is None:
                payload = self._ledger.payload(entry.era, entry.epoch) or b""
                yield SealedRelease(entry.era, entry.epoch, payload)
            elif digest != entry.payload_hash:
                raise IntegrityError(
                    f"the hub has another share of epoch {entry.epoch} than was sealed here",
                    hint="somebody changed its database, or put back a ledger of another era of that name",
                )

    def acknowledge(self, epoch: int) -> None:
        """The hub has the message of `epoch`."""
        self._ledger.mark_sent(self._protocol.era, epoch)

    def _is_paid(self, epoch: int) -> bool:
        """Whether an earlier epoch paid for the era."""
        return any(
            entry.era == self._protocol.era and entry.epoch < epoch and entry.cost > 0
            for entry in self._ledger.entries()
        )

    def _encoded(self, agreed: Sequence[Acceptance]) -> Words:
        """Share of W of the last epoch in `agreed`."""
        last = agreed[-1].accepted.epoch
        row = dict(enumerate(self._spec.factorisation.row(last).tolist()))
        with self._store.read() as connection:
            return encode_sum(row, self._contents(connection, agreed), self._shelf.noise(connection, last))

    def _contents(self, connection: Connection, agreed: Sequence[Acceptance]) -> Iterator[tuple[int, Words]]:
        """Summed increments by opened epoch; those of epochs that were not opened go with the next."""
        waiting = np.zeros(self._protocol.layout.length, dtype=np.uint64)
        for each in agreed:
            waiting += self._shelf.content(connection, each.accepted.epoch)
            if each.accepted.is_opened:
                yield each.accepted.epoch, waiting
                waiting = np.zeros_like(waiting)
