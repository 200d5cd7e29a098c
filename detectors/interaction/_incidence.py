"""Which reports name what: the distinct (report, name) rows of a table, by report and by name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["Incidence", "blocks", "ordered", "ranges", "runs"]

_Integers = NDArray[np.int64]


def ordered(keys: _Integers) -> _Integers:
    """The keys, sorted."""
    return pl.Series(keys).sort().to_numpy()  # on two cores, and faster than numpy's on one


def runs(keys: _Integers) -> tuple[_Integers, _Integers]:
    """Where each of the sorted keys stands first, and how often it occurs."""
    first = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    return first, np.diff(first, append=len(keys))


def ranges(start: _Integers, length: _Integers) -> _Integers:
    """The whole numbers start, start + 1, ... of each row, `length` of them, one row after the other."""
    ends = np.cumsum(length)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(start - ends + length, length)


def blocks(sizes: _Integers, budget: int) -> Iterator[slice]:
    """Neighbouring rows whose sizes add up to at most `budget`, or one row alone that is larger."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + budget, side="right")), start + 1)
        yield slice(start, stop)
        start = stop


class Incidence:
    """Distinct rows of a report and a name, both by number, with the reports of each name and the names of each report.

    Parameters
    ----------
    report, name
        Numbers of each row, the rows distinct and sorted by report, then name.
    reports, names
        How many numbers there are of each.
    """

    __slots__ = ("by_name", "name", "name_start", "names", "report", "report_start")

    def __init__(self, report: _Integers, name: _Integers, reports: int, names: int) -> None:
        self.report, self.name, self.names = report, name, names
        self.report_start: _Integers = np.concatenate([[0], np.cumsum(np.bincount(self.report, minlength=reports))])
        """Where the rows of each report begin; one more at the end."""
        self.by_name = np.argsort(self.name, kind="stable")
        """The rows sorted by name, then report."""
        self.name_start: _Integers = np.concatenate([[0], np.cumsum(np.bincount(self.name, minlength=names))])
        """Where the rows of each name begin in `by_name`; one more at the end."""

    @classmethod
    def of_rows(cls, report: _Integers, name: _Integers, reports: int, names: int) -> Incidence:
        """The same of rows in any order, which may repeat."""
        key = ordered(report * names + name)
        key = key[runs(key)[0]]
        return cls(key // max(names, 1), key % max(names, 1), reports, names)

    @property
    def margin(self) -> _Integers:
        """Reports of each name."""
        return np.diff(self.name_start)

    def reports_of(self, name: int) -> _Integers:
        """The reports of a name, sorted."""
        return self.report[self.by_name[self.name_start[name] : self.name_start[name + 1]]]

    def without_rare(self, least: int) -> Incidence:
        """The rows of names that at least so many reports have, under the same numbers."""
        keep = self.margin[self.name] >= least
        return Incidence(self.report[keep], self.name[keep], len(self.report_start) - 1, self.names)

    def sizes(self, report: _Integers) -> _Integers:
        """How many names each of these reports has."""
        return self.report_start[report + 1] - self.report_start[report]
