"""A file of periods watched by sequential tests: what `kelsey sequential watch` prints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from cases import ParameterError
from detectors.sequential import (
    ConditionalMaxSprt,
    EProcessStatus,
    MaxSprtStatus,
    PoissonEProcess,
    PoissonMaxSprt,
    ProspectiveExpectation,
)
from kelsey.score_input import InputRows, read_rows, whole_numbers
from kelsey.score_selection import parse_dates

__all__ = ["BaselineWords", "Periods", "Watched", "read_periods", "watch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineWords:
    """What the command line says of the baseline: its counts, or a rate with its source, and its last day."""

    last_day: date
    events: int | None
    exposure: float | None
    rate: float | None
    source: str | None

    def expectation(self, column: str) -> ProspectiveExpectation:
        """What a file whose `column` is ``expected`` or ``exposure`` is to be held against.

        Raises `ParameterError` where the words do not fit the column.
        """
        has_counts = self.events is not None or self.exposure is not None
        source = self.source or ""
        if column == "expected":
            if has_counts or self.rate is not None:
                raise ParameterError("a file with expected counts takes no counts and no rate of the baseline")
            if not source:
                raise ParameterError("a file with expected counts needs a source that says where they come from")
            return ProspectiveExpectation.from_rate(1.0, source=source, last_day=self.last_day)
        if has_counts == (self.rate is not None):
            raise ParameterError("a file with exposure needs either the counts of the baseline or a rate")
        if self.rate is not None:
            if not source:
                raise ParameterError("a rate needs a source that says where it comes from")
            return ProspectiveExpectation.from_rate(self.rate, source=source, last_day=self.last_day)
        if self.events is None or self.exposure is None:
            raise ParameterError("the counts of the baseline are its events and its exposure, both")
        known = {"source": source} if source else {}
        return ProspectiveExpectation.from_history(
            events=self.events, exposure=self.exposure, last_day=self.last_day, **known
        )


@dataclass(frozen=True, slots=True)
class Periods:
    """Rows of a file, with what `column` names as ``exposure``; they may have ``first_day``."""

    rows: InputRows
    frame: pl.DataFrame
    column: str


@dataclass(frozen=True, slots=True)
class Watched:
    """Where the tests stood after each period, and the tests at the end."""

    evidence: list[EProcessStatus]
    ratios: list[MaxSprtStatus]
    e_process: PoissonEProcess
    max_sprt: PoissonMaxSprt | ConditionalMaxSprt | None


def _amounts(rows: InputRows, name: str) -> pl.Series:
    """A column of finite numbers of at least 0."""
    text = rows.frame[name].str.strip_chars()
    values = text.cast(pl.Float64, strict=False)
    rows.refuse(text.is_null() | (text == ""), f"{name} has no value")
    rows.refuse(values.is_null(), f"{name} must be a number, not {{{name}}}")
    rows.refuse(~(values.is_finite() & (values >= 0)), f"{name} must be finite and at least 0, not {{{name}}}")
    return values


def read_periods(path: Path) -> Periods:
    """Periods of a CSV or Parquet file with ``day``, ``observed``, and either ``expected`` or ``exposure``.

    Raises `ParameterError`, naming the row: a value that is missing, negative, or no number or day.
    """
    rows = read_rows(path, ["day", "observed"], optional=["expected", "exposure", "first_day"])
    given = [name for name in ("expected", "exposure") if name in rows.frame.columns]
    if len(given) != 1:
        raise ParameterError(f"{path}: a column expected or exposure is needed, and not both")
    columns: dict[str, pl.Series] = {
        name: parse_dates(rows, name) for name in ("day", "first_day") if name in rows.frame.columns
    }
    rows.refuse(columns["day"].is_null(), "day has no value")
    columns |= {"observed": whole_numbers(rows, "observed"), "exposure": _amounts(rows, given[0])}
    frame = pl.DataFrame(columns)
    return Periods(rows, frame, given[0])


def watch(
    periods: Periods, e_process: PoissonEProcess, max_sprt: PoissonMaxSprt | ConditionalMaxSprt | None
) -> Watched:
    """Feed all periods to the tests; raises `ParameterError`, naming the row, for one that they do not take."""
    found = Watched([], [], e_process, max_sprt)
    for number, period in enumerate(periods.frame.iter_rows(named=True)):
        words: dict[str, Any] = dict(period)
        try:
            found.evidence.append(e_process.update(words.pop("day"), **words))
            if max_sprt is not None:
                found.ratios.append(max_sprt.update(period["day"], **words))
        except ParameterError as error:
            row = number + periods.rows.first_row
            raise ParameterError(f"{periods.rows.path}: row {row}: {error.message}", hint=error.hint) from error
    return found
