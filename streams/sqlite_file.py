"""How every SQLite file of a site is opened: durable on disk, one writer at a time, versioned, never pickled."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cases import IntegrityError

__all__ = ["open_sqlite", "transaction"]

_BUSY_SECONDS = 30.0


def open_sqlite(path: Path | None, *, schema: str, version: int) -> sqlite3.Connection:
    """A connection to the file, made with `schema` where it is new; None is in memory.

    On disk it writes ahead and every commit reaches the medium (``synchronous=FULL``): these files hold spent privacy
    budget, which a power cut must not give back. Raises `IntegrityError` for a file of another schema version.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        ":memory:" if path is None else path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-16384")  # KiB
    with transaction(connection):
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0:
            for statement in schema.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={version:d}")
        elif found != version:
            raise IntegrityError(
                f"{path} has schema version {found}, this program reads {version}",
                hint="run the version of Kelsey that wrote it, or move the file away to rebuild it (docs/streams.md)",
            )
    if path is not None:
        path.chmod(0o600)
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing; takes the write lock at once, so that what the block reads stays true."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
