"""Counting a whole table of report rows at once, without a loop over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from numpy.typing import NDArray

from cases import ParameterError
from detectors._snapshot import SCHEMA, VERSION

__all__ = ["Column", "columnar_snapshot"]

Column = Sequence[Any] | NDArray[Any] | pl.Series
_UNKNOWN = "unknown"
_MISSING_WORDS = ("na", "n/a", "nan", "null", "none")  # what exports write; only a column of nothing else is refused


def _text(name: str, column: Column) -> pl.Series:
    """A column as text; blank and not-a-number are missing."""
    series = column if isinstance(column, pl.Series) else pl.Series(name, column, strict=False)
    if series.dtype.is_float():
        series = series.fill_nan(None)
    series = series.cast(pl.String).rename(name)
    return series.set(series.str.strip_chars().str.len_chars() == 0, None)


def _check(name: str, series: pl.Series, *, is_required: bool, first_row: int) -> None:
    """Raise `ParameterError` for a column without any value, and for a missing one where each row needs it."""
    missing = series.is_null()
    if len(series) and (missing | series.str.to_lowercase().is_in(_MISSING_WORDS)).all():
        raise ParameterError(f"column {name} has no value in any row")
    if is_required and missing.any():
        raise ParameterError(f"column {name} has no value in row {first_row + (missing.arg_max() or 0)}")


def _part(label: tuple[str, ...], rows: pl.DataFrame) -> dict[str, Any]:
    """The counts of one stratum, from its distinct (case, drug, reaction) rows of numbers."""

    def distinct(*names: str) -> list[list[int]]:
        counted = rows.select("case", *names).unique().group_by(names).agg(pl.len().cast(pl.Int64)).sort(names)
        return [counted[name].to_list() for name in counted.columns]

    return {
        "label": list(label),
        "reports": rows["case"].n_unique(),
        "drugs": distinct("drug"),
        "reactions": distinct("reaction"),
        "pairs": distinct("drug", "reaction"),
    }


def columnar_snapshot(
    case_id: Column,
    drug: Column,
    reaction: Column,
    strata: Mapping[str, Column] | None,
    *,
    first_row: int,
    default: tuple[str, ...],
) -> dict[str, Any]:
    """The snapshot of the table of these rows; `CountTable.from_reports` says what they are and what is refused."""
    columns = {
        name: _text(name, column) for name, column in (("case_id", case_id), ("drug", drug), ("reaction", reaction))
    }
    labels = {name: _text(f"stratum {name}", column) for name, column in (strata or {}).items()}
    lengths = {series.name: len(series) for series in (*columns.values(), *labels.values())}
    if len(set(lengths.values())) > 1:
        raise ParameterError(f"columns must have one length, not {lengths}")
    for name, series in columns.items():
        _check(name, series, is_required=True, first_row=first_row)
    for name, series in labels.items():
        _check(name, series, is_required=False, first_row=first_row)

    names = {kind: columns[kind].unique().sort() for kind in ("drug", "reaction")}
    rows = pl.DataFrame(
        [
            columns["case_id"].rank("dense").rename("case"),
            *(columns[kind].rank("dense").cast(pl.Int64).rename(kind) - 1 for kind in names),
            *(series.fill_null(_UNKNOWN) for series in labels.values()),
        ]
    )
    label_columns = rows.columns[3:]
    if rows.select("case", *label_columns).n_unique() > rows["case"].n_unique():
        straddling = rows.select(pl.struct(*label_columns).n_unique().over("case") > 1).to_series()
        raise ParameterError(
            f"the report of row {first_row + (straddling.arg_max() or 0)} stands in two strata",
            hint="every row of a report must carry the same stratum",
        )
    rows = rows.unique()
    if label_columns:
        groups = rows.partition_by(label_columns, as_dict=True, include_key=False)
        parts = [_part(tuple(map(str, label)), group) for label, group in sorted(groups.items())]
    else:
        parts = [_part(default, rows)] if len(rows) else []
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "drugs": names["drug"].to_list(),
        "reactions": names["reaction"].to_list(),
        "strata": parts,
    }
