"""The file under the budget ledger: an append-only SQLite table of steps, each hashed together with the one before."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from cases.errors import IntegrityError, KelseyError, ServiceError
from privacy.ledger_check import check_steps
from privacy.ledger_entry import ReleaseState
from privacy.ledger_schema import SCHEMA, UPGRADE, VERSION
from privacy.ledger_step import CAP_STATE, GENESIS, Step

__all__ = ["LedgerFile"]


class LedgerFile:
    """Steps and payloads on disk: durable before a write returns, written by one process, checked when opened.

    Parameters
    ----------
    path
        The file, made where missing; None for memory. Its lock is ``<path>.lock``.
    is_read_only
        Take no lock and refuse writes.
    """

    def __init__(self, path: Path | None, *, is_read_only: bool) -> None:
        self._guard = threading.RLock()
        self._lock = None if path is None or is_read_only else _lock(path)
        try:
            self._connection = _connect(path, is_read_only=is_read_only)
            try:
                self._version = self._connection.execute("PRAGMA user_version").fetchone()[0]
                self.head = self.check()
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.DatabaseError as error:
            self._unlock()
            raise _translated(error) from error
        except BaseException:
            self._unlock()
            raise

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One durable transaction: all of it or nothing. SQLite's errors become `ServiceError`."""
        with self._guard:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                head = self.head
                try:
                    yield
                    self._connection.execute("COMMIT")
                except BaseException:
                    self.head = head
                    with suppress(sqlite3.Error):  # where SQLite rolled back itself
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.DatabaseError as error:
                raise ServiceError(
                    f"the ledger cannot be written: {error}", hint="check disk space and rights"
                ) from error

    def append(self, step: Step) -> None:
        """Add a step after the newest; raises `IntegrityError` if the file changed behind the ledger's back."""
        row = self._connection.execute("SELECT number, hash FROM step ORDER BY number DESC LIMIT 1").fetchone()
        if (row or (0, GENESIS)) != (step.number - 1, self.head):
            raise IntegrityError("the ledger was changed by something else while open")
        self.head = step.hash_after(self.head)
        self._connection.execute(
            "INSERT INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*msgspec.structs.astuple(step), self.head)
        )

    def add_payload(self, era: str, epoch: int, payload: bytes) -> None:
        """Store the bytes of an epoch."""
        self._connection.execute("INSERT INTO payload VALUES (?, ?, ?)", (era, epoch, payload))

    def add_authorisation(self, number: int, data: bytes) -> None:
        """Store the signed change that the step of this number makes."""
        self._connection.execute("INSERT INTO authorisation VALUES (?, ?)", (number, data))

    def authorisation(self, number: int) -> bytes | None:
        """Stored change of a cap, by the number of its step."""
        with self._guard:
            row = self._connection.execute("SELECT data FROM authorisation WHERE number = ?", (number,)).fetchone()
        return None if row is None else bytes(row[0])

    def steps(self, era: str | None = None) -> list[Step]:
        """All steps, or those of one era, oldest first."""
        return [step for step, _ in self.hashed_steps() if era is None or step.era == era]

    def payload(self, era: str, epoch: int) -> bytes | None:
        """Stored bytes of an epoch."""
        with self._guard:
            row = self._connection.execute(
                "SELECT data FROM payload WHERE era = ? AND epoch = ?", (era, epoch)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def check(self) -> str:
        """Recompute everything; returns the newest hash. Raises `IntegrityError`, naming the step that is wrong."""
        rows = self.hashed_steps()
        head = check_steps(rows, payload=self.payload, authorisation=self.authorisation)
        sealed = sum(step.state == ReleaseState.SEALED for step, _ in rows)
        changes = sum(step.state == CAP_STATE for step, _ in rows)
        with self._guard:
            (payloads,) = self._connection.execute("SELECT count(*) FROM payload").fetchone()
            (signed,) = (
                self._connection.execute("SELECT count(*) FROM authorisation").fetchone() if self._version > 1 else (0,)
            )
        if payloads != sealed:
            raise IntegrityError("the ledger holds bytes that no step sealed")
        if signed != changes:
            raise IntegrityError("the ledger holds an authorisation that no step names")
        return head

    def close(self) -> None:
        """Close the file and let another process open it."""
        with self._guard:
            self._connection.close()
            self._unlock()

    def hashed_steps(self) -> list[tuple[Step, str]]:
        """All steps with their hashes, oldest first."""
        with self._guard:
            rows = self._connection.execute("SELECT * FROM step ORDER BY number").fetchall()
        return [(Step(*row[:-1]), row[-1]) for row in rows]

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _translated(error: sqlite3.DatabaseError) -> KelseyError:
    """A busy or full disk may get better; a file that is not a ledger does not."""
    if isinstance(error, sqlite3.OperationalError):
        return ServiceError(f"the ledger cannot be used: {error}", hint="check the disk's space and the file's rights")
    return IntegrityError(f"the ledger is damaged: {error}", hint="restore it and reconcile it with the hub")


def _lock(path: Path) -> int:
    """Hold ``<path>.lock`` until closed or until the process ends, however it ends."""
    try:
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServiceError(f"the ledger cannot be opened: {error.strerror}", hint=f"check {path.parent}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ServiceError(
            "another process has the ledger open",
            hint="one gate or aggregator may run on it; stop the other or wait for it",
        ) from error
    return handle


def _connect(path: Path | None, *, is_read_only: bool) -> sqlite3.Connection:
    if path is None:
        target = ":memory:"
    else:
        if not is_read_only:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        target = f"{path.absolute().as_uri()}?mode={'ro' if is_read_only else 'rw'}"
    connection = sqlite3.connect(target, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        # EXTRA: like FULL, and the removal of the journal is durable too, so a commit that returned stays.
        connection.execute("PRAGMA synchronous = EXTRA")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and is_read_only:
            raise IntegrityError("the file is no ledger, or one in which nothing was ever booked")
        if version not in (0, 1, VERSION):
            raise IntegrityError(f"the ledger has schema version {version}, this program knows 1 to {VERSION}")
        if version != VERSION and not is_read_only:
            connection.executescript(UPGRADE if version else SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
