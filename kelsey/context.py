"""Context of one pair from a file of reports: what `kelsey context` prints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl

from detectors.context import Masking, Timeline
from kelsey.score_input import InputRows, read_rows
from kelsey.score_selection import parse_dates

__all__ = ["masking_of_file", "plain", "timeline_of_file"]

_COLUMNS = ("case_id", "drug", "reaction")


def _rows(path: Path, *further: str) -> InputRows:
    """The rows of a file of reports; an empty name is refused under its row in the file."""
    rows = read_rows(path, [*_COLUMNS, *further])
    for name in _COLUMNS:
        rows.refuse(rows.frame[name].fill_null("").str.strip_chars() == "", f"column {name} has no value")
    return rows


def masking_of_file(path: Path, drug: str, reaction: str) -> Masking:
    """Masking of a pair; raises `ParameterError`, naming file and row, and `UnknownTermError` like `Masking.of`."""
    return Masking.of(_rows(path).frame, drug, reaction)


def timeline_of_file(path: Path, drug: str, reaction: str, *, period: str, recent: int, date_column: str) -> Timeline:
    """Timeline of a pair; `date_column` holds YYYY-MM-DD or YYYYMMDD. Raises like `masking_of_file`."""
    rows = _rows(path, date_column)
    frame = rows.frame.select(*_COLUMNS).with_columns(parse_dates(rows, date_column).alias("date"))
    other_day = pl.col("date").is_not_null() & (pl.col("date") != pl.col("date").min().over("case_id"))
    rows.refuse(frame.select(other_day).to_series(), "the report has another day in another row")
    return Timeline.of(frame, drug, reaction, period=period, recent=recent)


def plain(value: Any) -> Any:
    """A value for JSON, which has no NaN and no infinity: both become null."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
