"""VAERS as a source: published years replayed in the order in which the reports were received."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from itertools import count
from pathlib import Path

import msgspec

from cases import ConfigurationError, DeadLetterReason, IntegrityError, RawRecord
from connectors.source import SourceBatch
from connectors.vaers_archive import ArchivedReport, VaersYear, years_in

__all__ = ["VaersSource"]

_Key = tuple[str, str, str, int]
_START: _Key = ("", "", "", 0)


class _Progress(msgspec.Struct, array_like=True):
    """How far one year was handed on; another size means another file, which starts anew."""

    size_bytes: int
    after: _Key = _START
    is_done: bool = False


class _Cursor(msgspec.Struct):
    years: dict[str, _Progress]
    version: int = 1


class VaersSource:
    """Reports of the given years by RECVDATE, each received at 00:00 UTC of that day.

    Parameters
    ----------
    paths
        Zip archives as published (`1990VAERSData.zip` ...), in any order.
    name
        Name of the source.
    batch_records
        Records a batch, at least 1.

    Notes
    -----
    A year is in memory only while its days are replayed. Every id that occurs in any of the three tables gives at
    least one record: rows of VAX or SYMPTOMS without their report are a record with the fault
    ``invalid-structure``. A second row of one id and day that says something else carries ``duplicate-id``.
    """

    def __init__(self, paths: Iterable[Path | str], *, name: str, batch_records: int = 1000) -> None:
        if not batch_records >= 1:
            raise ConfigurationError(f"batch_records must be at least 1, not {batch_records!r}")
        self._name = name
        self._paths = [Path(path) for path in paths]
        if not self._paths:
            raise ConfigurationError("paths must name at least one VAERS archive")
        self._batch_records = batch_records

    @property
    def name(self) -> str:
        """Name of the source as the site configured it."""
        return self._name

    def batches(self, after: str | None) -> Iterator[SourceBatch]:
        """Batches after `after`; files that the cursor does not know are replayed from their first day.

        Raises `ConfigurationError` where a file is missing or is no VAERS archive, `IntegrityError` for a cursor
        of another source.
        """
        years = [year for path in self._paths for year in years_in(path)]
        progress = _resumed(years, after)
        seen: dict[str, tuple[_Key, int]] = {}
        records: list[RawRecord] = []
        for year, report, is_last in _in_order([year for year in years if not progress[year.name].is_done]):
            record = self._record(report, seen)
            state = progress[year.name]
            state.is_done = is_last
            if report.key <= state.after:
                continue
            state.after = report.key
            records.append(record)
            if len(records) == self._batch_records:
                yield self._batch(records, progress)
                records = []
        if records:
            yield self._batch(records, progress)

    @staticmethod
    def _batch(records: list[RawRecord], progress: dict[str, _Progress]) -> SourceBatch:
        cursor = msgspec.json.encode(_Cursor(progress)).decode()
        return SourceBatch(records=tuple(records), skipped={}, cursor=cursor)

    def _record(self, report: ArchivedReport, seen: dict[str, tuple[_Key, int]]) -> RawRecord:
        payload = msgspec.json.encode(report.report)
        fault = report.fault
        if not fault:
            digest = hash(payload)
            first_key, first_digest = seen.setdefault(report.vaers_id, (report.key, digest))
            if first_key[0] == report.key[0] and first_digest != digest:
                fault = DeadLetterReason.DUPLICATE_ID
        return RawRecord(
            source=self._name,
            record_id=report.vaers_id,
            format="vaers",
            payload=payload,
            received_at=datetime.combine(report.day, time.min, tzinfo=UTC),
            fault=fault,
            position=f"{report.member}:{report.row}",
        )


def _resumed(years: list[VaersYear], after: str | None) -> dict[str, _Progress]:
    known: dict[str, _Progress] = {}
    if after is not None:
        try:
            known = msgspec.json.decode(after, type=_Cursor).years
        except msgspec.DecodeError as error:
            raise IntegrityError("the stored cursor is not one of a VAERS source") from error
    fresh = {year.name: _Progress(year.size_bytes) for year in years}
    for name, state in fresh.items():
        if name in known and known[name].size_bytes == state.size_bytes:
            fresh[name] = known[name]
    return fresh


def _in_order(years: list[VaersYear]) -> Iterator[tuple[VaersYear, ArchivedReport, bool]]:
    """All reports by key, each with whether it is its year's last; a year is read when its first day has come."""
    waiting = deque(sorted(years, key=lambda year: year.first_day))
    tie = count()
    heads: list[tuple[_Key, int, VaersYear, deque[ArchivedReport]]] = []
    while waiting or heads:
        while waiting and (not heads or waiting[0].first_day.isoformat() <= heads[0][0][0]):
            year = waiting.popleft()
            reports = deque(year.reports())
            if reports:
                heapq.heappush(heads, (reports[0].key, next(tie), year, reports))
        if heads:
            _, number, year, reports = heads[0]
            report = reports.popleft()
            yield year, report, not reports
            if reports:
                heapq.heapreplace(heads, (reports[0].key, number, year, reports))
            else:
                heapq.heappop(heads)
