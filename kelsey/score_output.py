"""Scores as a file: CSV, Parquet, or an Excel sheet laid out like an electronic Reaction Monitoring Report (eRMR)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import polars as pl
import xlsxwriter

from cases import ParameterError

__all__ = ["FORMATS", "form_of", "write_scores"]

FORMATS = ("csv", "parquet", "xlsx")

_SHEET_ROWS = 1_048_576
_ERMR_NAMES = {
    "drug": "Active substance",
    "reaction": "PT",
    "n": "Tot",
    "ror_lower": "ROR (-)",
    "ror": "ROR",
    "ror_upper": "ROR (+)",
}
"""Our columns that an eRMR has, in its order and under its names; the others follow under their own."""


def form_of(path: Path, out: Path, form: str | None) -> str:
    """The format to write: the one asked for, else that of the file's name; refuses to write over what is read."""
    if out.exists() and path.exists() and out.samefile(path):
        raise ParameterError(f"{out}: is the file to read; the scores would replace it", hint="give another name")
    if form is None and out.suffix.removeprefix(".") in FORMATS:
        return out.suffix.removeprefix(".")
    if form is None:
        raise ParameterError(f"{out}: the name must end in .csv, .parquet or .xlsx", hint="or name the format")
    if form not in FORMATS:
        raise ParameterError(f"format must be one of {', '.join(FORMATS)}, not {form!r}")
    return form


def write_scores(frame: pl.DataFrame, out: Path, *, form: str, flags: tuple[str, ...]) -> None:
    """Write whole or not at all: under another name first, then renamed. `flags` are the columns of the rules.

    Raises `ParameterError` where the file cannot be written, or has more rows than a sheet can hold.
    """
    if form == "xlsx" and len(frame) >= _SHEET_ROWS:
        raise ParameterError(f"{out}: {len(frame):,} pairs are more than an Excel sheet holds", hint="write parquet")
    part = out.with_name(f".{out.name}.part")
    try:
        if form == "csv":
            frame.write_csv(part)
        elif form == "parquet":
            frame.write_parquet(part)
        else:
            _write_sheet(frame, part, flags)
        part.replace(out)
    except (OSError, xlsxwriter.exceptions.FileCreateError) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ParameterError(f"{out}: cannot be written: {reason}") from error


def _write_sheet(frame: pl.DataFrame, path: Path, flags: tuple[str, ...]) -> None:
    """One row a pair, header frozen, filter on; names that begin with = or http stay text."""
    leading = [name for name in _ERMR_NAMES if name in frame.columns] if "drug" in frame.columns else []
    rest = [name for name in frame.columns if name not in leading and name not in flags]
    sheet = (
        frame.with_columns(pl.when(name).then(pl.lit("Yes")).otherwise(pl.lit("No")).alias(name) for name in flags)
        .with_columns(pl.when(pl.col(pl.Float64).is_finite()).then(pl.col(pl.Float64)))  # a cell has no infinity
        .select(*leading, *flags, *rest)
        .rename({**{name: _ERMR_NAMES[name] for name in leading}, **{name: f"SDR {name}" for name in flags}})
    )
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(path, options) as workbook:
        sheet.write_excel(
            workbook,
            worksheet="Scores",
            autofilter=True,
            freeze_panes=(1, 2),
            table_style="Table Style Light 1",
            dtype_formats={pl.Float64: "0.000", pl.Int64: "#,##0"},
            column_widths={"Active substance": 220, "PT": 260},
        )
