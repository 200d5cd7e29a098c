"""Counting a whole table of report rows at once, without a loop over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError
from detectors._counts import PAIR_STRIDE, Counts
from detectors._pair_counts import PairCounts, starts
from detectors._same_text import same_text
from detectors._series import Column, series_of

__all__ = ["MISSING_WORDS", "columnar_counts"]

_UNKNOWN = "unknown"
MISSING_WORDS = ("na", "n/a", "nan", "null", "none")  # what exports write; only a column of nothing else is refused


class _Coded:
    """A column of text as whole numbers, equal where the text is; -1 where it is missing or blank.

    With `is_sorted`, the numbers are places in `values`, which are sorted; without, they are numbers of rows.
    """

    def __init__(self, name: str, column: Column, *, is_sorted: bool = True) -> None:
        series = series_of(name, column)
        if series.dtype.is_float():
            series = series.fill_nan(None)
        text = series.cast(pl.String).fill_null("")
        row = same_text(text)
        # what is looked at below is the distinct values, which are few beside the rows
        used = np.flatnonzero(row == np.arange(len(row)))
        distinct = pl.DataFrame({"value": text.gather(used), "row": used})
        is_blank = distinct["value"].str.strip_chars() == ""
        known = distinct.filter(~is_blank)
        if is_sorted:
            known = known.sort("value")
        self.name = name
        self.values = known["value"]
        if is_sorted or is_blank.any():
            number = np.full(len(row), -1, dtype=np.int64)
            number[known["row"].to_numpy()] = np.arange(len(known)) if is_sorted else known["row"].to_numpy()
            row = number[row]
        self.codes: NDArray[np.int64] = row

    def check(self, *, is_required: bool, first_row: int) -> None:
        """Raise `ParameterError` for a column without any value, and for a missing one where each row needs it."""
        if len(self.codes) and all(value.lower() in MISSING_WORDS for value in self.values):
            raise ParameterError(f"column {self.name} has no value in any row")
        if is_required and len(self.codes) and self.codes.min() < 0:
            raise ParameterError(f"column {self.name} has no value in row {first_row + int(np.argmin(self.codes))}")


def _labels(columns: Sequence[_Coded], rows: int) -> tuple[NDArray[np.int64], list[tuple[str, ...]]]:
    """Number of each row's stratum, and the labels of the strata, sorted."""
    values = [[*column.values.to_list(), _UNKNOWN] for column in columns]  # -1 is the last
    codes = np.zeros(rows, dtype=np.int64)
    for column, known in zip(columns, values, strict=True):
        codes = codes * len(known) + column.codes % len(known)
    distinct, position = np.unique(codes, return_inverse=True)
    parts = np.unravel_index(distinct, [len(known) for known in values])
    labels = [tuple(known[part] for known, part in zip(values, row, strict=True)) for row in zip(*parts, strict=True)]
    merged = sorted(set(labels))  # what is missing, and what says so, are one stratum
    return np.array([merged.index(label) for label in labels], dtype=np.int64)[position], merged


def _sorted(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    return pl.Series(keys).sort().to_numpy()  # three times faster than numpy's


def _margins(numbers: NDArray[np.int64]) -> dict[int, int]:
    """How often each number occurs."""
    count = np.bincount(numbers)
    there = np.flatnonzero(count)
    return dict(zip(there.tolist(), count[there].tolist(), strict=True))


def _counts(case: NDArray[np.int64], drug: NDArray[np.int64], reaction: NDArray[np.int64]) -> Counts:
    """The counts of rows that may repeat. A row is one whole number of three parts, as that sorts fastest."""
    low = int(reaction.max()).bit_length()
    high = low + int(drug.max()).bit_length()
    if high + int(case.max()).bit_length() > 63:
        raise ParameterError(f"{len(case)} rows hold too many reports, drugs and reactions for one table")
    key = _sorted(case << high | drug << low | reaction)
    key = key[starts(key)]
    reaction_mask, pair_mask = (1 << low) - 1, (1 << high) - 1
    of_drug = key >> low
    of_reaction = _sorted(key >> high << low | key & reaction_mask)
    pairs = _sorted(key & pair_mask)
    first = starts(pairs)
    distinct = pairs[first]
    counts = Counts()
    counts.reports = len(starts(key >> high))
    counts.drugs = _margins(of_drug[starts(of_drug)] & (pair_mask >> low))
    counts.reactions = _margins(of_reaction[starts(of_reaction)] & reaction_mask)
    keys = (distinct >> low) * PAIR_STRIDE + (distinct & reaction_mask)
    counts.pairs = PairCounts(keys, np.diff(first, append=len(pairs)))
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
    coded = [_Coded(name, column, is_sorted=name != "case_id") for name, column in columns.items()]
    labelled = [_Coded(name, column) for name, column in (strata or {}).items()]
    lengths = {column.name: len(column.codes) for column in coded}
    lengths |= {f"stratum {column.name}": len(column.codes) for column in labelled}
    if len(set(lengths.values())) > 1:
        raise ParameterError(f"columns must have one length, not {lengths}")
    for column in (*coded, *labelled):
        column.check(is_required=column in coded, first_row=first_row)
    case, drugs, reactions = (column.codes for column in coded)
    names = coded[1].values.to_list(), coded[2].values.to_list()
    if not len(case):
        return *names, {}
    if not labelled:
        return *names, {default: _counts(case, drugs, reactions)}
    number, labels = _labels(labelled, len(case))
    of_case = np.zeros(len(case), dtype=np.int64)
    of_case[case] = number
    straddling = case[of_case[case] != number]
    if len(straddling):
        raise ParameterError(
            f"the report of row {first_row + int(np.argmax(np.isin(case, straddling)))} stands in two strata",
            hint="every row of a report must carry the same stratum",
        )
    rows = {label: np.flatnonzero(number == position) for position, label in enumerate(labels)}
    return *names, {label: _counts(case[part], drugs[part], reactions[part]) for label, part in rows.items()}
