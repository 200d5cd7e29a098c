"""The three tables of one VAERS year inside a zip archive, joined by report id."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from cases import ConfigurationError, DeadLetterReason
from connectors.vaers_reader import VaersReport, day_of, drug_names, reaction_terms

__all__ = ["ArchivedReport", "VaersYear", "years_in"]

_TABLES = ("DATA", "VAX", "SYMPTOMS")
_REQUIRED = {"DATA": ("VAERS_ID", "RECVDATE"), "VAX": ("VAERS_ID", "VAX_NAME"), "SYMPTOMS": ("VAERS_ID", "SYMPTOM1")}
_DAMAGED = (csv.Error, zlib.error, zipfile.BadZipFile, EOFError)


class ArchivedReport(NamedTuple):
    """One report where it stands; compares by day of receipt, id, table and row, which is the replay's order."""

    day: date
    vaers_id: str
    member: str
    row: int
    report: VaersReport
    fault: str

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Its place in the replay, the same whatever other files are given."""
        return (self.day.isoformat(), self.vaers_id, self.member, self.row)


class VaersYear:
    """One triple of tables; days of receipt are read at once, the reports only by `reports`.

    Raises `ConfigurationError` where a table or a column is missing.
    """

    def __init__(self, path: Path, stem: str, members: dict[str, str]) -> None:
        missing = [table for table in _TABLES if table not in members]
        if missing:
            raise ConfigurationError(f"{path.name} holds no VAERS{missing[0]} table", hint="give the zip as published")
        self._path = path
        self._members = members
        self.name = f"{path.name}/{stem}"
        self.size_bytes = path.stat().st_size
        days = [day for row in self._rows("DATA", []) if (day := day_of(row.get("RECVDATE", "")))]
        self.first_day = min(days, default=date.min)
        self.last_day = max(days, default=date.max)

    def names(self) -> tuple[set[str], set[str]]:
        """Product names and coded terms in use, as published, without joining the tables."""
        damage: list[str] = []  # told by `reports`
        return set(drug_names(self._rows("VAX", damage))), set(reaction_terms(self._rows("SYMPTOMS", damage)))

    def reports(self) -> list[ArchivedReport]:
        """All reports in the replay's order.

        What cannot be joined or dated carries a fault and stands at the year's first day: a report whose RECVDATE
        is none, a row with too many or too few cells, rows of VAX or SYMPTOMS without their report, and one entry
        for a table that breaks off.
        """
        damage: list[str] = []
        vaccines = self._by_id("VAX", damage)
        symptoms = self._by_id("SYMPTOMS", damage)
        member = self._members["DATA"]
        found: list[ArchivedReport] = []
        known: set[str] = set()
        for number, cells in enumerate(self._rows("DATA", damage), start=2):
            vaers_id = cells.get("VAERS_ID", "")
            known.add(vaers_id)
            report = VaersReport(cells, vaccines.get(vaers_id, []), symptoms.get(vaers_id, []))
            day = day_of(cells.get("RECVDATE", ""))
            fault = DeadLetterReason.INVALID_STRUCTURE if "" in cells else ""
            fault = fault or ("" if day else DeadLetterReason.INVALID_DATE)
            found.append(ArchivedReport(day or self.first_day, vaers_id, member, number, report, fault))
        for number, vaers_id in enumerate(sorted({*vaccines, *symptoms} - known)):
            report = VaersReport({}, vaccines.get(vaers_id, []), symptoms.get(vaers_id, []))
            found.append(
                ArchivedReport(
                    self.first_day, vaers_id, f"{member} (missing)", number, report, DeadLetterReason.INVALID_STRUCTURE
                )
            )
        for number, table in enumerate(damage):
            found.append(
                ArchivedReport(
                    self.first_day, "", f"{table} (damaged)", number, VaersReport({}), DeadLetterReason.TRUNCATED
                )
            )
        found.sort(key=lambda report: report.key)
        return found

    def _by_id(self, table: str, damage: list[str]) -> dict[str, list[dict[str, str]]]:
        rows: dict[str, list[dict[str, str]]] = {}
        for cells in self._rows(table, damage):
            rows.setdefault(cells.get("VAERS_ID", ""), []).append(cells)
        return rows

    def _rows(self, table: str, damage: list[str]) -> Iterator[dict[str, str]]:
        """Non-empty cells of each row by column; a row of another length has a cell without a column's name."""
        member = self._members[table]
        with zipfile.ZipFile(self._path) as archive, archive.open(member) as raw:
            reader = csv.reader(io.TextIOWrapper(raw, encoding="latin-1", newline=""))
            try:
                header = [column.strip() for column in next(reader, [])]
                missing = [column for column in _REQUIRED[table] if column not in header]
                if missing:
                    raise ConfigurationError(f"{member} in {self._path.name} has no column {missing[0]}")
                width = len(header)
                for row in reader:
                    cells = {column: cell for column, cell in zip(header, row, strict=False) if cell}
                    if len(row) != width:
                        cells[""] = str(len(row))
                    if row:
                        yield cells
            except _DAMAGED:
                damage.append(member)


def years_in(path: Path) -> list[VaersYear]:
    """The triples of tables in a zip archive (the yearly files hold one, the complete one holds all).

    Raises `ConfigurationError` where `path` is no readable zip archive or holds no VAERS tables.
    """
    triples: dict[str, dict[str, str]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                stem = Path(member).name.upper().removesuffix(".CSV")
                for table in _TABLES:
                    if stem.endswith(f"VAERS{table}"):
                        triples.setdefault(stem.removesuffix(table), {})[table] = member
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigurationError(f"{path.name} is no readable zip archive", hint="download it again") from error
    if not triples:
        raise ConfigurationError(f"{path.name} holds no VAERS tables", hint="give the zip as published")
    return [VaersYear(path, stem, members) for stem, members in sorted(triples.items())]
