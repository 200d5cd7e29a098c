"""Tables that an analyst brings, read as text and checked: reports, or counts of pairs."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import polars as pl

from cases import ParameterError
from detectors._columnar import MISSING_WORDS
from detectors.pair_arrays import PairArrays

__all__ = ["InputRows", "read_counts", "read_rows", "unknown_name", "whole_numbers"]

_FEW = 5  # names that a message can hold
_MARGINS = ("n_drug", "n_reaction", "n_total")
_LARGEST = 2**53  # beyond it float64, which the measures compute in, skips whole numbers


@dataclass(frozen=True, slots=True)
class InputRows:
    """Rows of a file as text, exactly as they stand; `first_row` is what messages call the first.

    A CSV's header is row 1, as people count; a Parquet file has none.
    """

    path: Path
    frame: pl.DataFrame
    first_row: int

    def refuse(self, bad: pl.Series, text: str, *, hint: str = "") -> None:
        """Raise `ParameterError` naming the first row in which `bad` is true; nothing where there is none."""
        if bad.any():
            row = int(bad.arg_max() or 0)
            raise ParameterError(
                f"{self.path}: row {row + self.first_row}: {text.format(**self._values(row))}", hint=hint
            )

    def _values(self, row: int) -> dict[str, str]:
        return {name: repr(value) for name, value in self.frame.row(row, named=True).items()}


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Hint after an unknown name: the nearest known ones; where none is near, all if they are few, or nothing."""
    names = list(known)
    near = get_close_matches(name, names, n=3)
    if near:
        return f"the nearest are {', '.join(map(repr, near))}"
    return f"there are {', '.join(map(repr, sorted(names)))}" if 0 < len(names) <= _FEW else ""


def _check_header(path: Path, header: Sequence[str], wanted: Sequence[str]) -> None:
    if any("\r" in name for name in header):
        raise ParameterError(f"{path}: its lines end in a carriage return alone", hint="save it with usual line ends")
    double = [name for name, count in Counter(name.strip() for name in header).items() if count > 1]
    if double:
        raise ParameterError(f"{path}: the header has {double[0]!r} more than once")
    for name in wanted:
        if name not in header:
            near = [other for other in header if other.strip().casefold() == name.casefold()]
            near = near or get_close_matches(name, header, n=1)
            raise ParameterError(
                f"{path}: column {name!r} is missing",
                hint=f"did you mean {near[0]!r}?" if near else f"the header has {', '.join(map(repr, header))}",
            )


def _header(path: Path) -> list[str]:
    """Column names as they stand in the first row (polars would rename double ones)."""
    if path.suffix == ".parquet":
        return list(pl.read_parquet_schema(path))
    first = pl.read_csv(path, has_header=False, infer_schema=False, n_rows=1)
    return ["" if name is None else name for name in first.row(0)]


def _line_of_another_encoding(path: Path) -> int:
    """Number of the first line that is not UTF-8, counted from 1; 0 where there is none, or the file is damaged."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if is_packed else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    return number
    except (OSError, EOFError, zlib.error):
        return 0
    return 0


def _row_with_more_fields(path: Path) -> int:
    """Number of the first row with more fields than the header, which is row 1; 0 where there is none."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8", newline="")
            if is_packed
            else path.open(encoding="utf-8", newline="") as lines
        ):
            rows = csv.reader(lines)
            width = len(next(rows, []))
            return next((number for number, row in enumerate(rows, 2) if len(row) > width), 0)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error):
        return 0


def read_rows(path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()) -> InputRows:
    """The wanted columns, and those of `optional` that are there, of a CSV (plain or gzip) or Parquet file.

    Raises `ParameterError`, naming the file, where it is empty, damaged or not UTF-8, or a column is missing or double.
    """
    is_parquet = path.suffix == ".parquet"
    try:
        header = _header(path)
        _check_header(path, header, columns)
        wanted = [*columns, *(name for name in optional if name in header and name not in columns)]
        if is_parquet:
            frame = pl.read_parquet(path, columns=wanted).with_columns(pl.all().cast(pl.String))
        else:
            frame = pl.read_csv(path, infer_schema=False, columns=wanted)
    except pl.exceptions.NoDataError as error:
        raise ParameterError(f"{path}: the file is empty", hint=f"a header {','.join(columns)} is needed") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        form = "Parquet" if is_parquet else "UTF-8 CSV"
        line = 0 if is_parquet or isinstance(error, OSError) else _line_of_another_encoding(path)
        if line:
            hint = "save the file as UTF-8"
            raise ParameterError(f"{path}: cannot be read as {form}: line {line} is not UTF-8", hint=hint) from error
        row = 0 if is_parquet or isinstance(error, OSError) else _row_with_more_fields(path)
        if row:
            hint = "put quotation marks around text that has a comma"
            raise ParameterError(f"{path}: row {row} has more fields than the header", hint=hint) from error
        raise ParameterError(f"{path}: cannot be read as {form}: {reason}") from error
    if frame.is_empty():
        raise ParameterError(f"{path}: the file holds no {'report' if 'case_id' in columns else 'row'}, only a header")
    return InputRows(path, frame, 1 if is_parquet else 2)


