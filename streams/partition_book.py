"""The casebook of one partition with its store: loads what a batch needs, folds, commits, then shows the new counts.

The order is the point: the counts in memory change only after the transaction that holds them is durable, so memory is
never ahead of the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cases import Case, ConfigurationError
from detectors.table import CountTable
from privacy.protocol import SurveillanceProtocol
from streams.casebook import BookChanges, Casebook
from streams.epoch import EpochPart
from streams.online_models import OnlineModels
from streams.store import PartitionStore, Position, StoreChanges
from streams.wallet_summary import WalletSummary

__all__ = ["PartitionBook", "wallet_summary"]

_BLOCKED = "wallet.blocked"


class PartitionBook:
    """One partition's casebook: store, counts and models.

    Parameters
    ----------
    store
        Open store of the partition; counts and models are rebuilt from its case log.
    protocol
        The accepted protocol, bound to the store; None counts without wallets.
    is_learning
        Whether the online models are learned.

    Raises
    ------
    ConfigurationError
        The store was charged under another protocol: cells and wallets would not mean the same.
    """

    def __init__(
        self, store: PartitionStore, protocol: SurveillanceProtocol | None, *, is_learning: bool = True
    ) -> None:
        self.store = store
        self.protocol = protocol
        self.table = CountTable()
        self.models = OnlineModels()
        self.live_count = 0
        self._is_learning = is_learning
        self._casebook = Casebook(protocol)
        self._bind()
        self._rebuild()

    def prepare(self, cases: Sequence[Case]) -> BookChanges:
        """What `cases` change; reads the store, writes nothing."""
        known = self.store.cases_of({str(case.key) for case in cases})
        if self.protocol is None:
            return self._casebook.fold(cases, known, {})
        patients = {case.patient for case in cases} | {case.patient for case in known.values()}
        return self._casebook.fold(cases, known, self.store.wallets_of(patients))

    def commit(self, changes: StoreChanges, position: Position) -> None:
        """Make `changes` durable with their input offset, then bring counts and models up to date.

        Raises `FencedError`, changing nothing, where another worker has moved the partition on.
        """
        if changes.book.blocked:
            changes.counters = {**changes.counters, _BLOCKED: changes.book.blocked}
        self.store.commit(changes, position)
        self.live_count += changes.book.live
        for change in changes.book.table:
            change.apply_to(self.table)
        if self._is_learning:
            for case, contribution in changes.book.first_seen:
                self.models.learn(case, contribution)

    def seal_due(self, at: datetime) -> EpochPart | None:
        """Seal what is pending if an epoch has ended since this was asked last; None where nothing is due.

        The part is labelled with the epoch that was open when its operations were charged.
        """
        if self.protocol is None or (now := self.open_epoch(self.protocol, at)) is None:
            return None
        opened = int(self.store.bind("open_epoch", str(now)))
        if now <= opened:
            return None
        part = self.seal(opened)
        self.store.rebind("open_epoch", str(now))
        return part

    def seal(self, epoch: int) -> EpochPart | None:
        """Seal all pending operations into a part of `epoch`; None where there are none or no protocol."""
        if self.protocol is None:
            return None
        return self.store.seal_part(epoch=epoch, era=self.protocol.era, protocol_hash=self.protocol.hash)

    @staticmethod
    def open_epoch(protocol: SurveillanceProtocol, at: datetime) -> int | None:
        """Epoch that is open at an instant; None before the era, one above the last after it."""
        calendar = protocol.calendar
        if at >= calendar.closes_at(calendar.count - 1):
            return calendar.count
        start = calendar.first_day(0)
        return None if at < datetime(start.year, start.month, start.day, tzinfo=UTC) else calendar.index(at)

    def wallet_summary(self) -> WalletSummary:
        """How many patients have wallets, how many of those are spent, and what could not be contributed."""
        return wallet_summary(self.store)

    def save_models(self) -> None:
        """Keep the models' state, so that the next start learns only what came since."""
        if self._is_learning:
            self.models.save(self.store)

    def _bind(self) -> None:
        mine = self.protocol.hash if self.protocol is not None else ""
        bound = self.store.bind("protocol", mine)
        if bound == mine:
            return
        if bound or self.store.applied():
            raise ConfigurationError(
                f"partition {self.store.partition} was counted under protocol {bound[:12] or '(none)'}, "
                f"not {mine[:12] or '(none)'}",
                hint="a new protocol or era needs new stores: docs/streams.md, `A new era`",
            )
        self.store.rebind("protocol", mine)

    def _rebuild(self) -> None:
        place = 0
        if self._is_learning:
            self.models, place = OnlineModels.load(self.store)
        for seen, case in self.store.live_cases():
            contribution = self._casebook.contribution(case)
            self.live_count += 1
            self.table.update(contribution.drugs, contribution.reactions, case.stratum)
            if self._is_learning and seen > place:
                self.models.learn(case, contribution)


def wallet_summary(store: PartitionStore) -> WalletSummary:
    """How the wallets in a store stand."""
    patients, exhausted = store.wallet_counts()
    return WalletSummary(
        patients=patients,
        exhausted=exhausted,
        blocked_operations=store.counters().get(_BLOCKED, 0),
        pending_operations=store.pending_count(),
    )
