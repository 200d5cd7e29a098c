"""Small VAERS years, laid out as published."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

_DATA = ("VAERS_ID", "RECVDATE", "STATE", "AGE_YRS", "SEX", "SYMPTOM_TEXT", "DIED", "HOSPITAL", "ONSET_DATE")
_VAX = ("VAERS_ID", "VAX_TYPE", "VAX_NAME")
_SYMPTOMS = ("VAERS_ID", "SYMPTOM1", "SYMPTOMVERSION1", "SYMPTOM2", "SYMPTOMVERSION2")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A table as CSV in the encoding of VAERS."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode("latin-1")


def write_year(
    path: Path,
    year: str,
    reports: Sequence[tuple[str, str]],
    *,
    data: Sequence[Sequence[str]] | None = None,
    vax: Sequence[Sequence[str]] | None = None,
    symptoms: Sequence[Sequence[str]] | None = None,
    order: Sequence[str] = ("VAX", "SYMPTOMS", "DATA"),
) -> Path:
    """A year with the given (id, day received), or the given rows of some tables."""
    rows = [(name, day, "AR", "3.5", "F", f"caf\xe9 {name}", "", "Y", day) for name, day in reports]
    tables = {
        "DATA": table(_DATA, data if data is not None else rows),
        "VAX": table(_VAX, vax if vax is not None else [(name, "MMR", "MEASLES (MMR II)") for name, _ in reports]),
        "SYMPTOMS": table(
            _SYMPTOMS,
            symptoms if symptoms is not None else [(name, "Rash", "8.1", "Pyrexia", "8.1") for name, _ in reports],
        ),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in order:
            archive.writestr(f"{year}VAERS{name}.csv", tables[name])
    return path
