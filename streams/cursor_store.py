"""How far each source was read, durably; and what was read of it, so that the site's tally adds up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streams.sqlite_file import open_sqlite, transaction

__all__ = ["CursorStore"]

_SCHEMA = """
CREATE TABLE cursor (source TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID
"""


class CursorStore:
    """Cursors by source.

    Parameters
    ----------
    path
        The file; None keeps it in memory. For one thread; another opens the file itself.
    """

    def __init__(self, path: Path | None) -> None:
        self._db = open_sqlite(path, schema=_SCHEMA, version=1)

    def get(self, source: str) -> str | None:
        """Where the source was read to; None before the first time."""
        row = self._db.execute("SELECT value FROM cursor WHERE source = ?", (source,)).fetchone()
        return None if row is None else str(row[0])

    def advance(self, source: str, cursor: str, counters: Mapping[str, int]) -> None:
        """Keep the cursor, and add to the counters, in one transaction; call it when the records are durable."""
        with transaction(self._db):
            self._db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (source, cursor))
            self._db.executemany(
                "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                counters.items(),
            )

    def counters(self) -> dict[str, int]:
        """What was passed over, as counters of the tally."""
        return dict(self._db.execute("SELECT name, value FROM counter"))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
