"""What an aggregator does by itself: learn what was agreed on, agree on what is due, give the hub its sums."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from cases import KelseyError, ServiceError
from hub.aggregator.aggregator import Aggregator
from hub.aggregator.links import Hub, Peer, SumRefusedError
from hub.aggregator.metrics import AggregatorMetrics
from hub.aggregator.sum_sealer import SumSealer
from privacy.secure_sum import Acceptance, Role

__all__ = ["AggregatorRunner"]

_log = logging.getLogger("kelsey.aggregator")

_FIRST_WAIT_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 300.0
_REFUSED_WAIT_SECONDS = 3600.0


class AggregatorRunner:
    """One `step` after the other, on one thread; `heed` and `is_cleared` on any.

    **Fails closed.** Before the hub has said which sets it has (`is_cleared`), nothing is agreed on: an aggregator put
    back from a backup does not know what it has forgotten.

    Parameters
    ----------
    aggregator, sealer
        The parts that do the work.
    hub, peer
        The others.
    metrics
        Where it is counted.
    clock
        Now, timezone-aware.
    grace_seconds
        How long after an epoch's end the leader waits for sites that are late.
    site_count
        Number of registered sites: when all are in, nobody is waited for.
    """

    def __init__(
        self,
        *,
        aggregator: Aggregator,
        sealer: SumSealer,
        hub: Hub,
        peer: Peer,
        metrics: AggregatorMetrics,
        clock: Callable[[], datetime],
        grace_seconds: float,
        site_count: int,
    ) -> None:
        self._aggregator = aggregator
        self._sealer = sealer
        self._hub = hub
        self._peer = peer
        self._metrics = metrics
        self._clock = clock
        self._grace = timedelta(seconds=grace_seconds)
        self._site_count = site_count
        self._forgotten: dict[int, Acceptance] = {}
        self._is_cleared = self._is_compared = False
        self._failures = 0
        self._next_delivery: datetime | None = None
        self._said: dict[str, str] = {}

    @property
    def is_cleared(self) -> bool:
        """Whether the hub has said what was agreed on before."""
        return self._is_cleared

    def require_clearance(self) -> None:
        """Raise `ServiceError` before `is_cleared`."""
        if not self._is_cleared:
            raise ServiceError(
                "the hub has not said yet what was agreed on before: until then nothing is agreed on",
                hint="is the hub running, and its address and key right?",
            )

    def heed(self, agreed: Acceptance) -> bool:
        """`Aggregator.heed`; what cannot be settled for want of shares is tried again at every step."""
        is_settled = self._aggregator.heed(agreed, at=self._clock())
        if not is_settled:
            self._forgotten[agreed.accepted.epoch] = agreed
        return is_settled

    def step(self) -> None:
        """Do what is due now. Nothing is raised for others that are away or refuse: it is logged, and tried again."""
        self._attempt("hub", self._learn)
        self._attempt("recovery", self._recover)
        self._attempt("peer", self._follow)
        if self._aggregator.role is Role.LEADER and self._is_cleared:
            self._attempt("agreement", self._lead)
        self._attempt("sealing", self._sealer.seal_due)
        self._attempt("delivery", self._deliver)

    def _attempt(self, task: str, work: Callable[[], object]) -> None:
        try:
            work()
        except KelseyError as error:
            self._metrics.background_errors.labels(task).inc()
            self._say(task, f"{task} waits: {error}", is_retryable=error.retryable)
        else:
            self._said.pop(task, None)

    def _say(self, task: str, text: str, *, is_retryable: bool) -> None:
        """Log, but the same words not again at every step."""
        if self._said.get(task) != text:
            self._said[task] = text
            _log.log(logging.WARNING if is_retryable else logging.ERROR, "%s", text)

    def _learn(self) -> None:
        if self._is_cleared:
            return
        try:
            accepted = self._hub.accepted()
            settled = [self.heed(each) for each in accepted]
        except KelseyError:
            self._metrics.is_cleared.set(0)
            raise
        self._is_cleared = True
        self._metrics.is_cleared.set(1)
        _log.info("the hub has %d agreed epochs, %d of them forgotten here", len(settled), settled.count(False))

    def _recover(self) -> None:
        for epoch in sorted(self._forgotten):
            if not self._aggregator.heed(self._forgotten[epoch], at=self._clock()):
                break  # they are settled in order
            del self._forgotten[epoch]
        self._metrics.forgotten.set(len(self._forgotten))

    def _follow(self) -> None:
        """Adopt what the peer has from both and this aggregator has not: the last answer that was lost, or more."""
        while (epoch := self._aggregator.next_epoch) is not None and epoch not in self._forgotten:
            agreed = self._peer.acceptance(epoch)
            if agreed is None or not self.heed(agreed):
                return

    def _lead(self) -> None:
        while (epoch := self._aggregator.next_epoch) is not None and epoch not in self._forgotten:
            now, end = self._clock(), self._aggregator.protocol.calendar.closes_at(epoch)
            if not now >= end:
                return
            accepted, signature = self._aggregator.propose(epoch, self._peer.holdings(epoch))
            if not (now >= end + self._grace or len(accepted.members) == self._site_count):
                return
            if not self.heed(self._peer.agree(accepted, signature)):
                return

    def _deliver(self) -> None:
        if self._next_delivery is not None and self._clock() < self._next_delivery:
            return
        count = len(self._sealer.waiting())
        self._metrics.pending.set(count)
        if count == 0 and (self._is_compared or not self._is_cleared):
            return
        try:
            self._give_back()
            for left, sealed in enumerate(self._sealer.pending(), start=1 - count):
                self._hub.send(sealed.payload)
                self._sealer.acknowledge(sealed.epoch)
                self._count_delivery()
                self._metrics.pending.set(-left)
                _log.info("sum delivered epoch=%d", sealed.epoch)
        except KelseyError as error:
            refused = isinstance(error, SumRefusedError)
            self._metrics.deliveries.labels("refused" if refused else "failed").inc()
            wait = min(_FIRST_WAIT_SECONDS * 2**self._failures, _LONGEST_WAIT_SECONDS)
            self._failures = min(self._failures + 1, 10)
            self._next_delivery = self._clock() + timedelta(seconds=_REFUSED_WAIT_SECONDS if refused else wait)
            raise

    def _give_back(self) -> None:
        """Send what the hub had and has no more, at the start and before any later sum.

        A hub put back from a backup would take the sum of a later epoch for one that holds the lost ones' increments.
        """
        for sealed in self._sealer.lost(self._hub.received(self._aggregator.role)):
            self._hub.send(sealed.payload)
            self._count_delivery()
            _log.warning("sum sent again, the hub had lost it epoch=%d", sealed.epoch)
        self._is_compared = True

    def _count_delivery(self) -> None:
        self._failures, self._next_delivery = 0, None
        self._metrics.deliveries.labels("accepted").inc()
