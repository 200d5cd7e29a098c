"""The seeded play: months of reports at hospitals of different size, in the order in which they arrive."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count

import msgspec
import numpy as np

from cases import ParameterError
from connectors.generator.dirt import BROKEN_KINDS, break_bundle
from connectors.generator.model import DRUGS, REACTIONS
from connectors.generator.planted import CONFOUNDERS, PAIRS, PlantedConfounder, PlantedPair
from connectors.generator.reports import MonthOfReports, Ward
from connectors.generator.writer import Report, write_bundle

__all__ = ["HOSPITALS", "Hospital", "HospitalGenerator", "PlayedRecord"]


class Hospital(msgspec.Struct, frozen=True, kw_only=True):
    """One site of the play.

    Parameters
    ----------
    name
        Name of the site, part of its record ids.
    share
        Its part of all reports; any positive number, taken relative to the others.
    r5_share
        Part of its records written as FHIR R5, in [0, 1]; the others are R4.
    old_share
        Part of its patients that are 65 or older, in [0, 1].
    """

    name: str
    share: float
    r5_share: float
    old_share: float


class PlayedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it arrives at `at`, and what it is.

    `kind` is ``report``, ``follow-up``, ``nullification``, ``deletion``, ``duplicate`` or, for a broken record or
    a near miss, the reason code it must give.
    """

    at: datetime
    record_id: str
    kind: str
    payload: bytes = b""
    is_deleted: bool = False
    version_id: str = ""


HOSPITALS: tuple[Hospital, ...] = (
    Hospital(name="north", share=0.55, r5_share=0.15, old_share=0.45),
    Hospital(name="harbour", share=0.30, r5_share=0.90, old_share=0.36),
    Hospital(name="hill", share=0.15, r5_share=0.50, old_share=0.55),
)
"""A university hospital, a city hospital and a small one."""

_Waiting = tuple[datetime, int, Report, str]
_DELAY = timedelta(minutes=2)  # from the last change at the source to its arrival
_BROKEN, _UNSEEN = 0.018, 0.001
_FATES = ((0.06, "follow-up"), (0.012, "nullification"), (0.006, "deletion"), (0.02, "duplicate"))
_DAYS_A_MONTH = 365.25 / 12


class HospitalGenerator:
    """A year (or so) at some hospitals; the same seed gives the same bytes.

    Parameters
    ----------
    seed
        Any non-negative integer.
    hospitals
        Sites of the play.
    months
        Length, at least 1.
    records
        Reports at all hospitals together, before follow-ups, duplicates and the like (about a tenth more), at
        least 1.
    start
        First day.

    Examples
    --------
    >>> generator = HospitalGenerator(seed=7, records=200)
    >>> first = next(generator.play("hill"))
    >>> first.kind, first.at.date() >= date(2025, 1, 1)
    ('report', True)
    """

    drugs: tuple[str, ...] = DRUGS
    reactions: tuple[str, ...] = REACTIONS
    planted: tuple[PlantedPair, ...] = PAIRS
    confounders: tuple[PlantedConfounder, ...] = CONFOUNDERS

    def __init__(
        self,
        *,
        seed: int,
        hospitals: tuple[Hospital, ...] = HOSPITALS,
        months: int = 12,
        records: int = 20_000,
        start: date = date(2025, 1, 1),
    ) -> None:
        if not (seed >= 0 and months >= 1 and records >= 1 and hospitals):
            raise ParameterError("seed must be at least 0, months and records at least 1, hospitals not empty")
        self.hospitals = hospitals
        self.months = months
        self.start = start
        self._seed = seed
        self.records = records

    @property
    def end(self) -> date:
        """First day after the play."""
        return self.start + timedelta(days=round(self.months * _DAYS_A_MONTH))

    def play(self, hospital: str) -> Iterator[PlayedRecord]:
        """All records of one hospital by time of arrival; raises `ParameterError` for an unknown name."""
        names = [site.name for site in self.hospitals]
        if hospital not in names:
            raise ParameterError(f"hospital must be one of {', '.join(names)}, not {hospital!r}")
        site = self.hospitals[names.index(hospital)]
        rng = np.random.default_rng([self._seed, names.index(hospital)])
        share = site.share / sum(other.share for other in self.hospitals)
        expected = max(1, round(self.records * share))
        ward = Ward(site.name, patients=max(1, round(expected * 0.85)), old_share=site.old_share, rng=rng)
        waiting: list[_Waiting] = []
        tie = count()
        bounds = np.linspace(0, expected, self.months + 1).round().astype(int)
        for month in range(self.months):
            size = int(bounds[month + 1] - bounds[month])
            first = datetime.combine(self.start, time.min, tzinfo=UTC) + timedelta(days=month * _DAYS_A_MONTH)
            block = MonthOfReports(ward, month=month, first=first, size=size, r5_share=site.r5_share, rng=rng)
            for report, chances in block.reports():
                while waiting and waiting[0][0] <= report.updated_at:
                    yield _waited(heapq.heappop(waiting))
                yield from self._arrival(report, block, chances, waiting, tie)
        end = datetime.combine(self.end, time.min, tzinfo=UTC)
        while waiting and waiting[0][0] + _DELAY < end:
            yield _waited(heapq.heappop(waiting))

    @staticmethod
    def _arrival(
        report: Report,
        block: MonthOfReports,
        chances: list[float],
        waiting: list[_Waiting],
        tie: count[int],
    ) -> Iterator[PlayedRecord]:
        """The report itself (or what is left of it), and what will follow it."""
        fate, when, kind = chances[0], chances[1], chances[2]
        if fate < _BROKEN:
            reason = BROKEN_KINDS[int(kind * len(BROKEN_KINDS))]
            payload = break_bundle(write_bundle(report), reason)
            yield PlayedRecord(at=report.updated_at + _DELAY, record_id=report.case_id, kind=reason, payload=payload)
            return
        fate -= _BROKEN
        later = report.updated_at + timedelta(days=1 + when * 45)
        for share, what in _FATES:
            if 0 <= fate < share:
                next_report = report if what == "duplicate" else block.next_version(report, what, later, chances)
                heapq.heappush(waiting, (later, next(tie), next_report, what))
            fate -= share
        if 0 <= fate < _UNSEEN:  # its retraction arrives, the report itself never did
            unseen = block.next_version(report, "nullification", report.updated_at, chances)
            yield _played(unseen, "nullification", report.updated_at)
            return
        yield _played(report, "report", report.updated_at)


def _waited(item: _Waiting) -> PlayedRecord:
    moment, _, report, kind = item
    return _played(report, kind, moment)


def _played(report: Report, kind: str, moment: datetime) -> PlayedRecord:
    at = moment + _DELAY
    if kind == "deletion":
        return PlayedRecord(at=at, record_id=report.case_id, kind=kind, is_deleted=True, version_id=str(report.version))
    return PlayedRecord(at=at, record_id=report.case_id, kind=kind, payload=msgspec.json.encode(write_bundle(report)))
