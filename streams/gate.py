"""The gate: the only door out of a site. Charge, store, then send.

    parts ─► close epoch ─► reserve budget ─► draw noise ─► sign ─► store sealed line ─► look again ─► send ─► mark sent
              (store)        (ledger)                                (ledger)                          (ledger)

Every step before `send` is either undone by a crash or found done at the next start. Noise is drawn once for what is
ever sent: a line that was sealed is sent as it is, however often; a draw that was not sealed was seen by nobody.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import IntegrityError, ParameterError, ServiceError
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import BudgetSpentError, ReleaseState
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import Role, sharing_of, unpack_sharing
from streams.budget import Budget, budget_of
from streams.envelope import envelope_of
from streams.epoch import EpochPart
from streams.gate_store import GateStore, PartVerdict
from streams.release_sink import AcceptanceSource, PublishedSource, ReleaseSink

__all__ = ["Gate"]

_log = logging.getLogger("kelsey.gate")


def _nothing(_: str) -> None:
    return None


class Gate:
    """Turns parts into releases and delivers them.

    Parameters
    ----------
    site_id
        As registered at the hub.
    protocol
        The protocol the site has accepted; parts of another are refused.
    signing_key
        The site's Ed25519 key.
    store, ledger
        Durable state; both belong to this gate alone.
    random_bytes
        Source of the noise; the operating system's in production.
    reached
        Told the name of every step just reached; crash tests end the process there.
    """

    STEPS = ("closed", "reserved", "drawn", "sealed", "opened", "delivered", "sent")

    def __init__(
        self,
        *,
        site_id: str,
        protocol: SurveillanceProtocol,
        signing_key: Ed25519PrivateKey,
        store: GateStore,
        ledger: BudgetLedger,
        random_bytes: Callable[[int], bytes] = os.urandom,
        reached: Callable[[str], None] = _nothing,
    ) -> None:
        self.protocol = protocol
        self.spec = ReleaseSpec.of(protocol)
        self._store = store
        self._ledger = ledger
        self._site_id = site_id
        self._envelope = envelope_of(site_id, protocol, signing_key)
        self._random_bytes = random_bytes
        self._reached = reached
        self._history = store.closed_epochs(protocol.era)
        entries = [entry for entry in ledger.entries() if entry.era == protocol.era]
        self._sealed = sum(entry.state is not ReleaseState.RESERVED for entry in entries)
        self._is_exhausted = False

    @property
    def next_epoch(self) -> int | None:
        """First epoch that is not sealed; None after the last of the era."""
        return self._sealed if self._sealed < self.protocol.calendar.count else None

    @property
    def is_exhausted(self) -> bool:
        """Whether the ledger refused to charge: nothing is released any more in this era."""
        return self._is_exhausted

    def take(self, parts: Sequence[EpochPart], *, offset: tuple[int, int] | None = None) -> list[PartVerdict]:
        """Keep `parts` for the next epoch that closes, with the `offset` (partition, next) they were read up to."""
        verdicts = self._store.take(parts, era=self.protocol.era, protocol_hash=self.protocol.hash, offset=offset)
        for part, verdict in zip(parts, verdicts, strict=True):
            if verdict in (PartVerdict.WALLET_LOST, PartVerdict.FOREIGN):
                _log.error("part refused: %s, partition %d, sequence %d", verdict, part.partition, part.sequence)
        return verdicts

    def release(self, epoch: int) -> bytes | None:
        """Close an epoch and give its signed line; the same bytes at every later call.

        None where the budget is gone (it is said in the log and in `is_exhausted`). Epochs go in order, each once:
        raises `ParameterError` for one before its turn.
        """
        era = self.protocol.era
        if (sealed := self._ledger.payload(era, epoch)) is not None:
            return sealed
        if epoch != self.next_epoch:
            raise ParameterError(f"epoch must be {self.next_epoch}, the next in order, not {epoch!r}")
        vector = self._history[epoch] = self._store.close_epoch(era, epoch)
        self._reached("closed")
        try:
            self._ledger.reserve(era, epoch, self._cost(epoch), self.spec.cap_micro_mu2, self.spec.hash, vector.digest)
        except BudgetSpentError as error:
            self._is_exhausted = True
            _log.error("the gate stops, the privacy budget is gone: %s", error)
            return None
        self._reached("reserved")
        payload = self._envelope.seal(epoch, self._history, random_bytes=self._random_bytes)
        self._reached("drawn")
        self._ledger.seal(era, epoch, payload)
        self._sealed += 1
        self._reached("sealed")
        return payload

    def _cost(self, epoch: int) -> int:
        """What an epoch is charged: the whole era with its first release under this spec, later ones nothing."""
        booked = [entry for entry in self._ledger.entries() if entry.era == self.protocol.era]
        if any(entry.epoch < epoch and entry.spec_hash == self.spec.hash and entry.cost > 0 for entry in booked):
            return 0
        return self.spec.cost_micro_mu2

    def deliver(self, sink: ReleaseSink) -> int:
        """Send every sealed line that is not marked as sent, in order; returns how many.

        Each is opened and checked once more like the hub does it, so that nothing but a release can leave. Raises what
        the sink raises; what was sent before stays marked.
        """
        delivered = 0
        for sealed in self._ledger.pending(self.protocol.era):
            self._envelope.check(sealed.payload, sealed.epoch)
            self._reached("opened")
            sink.send(sealed.payload)
            self._reached("delivered")
            self.acknowledge(sealed.epoch)
            self._reached("sent")
            delivered += 1
        return delivered

    def is_waiting(self) -> bool:
        """Whether a sealed line is not marked as sent."""
        return bool(self._ledger.waiting(self.protocol.era))

    def give_back(self, sink: ReleaseSink, hub: PublishedSource) -> int:
        """Send again, in order, what the hub had and has no more; returns how many lines.

        For a hub that was put back from a backup: it refuses every later line until it has these. They are the bytes
        that were sealed, no noise is drawn; and no line that it still has is sent. A hub under another protocol, as
        that of the next era, has lost nothing. Raises what both raise, and `IntegrityError`, having sent nothing, where
        the hub's newest release was not sealed here.
        """
        era, published = self.protocol.era, hub.last_published()
        if published is not None and not self._ledger.knows(published):
            raise IntegrityError(
                f"the release that the hub has for epoch {published.epoch} of era {published.era} was not sealed here",
                hint="another gate has this site's key, or the ledger was restored from an older backup",
            )
        first = published.epoch + 1 if published is not None and published.era == era else 0
        lost = [
            entry.epoch
            for entry in self._ledger.entries()
            if entry.era == era and entry.state is ReleaseState.SENT and entry.epoch >= first
        ]
        if not lost or hub.protocol_hash() != self.protocol.hash:
            return 0
        for epoch in lost:
            line = self._ledger.payload(era, epoch) or b""
            self._envelope.check(line, epoch)
            sink.send(line)
        return len(lost)

    def settle(self, counted: AcceptanceSource) -> int:
        """Learn which sealed epochs the aggregators counted this site in; returns how many were settled.

        Under trust mode ``secure-sum`` alone. What an epoch that went on without the site holds is taken into the next
        that closes: its absence is proven by the set that both aggregators signed, so nothing is counted twice. Raises
        what `counted` raises, and `ServiceError` for a set of another protocol, era or epoch, which proves nothing of
        this one; what was settled before stays so.
        """
        settled = 0
        known = self._store.settled_epochs(self.protocol.era)
        for epoch in self._ledger.waiting(self.protocol.era):
            if epoch in known:  # the process ended between store and ledger
                self.acknowledge(epoch)
        for epoch in range(self._sealed):
            if epoch in known:
                continue
            agreed = counted.acceptance(epoch)
            if agreed is None:
                break  # they are agreed on in order
            accepted = agreed.accepted
            if (accepted.protocol_hash, accepted.era, accepted.epoch) != (self.protocol.hash, self.protocol.era, epoch):
                raise ServiceError(
                    f"the accepted set shown for epoch {epoch} is that of another protocol, era or epoch"
                )
            counted_as = dict(accepted.members).get(self._site_id)
            is_in = counted_as is not None
            if is_in and counted_as != self._sharing(epoch):
                raise IntegrityError(
                    f"epoch {epoch} was counted with shares that this ledger does not know",
                    hint="another gate has this site's key, or the ledger was restored from an older backup",
                )
            self._store.settle(self.protocol.era, agreed, is_in=is_in)
            if not is_in:
                _log.warning("epoch %d went on without this site; what it holds goes with the next", epoch)
            self.acknowledge(epoch)
            settled += 1
        return settled

    def send_again(self, sink: ReleaseSink, counted: AcceptanceSource) -> int:
        """Give `sink` every line of the era that was sent before; it takes what it lacks. Returns how many.

        For aggregators that were put back from a backup: `counted` is first shown what was settled, as nobody else may
        know it. An epoch that went on without this site is never sent again: what it holds was carried over. Raises
        what both raise.
        """
        again, settled = 0, self._store.settled_epochs(self.protocol.era)
        for epoch in range(self._sealed):
            if epoch in settled:
                counted.remind(self._store.acceptance(self.protocol.era, epoch))
            payload = self._ledger.payload(self.protocol.era, epoch)
            if payload is not None and settled.get(epoch, True):
                self._envelope.check(payload, epoch)
                sink.send(payload)
                again += 1
        return again

    def _sharing(self, epoch: int) -> str:
        """Under which name the aggregators know the sealed shares of an epoch."""
        return sharing_of(unpack_sharing(self._ledger.payload(self.protocol.era, epoch) or b"")[Role.LEADER])

    def acknowledge(self, epoch: int) -> None:
        """The hub has the line of `epoch`."""
        self._ledger.mark_sent(self.protocol.era, epoch)

    def lost_partitions(self) -> tuple[int, ...]:
        """Partitions whose wallets were lost: they fail closed for the rest of the era."""
        return self._store.lost_partitions(self.protocol.era)

    def budget(self) -> Budget:
        """How the budget of the era stands."""
        return msgspec.structs.replace(budget_of(self._ledger, self.protocol), is_exhausted=self._is_exhausted)

    def releases(self) -> dict[str, int]:
        """Number of epochs in each state of the ledger."""
        counts = dict.fromkeys((state.value for state in ReleaseState), 0)
        for entry in self._ledger.entries():
            if entry.era == self.protocol.era:
                counts[entry.state.value] += 1
        return counts

    def last_sent_epoch(self) -> int | None:
        """The latest epoch of the era the hub has taken; None before the first."""
        sent = (e.epoch for e in self._ledger.entries() if e.era == self.protocol.era and e.state is ReleaseState.SENT)
        return max(sent, default=None)

    def close(self) -> None:
        """Close store and ledger."""
        self._store.close()
        self._ledger.close()
