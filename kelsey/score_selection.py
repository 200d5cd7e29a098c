"""Which rows of a report table are counted, and under which names: conditions, dates, custom groups, every level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from cases import ParameterError, UnknownTermError
from detectors.hierarchy import Hierarchy
from kelsey.score_input import InputRows, read_rows, unknown_name

__all__ = ["REPORT_COLUMNS", "Selection", "chosen_reports", "parse_dates", "parse_subset"]

REPORT_COLUMNS = ("case_id", "drug", "reaction")
"""Columns that every table of reports has."""

_TERMS = ("drug", "reaction")


def parse_dates(rows: InputRows, column: str) -> pl.Series:
    """A column of days, YYYY-MM-DD or YYYYMMDD, where a time may follow; missing where empty.

    Raises `ParameterError`, naming the row, for what is no such day, and where no row has one.
    """
    text = rows.frame[column].str.strip_chars()
    text = text.set(text == "", None)
    if text.is_null().all():
        raise ParameterError(f"{rows.path}: column {column} has no value in any row")
    days = text.str.head(10).str.to_date("%Y-%m-%d", strict=False)
    days = days.zip_with(days.is_not_null(), text.str.to_date("%Y%m%d", strict=False))
    rows.refuse(days.is_null() & text.is_not_null(), f"{column} must be a day YYYY-MM-DD, not {{{column}}}")
    return days


def parse_subset(conditions: Sequence[str]) -> dict[str, list[str]]:
    """Conditions ``column=value`` as allowed values by column; raises `ParameterError` for another form."""
    allowed: dict[str, list[str]] = {}
    for condition in conditions:
        column, sign, value = condition.partition("=")
        if not (sign and column and value):
            raise ParameterError(f"subset must have the form COLUMN=VALUE, not {condition!r}")
        allowed.setdefault(column, []).append(value)
    return allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to count of a report table.

    Parameters
    ----------
    subset
        Allowed values by column; all columns must hold. A condition on drug or reaction keeps whole reports that name
        it; one on another column keeps the rows that have the value.
    since, until
        First and last day, both included; rows without a day are left out where either is given.
    date_column
        Where the day stands.
    groups
        CSV ``kind,name,group``: rows of kind drug or reaction that put a name into a group. A group takes the place of
        its members and counts each report once; a name in two groups counts in both.
    hierarchy
        Every reaction, or group of reactions, counts under its own name and all names above it, each report once.
    """

    subset: Mapping[str, Sequence[str]] = field(default_factory=dict)
    since: date | None = None
    until: date | None = None
    date_column: str = "date"
    groups: Path | None = None
    hierarchy: Hierarchy | None = None

    def __post_init__(self) -> None:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ParameterError(f"since must not be after until, not {self.since} and {self.until}")

    @property
    def is_dated(self) -> bool:
        """Whether days are needed."""
        return self.since is not None or self.until is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed besides case, drug and reaction."""
        dated = (self.date_column,) if self.is_dated else ()
        return (*(name for name in self.subset if name not in (*_TERMS, "case_id")), *dated)

    def apply(self, rows: InputRows) -> pl.DataFrame:
        """The rows to count, already checked for missing names.

        Raises `UnknownTermError`, naming the nearest, for a value or a member of a group that no row has and for a
        reaction that the hierarchy does not have, and `ParameterError` where nothing is left.
        """
        frame = rows.frame
        keep = pl.repeat(True, len(frame), eager=True)
        for column, values in self.subset.items():
            keep &= _meets(frame, column, values)
        if self.is_dated:
            days = parse_dates(rows, self.date_column)
            if self.since is not None:
                keep &= (days >= self.since).fill_null(False)
            if self.until is not None:
                keep &= (days <= self.until).fill_null(False)
        grouped = frame if self.groups is None else _grouped(frame.with_columns(keep.alias("_keep")), self.groups)
        chosen = grouped.filter(keep) if self.groups is None else grouped.filter("_keep").drop("_keep")
        if chosen.is_empty():
            raise ParameterError(f"{rows.path}: no report meets the conditions")
        if self.hierarchy is None:
            return chosen
        row, names = self.hierarchy.rolled_up(chosen["reaction"])
        return chosen[row].with_columns(names.alias("reaction"))


def _meets(frame: pl.DataFrame, column: str, values: Sequence[str]) -> pl.Series:
    known = frame[column].drop_nulls().unique().to_list()
    for value in values:
        if value not in known:
            raise UnknownTermError(f"no report has the {column} {value!r}", hint=unknown_name(value, known))
    met = frame[column].is_in(list(values)).fill_null(False)
    if column in _TERMS:
        return frame["case_id"].is_in(frame["case_id"].filter(met).unique().implode())
    return met


def _grouped(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    rows = read_rows(path, ["kind", "name", "group"])
    for name in ("kind", "name", "group"):
        rows.refuse(rows.frame[name].is_null() | (rows.frame[name].str.strip_chars() == ""), f"{name} has no value")
    rows.refuse(~rows.frame["kind"].is_in(_TERMS), "kind must be drug or reaction, not {kind}")
    for kind in _TERMS:
        members = rows.frame.filter(pl.col("kind") == kind).select("name", "group").unique()
        known = frame[kind].unique()
        for name in members["name"].unique().sort():
            if name not in known:
                raise UnknownTermError(
                    f"{path}: no report names the {kind} {name!r}", hint=unknown_name(name, known.drop_nulls())
                )
        taken = set(members["group"]) & (set(known) - set(members["name"]))
        if taken:
            raise ParameterError(f"{path}: the group {min(taken)!r} has the name of a {kind} that is in no group")
        frame = (
            frame.join(members, left_on=kind, right_on="name", how="left", maintain_order="left_right")
            .with_columns(pl.coalesce("group", kind).alias(kind))
            .drop("group")
        )
    return frame


def chosen_reports(
    path: Path,
    selection: Selection,
    *,
    strata: Sequence[str] = (),
    further: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> tuple[InputRows, pl.DataFrame]:
    """The rows of a file of reports, with the columns `strata` and `further` as well, and those of them to count.

    Columns of `optional` are read where the file has them.

    Raises like `read_rows` and `Selection.apply`; where there is a selection, an empty value and a report of two strata
    are looked for here, as their row in the file could not be told later.
    """
    wanted = dict.fromkeys([*REPORT_COLUMNS, *strata, *further, *selection.columns])
    rows = read_rows(path, list(wanted), optional=optional)
    if selection == Selection():
        return rows, rows.frame
    for name in REPORT_COLUMNS:
        empty = rows.frame[name].is_null() | (rows.frame[name].str.strip_chars() == "")
        if empty.all():
            raise ParameterError(f"{path}: column {name} has no value in any row")
        rows.refuse(empty, f"column {name} has no value")
    numbered = InputRows(path, rows.frame.with_row_index("_row", offset=rows.first_row), rows.first_row)
    chosen = selection.apply(numbered)
    _refuse_two_strata(path, chosen, strata)
    return rows, chosen.drop("_row")


def _refuse_two_strata(path: Path, chosen: pl.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a report of two strata by its row in the file, as `CountTable.from_reports` cannot know it any more."""
    if not columns:
        return
    text = [pl.when(pl.col(name).str.strip_chars() != "").then(name).otherwise(pl.lit("unknown")) for name in columns]
    label = pl.struct(text)
    other = chosen.filter(label != label.first().over("case_id"))
    if not other.is_empty():
        raise ParameterError(
            f"{path}: the report of row {other['_row'][0]} stands in two strata",
            hint="every row of a report must carry the same stratum",
        )
