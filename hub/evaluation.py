"""One look at the totals: measures of every pair, rows of interest kept, SDRs raised, all in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, insert, select

from detectors.noisy import PublicPrior, load_public_prior
from hub import schema
from hub.event_log import EventLog
from hub.flag_shelf import write_flagged
from hub.flagged_buckets import FlaggedBucket, flagged_buckets
from hub.noisy_totals import NoisyTotals
from hub.pair_overview import write_overview
from hub.pair_state import PairState, quiet_states
from hub.release_shelf import ReleaseShelf
from hub.rules import rules_of
from hub.sdr import PairStatistic, Sdr
from hub.signals import Candidate, SignalBook
from hub.statistics import noisy_scores
from hub.store import HubStore
from hub.totals import running_totals
from privacy.protocol import SurveillanceProtocol

__all__ = ["EpochView", "Evaluator", "evaluate_epoch"]

_INTEREST_Z = 2.0  # a pair whose score ever reached it has its series kept


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochView:
    """What the hub sees after an epoch.

    Parameters
    ----------
    epoch
        Index in the protocol's calendar.
    totals
        Noisy totals of all sites.
    scores
        Arrays over all pairs with a count of their own (`hub.statistics.noisy_scores`).
    flags
        By rule, which of these it holds for.
    new_sdrs
        Raised by this look.
    residual
        Buckets in which more was counted than their pairs let expect.
    """

    epoch: int
    totals: NoisyTotals
    scores: Mapping[str, NDArray[np.float64]]
    flags: Mapping[str, NDArray[np.bool_]]
    new_sdrs: tuple[Sdr, ...]
    residual: tuple[FlaggedBucket, ...]


class Evaluator:
    """Evaluates epochs of one protocol; doing one again is harmless and takes in what arrived since.

    Parameters
    ----------
    store, protocol
        The hub's database, and what was agreed.
    shelf
        Where vectors are read; by default one without a cache.
    level
        Two-sided coverage of all intervals.
    prior
        Of EBGM; by default the one that comes with Kelsey. Every evaluation is recorded with its version.

    weight_ratio
        As of `noisy_scores`.

    Raises
    ------
    ConfigurationError
        The protocol names a rule the hub does not know.
    """

    def __init__(
        self,
        store: HubStore,
        protocol: SurveillanceProtocol,
        *,
        shelf: ReleaseShelf | None = None,
        level: float = 0.95,
        prior: PublicPrior | None = None,
        weight_ratio: float = 1.0,
    ) -> None:
        self._store = store
        self._protocol = protocol
        self._shelf = ReleaseShelf() if shelf is None else shelf
        self._rules = rules_of(protocol)
        self._level, self._weight_ratio = level, weight_ratio
        self._prior = load_public_prior() if prior is None else prior
        self._book = SignalBook(store)
        self._log = EventLog()

    def evaluate(self, epoch: int, *, at: datetime) -> EpochView:
        """Look at the totals up to `epoch`, as each site has released them, and write what it shows.

        Raises `ParameterError` outside the calendar, or where nothing was released yet.
        """
        epoch_end = self._protocol.calendar.last_day(epoch)
        with self._store.read() as connection:
            releases = self._release_count(connection, epoch)
            totals = running_totals(connection, self._shelf, self._protocol, epoch)
        scores = noisy_scores(
            totals,
            level=self._level,
            prior=self._prior.prior,
            weight_ratio=self._weight_ratio,
            looks=self._protocol.calendar.count,
        )
        flags = {rule.name: rule.flags(scores) for rule in self._rules}
        residual = flagged_buckets(totals, self._protocol, weight_ratio=self._weight_ratio)
        candidates = [
            Candidate(*self._pair(int(place)), name, PairStatistic.of(scores, int(place)))
            for name, held in flags.items()
            for place in np.flatnonzero(held)
        ]
        any_rule = _any_rule(flags, scores["n"].size)
        era = self._protocol.era
        with self._store.write() as connection:
            self._log.lock(connection)
            cells = self._cells_of_interest(connection, any_rule | (scores["z"] >= _INTEREST_Z))
            self._write_statistics(connection, scores, flags, cells, epoch=epoch)
            states = np.where(any_rule, 0, np.where(quiet_states(scores), 1, 2))  # as `PairState` lists them
            write_overview(connection, self._protocol, scores, states, epoch=epoch)
            write_flagged(connection, self._protocol, residual, epoch=epoch)
            raised = self._book.raise_many(connection, candidates, era=era, epoch=epoch, epoch_end=epoch_end, at=at)
            done = schema.evaluation
            connection.execute(delete(done).where(done.c.era == era, done.c.epoch == epoch))
            looked = {"epoch": epoch, "releases": releases, "evaluated_at": at, "prior": self._prior.version}
            connection.execute(insert(done).values(era=era, **looked))
        return EpochView(
            epoch=epoch, totals=totals, scores=scores, flags=flags, new_sdrs=tuple(raised), residual=residual
        )

    def due_epoch(self, sites: int, *, at: datetime, grace_seconds: float) -> int | None:
        """The epoch that should be looked at next; None where there is none.

        An epoch is due once all of `sites` have released it, or `grace_seconds` after it closed if anybody has. Epochs
        not looked at yet come first, in their order; the newest is due again when a release arrived that its last look
        did not have.
        """
        done, era = schema.evaluation, self._protocol.era
        with self._store.read() as connection:
            latest = self._shelf.last_epoch_by_site(connection, era).values()
            seen = {
                row.epoch: row.releases
                for row in connection.execute(select(done.c.epoch, done.c.releases).where(done.c.era == era))
            }
            ripe = [
                epoch
                for epoch in range(max(latest, default=-1) + 1)
                if sum(last >= epoch for last in latest) >= sites
                or (at - self._protocol.calendar.closes_at(epoch)).total_seconds() >= grace_seconds
            ]
            ripe = [epoch for epoch in ripe if epoch >= self._first_epoch(connection)]
            fresh = [epoch for epoch in ripe if epoch not in seen]
            if fresh:
                return fresh[0]
            if ripe and seen[ripe[-1]] != self._release_count(connection, ripe[-1]):
                return ripe[-1]
        return None

    def _pair(self, position: int) -> tuple[str, str]:
        return self._protocol.pair(int(self._protocol.layout.active[position]))

    def _first_epoch(self, connection: Connection) -> int:
        table = schema.release
        query = select(func.min(table.c.epoch)).where(table.c.era == self._protocol.era)
        return int(connection.execute(query).scalar_one() or 0)

    def _release_count(self, connection: Connection, epoch: int) -> int:
        table = schema.release
        query = select(func.count()).where(table.c.era == self._protocol.era, table.c.epoch <= epoch)
        return int(connection.execute(query).scalar_one())

    def _cells_of_interest(self, connection: Connection, interesting: NDArray[np.bool_]) -> list[int]:
        """All cells that ever were of interest in the era, the ones at hand added."""
        table, era = schema.pair_of_interest, self._protocol.era
        known = set(connection.execute(select(table.c.cell).where(table.c.era == era)).scalars())
        fresh = [int(cell) for cell in np.flatnonzero(interesting) if int(cell) not in known]
        if fresh:
            connection.execute(insert(table), [{"era": era, "cell": cell} for cell in fresh])
        return sorted(known.union(fresh))

    def _write_statistics(
        self,
        connection: Connection,
        scores: Mapping[str, NDArray[np.float64]],
        flags: Mapping[str, NDArray[np.bool_]],
        cells: list[int],
        *,
        epoch: int,
    ) -> None:
        table = schema.pair_statistic
        connection.execute(delete(table).where(table.c.era == self._protocol.era, table.c.epoch == epoch))
        if not cells:
            return
        key = {
            "era": self._protocol.era,
            "epoch": epoch,
            "epoch_end": self._protocol.calendar.last_day(epoch),
        }
        columns: dict[str, list[Any]] = {}
        for name in schema.MEASURES:
            values = scores[name][cells].astype(object)
            values[~np.isfinite(scores[name][cells])] = None
            columns[name] = values.tolist()
        rows = []
        is_quiet, any_rule = quiet_states(scores), _any_rule(flags, scores["n"].size)
        for cell, *measures in zip(cells, *columns.values(), strict=True):
            drug, reaction = self._pair(cell)
            states = {
                rule: PairState.of(is_raised=bool(held[cell]), is_quiet=bool(is_quiet[cell]))
                for rule, held in flags.items()
            }
            state = PairState.of(is_raised=bool(any_rule[cell]), is_quiet=bool(is_quiet[cell]))
            row = {**key, "drug": drug, "reaction": reaction, **dict(zip(columns, measures, strict=True))}
            rows.append({**row, "state": str(state), "rule_states": msgspec.json.encode(states).decode()})
        connection.execute(insert(table), rows)


def _any_rule(flags: Mapping[str, NDArray[np.bool_]], size: int) -> NDArray[np.bool_]:
    return np.asarray(np.logical_or.reduce([*flags.values(), np.zeros(size, dtype=np.bool_)]))


def evaluate_epoch(store: HubStore, protocol: SurveillanceProtocol, epoch: int, *, at: datetime) -> list[Sdr]:
    """`Evaluator.evaluate` for one epoch: the SDRs it raises."""
    return list(Evaluator(store, protocol).evaluate(epoch, at=at).new_sdrs)
