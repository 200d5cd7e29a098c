"""Counting a whole table of report rows at once, without a loop over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError
from detectors._snapshot import SCHEMA, VERSION

__all__ = ["Column", "columnar_snapshot"]

Column = Sequence[Any] | NDArray[Any] | pl.Series
_UNKNOWN = "unknown"


def _text(name: str, column: Column) -> pl.Series:
    """A column as text; blank and not-a-number are missing."""
    series = column if isinstance(column, pl.Series) else pl.Series(name, column, strict=False)
    if series.dtype.is_float():
        series = series.fill_nan(None)
    series = series.cast(pl.String).rename(name)
    return series.set(series.str.strip_chars().str.len_chars() == 0, None)


def _check(name: str, series: pl.Series, *, is_required: bool) -> None:
    """Raise `ParameterError` for a column without any value, and for a missing one where each row needs it."""
    missing = series.is_null()
    if len(series) and missing.all():
        raise ParameterError(f"column {name} has no value in any row")
    if is_required and missing.any():
        raise ParameterError(f"column {name} has no value in row {missing.arg_max()} (counted from 0)")


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
    case_id: Column, drug: Column, reaction: Column, strata: Mapping[str, Column] | None, *, default: tuple[str, ...]
) -> dict[str, Any]:
    """The snapshot of the table of these rows; `CountTable.from_reports` says what they are and what is refused."""
    columns = {
        "case_id": _text("case_id", case_id),
        "drug": _text("drug", drug),
        "reaction": _text("reaction", reaction),
    }
    labels = {f"stratum {name}": _text(f"stratum {name}", column) for name, column in (strata or {}).items()}
    lengths = {name: len(series) for name, series in (columns | labels).items()}
    if len(set(lengths.values())) > 1:
        raise ParameterError(f"columns must have one length, not {lengths}")
    for name, series in columns.items():
        _check(name, series, is_required=True)
    for name, series in labels.items():
        _check(name, series, is_required=False)

    names = {kind: columns[kind].unique().sort() for kind in ("drug", "reaction")}
    rows = pl.DataFrame(
        [columns["case_id"].rank("dense").rename("case")]
        + [
            columns[kind].replace_strict(values, np.arange(len(values)), return_dtype=pl.Int64)
            for kind, values in names.items()
        ]
        + [series.fill_null(_UNKNOWN) for series in labels.values()]
    )
    if labels:
        straddling = rows.select(pl.struct(labels).n_unique().over("case") > 1).to_series()
        if straddling.any():
            raise ParameterError(
                f"the report of row {straddling.arg_max()} (counted from 0) stands in two strata",
                hint="every row of a report must carry the same stratum",
            )
    rows = rows.unique()
    if labels:
        groups = rows.partition_by(list(labels), as_dict=True, include_key=False)
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
