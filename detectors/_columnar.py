"""Counting a whole table of report rows at once, without a loop over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError
from detectors._counts import PAIR_STRIDE, Counts
from detectors._series import Column, series_of

__all__ = ["MISSING_WORDS", "columnar_counts"]

_UNKNOWN = "unknown"
MISSING_WORDS = ("na", "n/a", "nan", "null", "none")  # what exports write; only a column of nothing else is refused


class _Coded:
    """A column of text as numbers of its distinct values, which are sorted; -1 where it is missing or blank."""

    def __init__(self, name: str, column: Column) -> None:
        series = series_of(name, column)
        if series.dtype.is_float():
            series = series.fill_nan(None)
        text = series.cast(pl.String)
        physical = text.cast(pl.Categorical).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        # what is looked at below is the distinct values, which are few beside the rows
        a_row = np.full(int(physical.max(initial=-1)) + 2, -1, dtype=np.int64)
        a_row[physical] = np.arange(len(physical))
        used = np.flatnonzero(a_row[:-1] >= 0)
        distinct = pl.DataFrame({"value": text.gather(a_row[used]), "number": used})
        distinct = distinct.filter(pl.col("value").str.strip_chars() != "").sort("value")
        self.name = name
        self.values: list[str] = distinct["value"].to_list()
        number = np.full(len(a_row), -1, dtype=np.int64)  # the last is what is missing
        number[distinct["number"].to_numpy()] = np.arange(len(distinct))
        self.codes: NDArray[np.int64] = number[physical]

    def check(self, *, is_required: bool, first_row: int) -> None:
        """Raise `ParameterError` for a column without any value, and for a missing one where each row needs it."""
        if len(self.codes) and all(value.lower() in MISSING_WORDS for value in self.values):
            raise ParameterError(f"column {self.name} has no value in any row")
        if is_required and len(self.codes) and self.codes.min() < 0:
            raise ParameterError(f"column {self.name} has no value in row {first_row + int(np.argmin(self.codes))}")


def _labels(columns: Sequence[_Coded], rows: int) -> tuple[NDArray[np.int64], list[tuple[str, ...]]]:
    """Number of each row's stratum, and the labels of the strata, sorted."""
    values = [[*column.values, _UNKNOWN] for column in columns]  # -1 is the last
    codes = np.zeros(rows, dtype=np.int64)
    for column, known in zip(columns, values, strict=True):
        codes = codes * len(known) + column.codes % len(known)
    distinct, position = np.unique(codes, return_inverse=True)
    parts = np.unravel_index(distinct, [len(known) for known in values])
    labels = [tuple(known[part] for known, part in zip(values, row, strict=True)) for row in zip(*parts, strict=True)]
    merged = sorted(set(labels))  # what is missing, and what says so, are one stratum
    return np.array([merged.index(label) for label in labels], dtype=np.int64)[position], merged


def _starts(keys: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where each of the sorted keys, of which there is at least one, stands first."""
    return np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])


def _sorted(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    return pl.Series(keys).sort().to_numpy()  # three times faster than numpy's


def _tally(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
    """Each key once, sorted, and how often it occurs."""
    keys = _sorted(keys)
    starts = _starts(keys)
    return keys[starts], np.diff(starts, append=len(keys)).tolist()


def _counts(case: NDArray[np.int64], drug: NDArray[np.int64], reaction: NDArray[np.int64]) -> Counts:
    """The counts of rows that may repeat. A row is one whole number of three parts, as that sorts fastest."""
    low = int(reaction.max()).bit_length()
    high = low + int(drug.max()).bit_length()
    if high + int(case.max()).bit_length() > 63:
        raise ParameterError(f"{len(case)} rows hold too many reports, drugs and reactions for one table")
    key = _sorted(case << high | drug << low | reaction)
    key = key[_starts(key)]
    case, reaction = key >> high, key & (1 << low) - 1
    of_drug = key >> low
    of_drug = of_drug[_starts(of_drug)] & (1 << high - low) - 1
    of_reaction = _sorted(case << low | reaction)
    of_reaction = of_reaction[_starts(of_reaction)] & (1 << low) - 1
    counts = Counts()
    counts.reports = len(_starts(case))
    for tally, keys in ((counts.drugs, of_drug), (counts.reactions, of_reaction)):
        numbers, count = _tally(keys)
        tally.update(zip(numbers.tolist(), count, strict=True))
    pairs, count = _tally(key & (1 << high) - 1)
    counts.pairs = dict(zip(((pairs >> low) * PAIR_STRIDE + (pairs & (1 << low) - 1)).tolist(), count, strict=True))
    return counts


def columnar_counts(
    case_id: Column,
    drug: Column,
    reaction: Column,
    strata: Mapping[str, Column] | None,
    *,
    first_row: int,
    default: tuple[str, ...],
) -> tuple[list[str], list[str], dict[tuple[str, ...], Counts]]:
    """Names and counts by stratum; `CountTable.from_reports` says what the rows are and what is refused."""
    columns = {"case_id": case_id, "drug": drug, "reaction": reaction}
    coded = [_Coded(name, column) for name, column in columns.items()]
    labelled = [_Coded(name, column) for name, column in (strata or {}).items()]
    lengths = {column.name: len(column.codes) for column in coded}
    lengths |= {f"stratum {column.name}": len(column.codes) for column in labelled}
    if len(set(lengths.values())) > 1:
        raise ParameterError(f"columns must have one length, not {lengths}")
    for column in (*coded, *labelled):
        column.check(is_required=column in coded, first_row=first_row)
    case, drugs, reactions = (column.codes for column in coded)
    names = coded[1].values, coded[2].values
    if not len(case):
        return *names, {}
    if not labelled:
        return *names, {default: _counts(case, drugs, reactions)}
    number, labels = _labels(labelled, len(case))
    of_case = np.zeros(len(coded[0].values), dtype=np.int64)
    of_case[case] = number
    straddling = case[of_case[case] != number]
    if len(straddling):
        raise ParameterError(
            f"the report of row {first_row + int(np.argmax(np.isin(case, straddling)))} stands in two strata",
            hint="every row of a report must carry the same stratum",
        )
    rows = {label: np.flatnonzero(number == position) for position, label in enumerate(labels)}
    return *names, {label: _counts(case[part], drugs[part], reactions[part]) for label, part in rows.items()}