def whole_numbers(rows: InputRows, name: str) -> pl.Series:
    """A column of counts, each a whole number of at least 0."""
    text = rows.frame[name].str.strip_chars()
    rows.refuse(text.is_null() | (text == ""), f"{name} has no value")
    rows.refuse(text.str.contains(r"^-\s*[0-9.]*[1-9]"), f"{name} must be at least 0, not {{{name}}}")
    rows.refuse(~text.str.contains(r"^[+-]?[0-9]+(\.0*)?$"), f"{name} must be a whole number, not {{{name}}}")
    values = text.str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
    rows.refuse((values.is_null() | (values > _LARGEST)), f"{name} is too large: {{{name}}}")
    return values


def read_counts(path: Path) -> PairArrays:
    """Pairs of a table ``drug,reaction,count``, with margins by sum, or as the columns n_drug, n_reaction, n_total say.

    Pairs with a count of 0 enter neither the margins nor the result. Rows come sorted by drug, then reaction.

    Raises `ParameterError`, naming the row: an empty name, a count that is negative, fractional or missing, a pair that
    stands there twice, a pair larger than its margins, margins that contradict each other.
    """
    rows = read_rows(path, ["drug", "reaction", "count"], optional=_MARGINS)
    for name in ("drug", "reaction"):
        text = rows.frame[name].str.strip_chars()
        empty = text.is_null() | (text == "")
        if (empty | text.str.to_lowercase().is_in(MISSING_WORDS)).all():
            raise ParameterError(f"{path}: column {name} has no value in any row")
        rows.refuse(empty, f"{name} has no value")
    rows.refuse(
        ~rows.frame.select(pl.struct("drug", "reaction").is_first_distinct()).to_series(),
        "the pair ({drug}, {reaction}) stands there a second time",
        hint="add the counts up, or remove one",
    )
    given = [name for name in _MARGINS if name in rows.frame.columns]
    if given and len(given) < len(_MARGINS):
        lacking = next(name for name in _MARGINS if name not in given)
        raise ParameterError(f"{path}: column {lacking!r} is missing", hint="give all three margins, or none")
    n = whole_numbers(rows, "count")
    counted = rows.frame.select("drug", "reaction").with_columns(n.alias("n"))
    if given:
        counted = counted.with_columns(whole_numbers(rows, name).alias(name) for name in given)
        _check_margins(rows, counted)
    else:
        counted = counted.with_columns(
            pl.col("n").sum().over("drug").alias("n_drug"),
            pl.col("n").sum().over("reaction").alias("n_reaction"),
            pl.col("n").sum().alias("n_total"),
        )
    if n.cast(pl.Float64).sum() > _LARGEST:
        raise ParameterError(f"{path}: the counts add up to more than {_LARGEST:,}")
    counted = counted.filter(pl.col("n") > 0).sort("drug", "reaction")
    if counted.is_empty():
        raise ParameterError(f"{path}: every count is 0")
    return _arrays(counted)


def _check_margins(rows: InputRows, counted: pl.DataFrame) -> None:
    """Refuse margins that no table of reports can have."""
    for name in _MARGINS:
        rows.refuse(counted["n"] > counted[name], f"count {{count}} is larger than its margin {name} = {{{name}}}")
    for name in ("n_drug", "n_reaction"):
        rows.refuse(counted[name] > counted["n_total"], f"{name} = {{{name}}} is larger than n_total = {{n_total}}")
    reports = counted["n_drug"] + counted["n_reaction"] - counted["n"]
    rows.refuse(reports > counted["n_total"], "n_drug + n_reaction - count is larger than n_total = {n_total}")
    rows.refuse(counted["n_total"] != counted["n_total"][0], "n_total is {n_total}, but another number in other rows")
    for kind in ("drug", "reaction"):
        differs = counted.select(pl.col(f"n_{kind}") != pl.col(f"n_{kind}").first().over(kind)).to_series()
        rows.refuse(differs, f"n_{kind} of {{{kind}}} is {{n_{kind}}}, but another number in an earlier row")


def _arrays(counted: pl.DataFrame) -> PairArrays:
    names = {kind: counted[kind].unique().sort() for kind in ("drug", "reaction")}
    index = {kind: counted[kind].rank("dense").cast(pl.Int64).to_numpy() - 1 for kind in names}
    n, n_drug, n_reaction, n_total = (counted[name].cast(pl.Int64).to_numpy() for name in ("n", *_MARGINS))
    expected = n_drug.astype(np.float64) * n_reaction / n_total
    return PairArrays(
        tuple(names["drug"]), tuple(names["reaction"]), index["drug"], index["reaction"],
        n, n_drug, n_reaction, n_total, expected,
    )  # fmt: skip
