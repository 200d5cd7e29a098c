"""Plays records through sites, epoch by epoch, as if time passed: what the demonstration and the back-test share.

Every site is an `EmbeddedSite`, so the functions are the ones that run live. A caller that plays sites in several
processes gets the same epochs from each and zips them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cases import RawRecord
from detectors.pair_arrays import PairArrays
from detectors.rules import Rule
from detectors.score import score_all
from detectors.table import CountTable
from kelsey.signal_log import Scores, SignalLog
from privacy.calendar import EpochCalendar
from streams.embedded import EmbeddedSite
from streams.table_change import TableChange

__all__ = ["PlayedEpoch", "PlayedSite", "Player", "View", "apply_changes"]

_BATCH = 1000
_FEWEST_REPORTS = 3  # to be scored at all: Evans asks for 3, EMA for 5, and below 3 no gamma IC025 is above 0


@dataclass(frozen=True, slots=True)
class PlayedSite:
    """What one site did in one epoch: the line that left it (None without privacy) and its count changes."""

    line: bytes | None
    changes: tuple[TableChange, ...]
    new_case_count: int


@dataclass(frozen=True, slots=True)
class PlayedEpoch:
    """One closed epoch of all sites played."""

    epoch: int
    sites: Mapping[str, PlayedSite]


@dataclass(slots=True)
class View:
    """An exact view of counts, with the days on which rules first held in it.

    Parameters
    ----------
    table
        The counts; the caller keeps them up to date.
    rules
        Rules by name.
    """

    log: SignalLog
    table: CountTable
    rules: Mapping[str, Rule]

    def observe(self, calendar: EpochCalendar, epoch: int) -> None:
        """Score the counts as they are and note what is an SDR for the first time."""
        arrays = _at_least(self.table.arrays(), _FEWEST_REPORTS)
        scores = score_all(arrays)
        flags = {name: rule.flags(scores) for name, rule in self.rules.items()}
        self.log.observe(calendar.last_day(epoch), arrays, scores, flags)

    def rows(self) -> list[dict[str, object]]:
        """Rows of ``signals.csv`` for this view."""
        arrays = self.table.arrays()
        return list(self.log.rows(arrays, score_all(arrays)))

    def scores(self) -> tuple[PairArrays, Scores]:
        """All pairs with their scores."""
        arrays = self.table.arrays()
        return arrays, score_all(arrays)


class Player:
    """Sites of one process and the calendar they live by.

    Parameters
    ----------
    sites
        Sites by name.
    calendar
        Epochs to play; records outside it are an error of the caller.
    rules
        Rules for the sites' own views.
    """

    def __init__(
        self, sites: Mapping[str, EmbeddedSite], *, calendar: EpochCalendar, rules: Mapping[str, Rule]
    ) -> None:
        self.sites = dict(sites)
        self.calendar = calendar
        self.views = {
            name: View(SignalLog(view="site", site=name), site.table, rules) for name, site in self.sites.items()
        }
        self._changes: dict[str, list[TableChange]] = {name: [] for name in self.sites}
        self._live: dict[str, int] = dict.fromkeys(self.sites, 0)
        for name, site in self.sites.items():
            site.on_change = self._changes[name].append

    def play(self, records: Iterable[tuple[str, RawRecord]]) -> Iterator[PlayedEpoch]:
        """Take `records` in, each at its site and all in order of `received_at`; yields every epoch of the calendar."""
        waiting: dict[str, list[RawRecord]] = {name: [] for name in self.sites}
        epoch = 0
        closes_at = self.calendar.closes_at(0)
        for name, record in records:
            while record.received_at >= closes_at:
                yield self._close(epoch, waiting)
                epoch += 1
                closes_at = self.calendar.closes_at(epoch)
            batch = waiting[name]
            batch.append(record)
            if len(batch) >= _BATCH:
                self.sites[name].take(batch)
                batch.clear()
        for rest in range(epoch, self.calendar.count):
            yield self._close(rest, waiting)

    def _close(self, epoch: int, waiting: Mapping[str, list[RawRecord]]) -> PlayedEpoch:
        played: dict[str, PlayedSite] = {}
        for name, site in self.sites.items():
            if waiting[name]:
                site.take(waiting[name])
                waiting[name].clear()
            self.views[name].observe(self.calendar, epoch)
            line = site.release(epoch)
            if line is not None:
                site.acknowledge(epoch)
            live = site.tally.cases
            played[name] = PlayedSite(line, tuple(self._changes[name]), live - self._live[name])
            self._live[name] = live
            self._changes[name].clear()
        return PlayedEpoch(epoch, played)


def apply_changes(table: CountTable, changes: Sequence[TableChange]) -> None:
    """Make `changes` on the pooled counts, in order."""
    for change in changes:
        change.apply_to(table)


def _at_least(arrays: PairArrays, minimum: int) -> PairArrays:
    """Rows of at least `minimum` reports."""
    keep = np.flatnonzero(arrays.n >= minimum)
    return replace(
        arrays,
        drug_index=arrays.drug_index[keep],
        reaction_index=arrays.reaction_index[keep],
        n=arrays.n[keep],
        n_drug=arrays.n_drug[keep],
        n_reaction=arrays.n_reaction[keep],
        n_total=arrays.n_total[keep],
        expected=arrays.expected[keep],
    )
