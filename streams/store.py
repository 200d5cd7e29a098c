"""The state of one partition: one SQLite file whose transactions hold what was done and the input it was done for.

offset       next input of each topic: state and offset move together or not at all
case_index   newest version by case key (intake)
case_log     newest version of each case, in the order they were applied (casebook)
account      privacy wallet by patient pseudonym
operation    wallet operations that have not left yet
part         sealed epoch parts; an operation is in exactly one of `operation` and `part`
letter       dead letters (embedded only; on Kafka they have a topic)
merge_in, merge_out  identities that became one patient (`streams.patient_merge`)
counter, model, meta
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cases import (
    Case,
    CaseVersion,
    ConfigurationError,
    DeadLetter,
    decode_case,
    decode_dead_letter,
    encode_case,
    encode_dead_letter,
)
from privacy.patient_wallet import PatientWallet, decode_wallet, encode_wallet
from streams.case_index import IndexEntry, IndexState
from streams.casebook import BookChanges
from streams.epoch import EpochPart, encode_part, seal
from streams.fenced import FencedError
from streams.sqlite_file import open_sqlite, transaction
from streams.store_schema import SCHEMA, VERSION

__all__ = ["PartitionStore", "Position", "StoreChanges"]

_version_encoder = msgspec.msgpack.Encoder()
_version_decoder = msgspec.msgpack.Decoder(CaseVersion)


@dataclass(frozen=True, slots=True)
class Position:
    """Which input a transaction stands for: of `topic`, from `expected` up to but without `next`."""

    topic: str
    expected: int
    next: int


@dataclass(slots=True)
class StoreChanges:
    """Everything one transaction writes."""

    index: Mapping[str, IndexEntry] = field(default_factory=dict)
    book: BookChanges = field(default_factory=BookChanges)
    letters: Iterable[DeadLetter] = ()
    counters: Mapping[str, int] = field(default_factory=dict)


class PartitionStore:
    """Durable state of one partition.

    Parameters
    ----------
    path
        The file; None keeps it in memory.
    partition
        Number of the partition, bound to the file at its first opening.

    Notes
    -----
    `store_id` is drawn when the file is made. The gate takes parts of a partition from one store per era only: whoever
    loses the file loses the wallets in it, and what was already spent must not be spent again.
    """

    def __init__(self, path: Path | None, *, partition: int = 0) -> None:
        self.partition = partition
        self._db = open_sqlite(path, schema=SCHEMA, version=VERSION)
        with transaction(self._db):
            self.store_id = self._meta("store_id", uuid.uuid4().hex)
            self._edits = self._meta("wallet_edits", "0")
            if (bound := int(self._meta("partition", str(partition)))) != partition:
                raise ConfigurationError(f"{path} belongs to partition {bound}, not {partition}")

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        self._db.close()

    def bind(self, name: str, value: str) -> str:
        """The value bound to a name: `value` at the first call ever, what was bound then later."""
        with transaction(self._db):
            return self._meta(name, value)

    def rebind(self, name: str, value: str) -> None:
        """Bind another value to a name."""
        with transaction(self._db):
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    # -- reading

    def next_offset(self, topic: str) -> int | None:
        """Offset of the first input of `topic` that is not in this state; None where none ever was."""
        row = self._db.execute("SELECT next FROM offset WHERE topic = ?", (topic,)).fetchone()
        return None if row is None else int(row[0])

    def index_entries(self, keys: Iterable[str]) -> dict[str, IndexEntry]:
        """Index entries of those of `keys` that have one."""
        rows = self._db.execute(
            "SELECT key, version, patient, state, digest FROM case_index WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(list(keys)),),
        )
        return {
            key: IndexEntry(_version_decoder.decode(version), patient, IndexState(state), digest)
            for key, version, patient, state, digest in rows
        }

    def cases_of(self, keys: Iterable[str]) -> dict[str, Case]:
        """Newest version of those of `keys` that are in the log, nullified ones too."""
        rows = self._db.execute(
            "SELECT key, body FROM case_log WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(list(keys)),)
        )
        return {key: decode_case(body) for key, body in rows}

    def wallets_of(self, patients: Iterable[str]) -> dict[str, PatientWallet]:
        """Wallets of those of `patients` that have one."""
        rows = self._db.execute(
            "SELECT patient, body FROM account WHERE patient IN (SELECT value FROM json_each(?))",
            (json.dumps(list(patients)),),
        )
        return {patient: decode_wallet(body) for patient, body in rows}

    def open_wallets(self) -> Iterator[PatientWallet]:
        """Wallets of all patients, but for identities that were merged into others."""
        query = "SELECT body FROM account WHERE patient NOT IN (SELECT given_up FROM merge_out)"
        return (decode_wallet(body) for (body,) in self._db.execute(query))

    def merged_count(self) -> int:
        """Identities that were merged into others."""
        (count,) = self._db.execute("SELECT COUNT(*) FROM merge_out").fetchone()
        return int(count)

    def wallet_counts(self) -> tuple[int, int]:
        """Number of wallets, and of those that are spent."""
        wallets, exhausted = self._db.execute("SELECT COUNT(*), TOTAL(is_exhausted) FROM account").fetchone()
        return int(wallets), int(exhausted)

    def live_cases(self) -> Iterator[tuple[int, Case]]:
        """Live cases in the order they were applied, each with the place in the log it was first seen at."""
        for seen, body in self._db.execute("SELECT seen, body FROM case_log WHERE is_live ORDER BY applied"):
            yield seen, decode_case(body)

    def applied(self) -> int:
        """Place of the last change in the case log."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'case_log'").fetchone()
        return 0 if row is None else int(row[0])

    def letters(self) -> Iterator[DeadLetter]:
        """Dead letters kept here, in order."""
        for (body,) in self._db.execute("SELECT body FROM letter ORDER BY id"):
            yield decode_dead_letter(body)

    def counters(self) -> dict[str, int]:
        """All counters."""
        return dict(self._db.execute("SELECT name, value FROM counter"))

    def pending_count(self) -> int:
        """Operations not yet sealed into a part."""
        (count,) = self._db.execute("SELECT COUNT(*) FROM operation").fetchone()
        return int(count)

    # -- writing

    def commit(self, changes: StoreChanges, position: Position) -> None:
        """Write all of `changes` and move the offset, or nothing.

        Raises `FencedError` where the offset is not `position.expected`: another worker has taken over, or this input
        was applied before; and where wallets were edited since this store was opened.
        """
        with transaction(self._db):
            self._move(position)
            self._db.executemany(
                "INSERT OR REPLACE INTO case_index VALUES (?, ?, ?, ?, ?)",
                (
                    (key, _version_encoder.encode(entry.version), entry.patient, entry.state.value, entry.digest)
                    for key, entry in changes.index.items()
                ),
            )
            self._write_book(changes.book)
            self._db.executemany(
                "INSERT INTO letter (body) VALUES (?)", ((encode_dead_letter(letter),) for letter in changes.letters)
            )
            self._db.executemany(
                "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                changes.counters.items(),
            )

    @contextmanager
    def editing_wallets(self) -> Iterator[sqlite3.Connection]:
        """One transaction on the wallets from outside of the fold; a batch prepared before it is fenced, and redone."""
        with transaction(self._db):
            edits = str(int(self._meta("wallet_edits", "0")) + 1)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('wallet_edits', ?)", (edits,))
            yield self._db
        self._edits = edits

    def seal_part(self, *, epoch: int, era: str, protocol_hash: str) -> EpochPart | None:
        """Move all pending operations into the next part, labelled `epoch`; None where there are none."""
        with transaction(self._db):
            operations = self._db.execute("SELECT cell, weight FROM operation").fetchall()
            if not operations:
                return None
            (last,) = self._db.execute("SELECT COALESCE(MAX(sequence), 0) FROM part").fetchone()
            part = seal(
                operations,
                era=era,
                protocol_hash=protocol_hash,
                epoch=epoch,
                partition=self.partition,
                store_id=self.store_id,
                sequence=last + 1,
            )
            self._db.execute("INSERT INTO part VALUES (?, ?, 0)", (part.sequence, encode_part(part)))
            self._db.execute("DELETE FROM operation")
            return part

    def unsent_parts(self) -> list[tuple[int, bytes]]:
        """Sequence and bytes of parts the gate's topic has not acknowledged, in order."""
        return self._db.execute("SELECT sequence, body FROM part WHERE NOT is_sent ORDER BY sequence").fetchall()

    def mark_part_sent(self, sequence: int) -> None:
        """The part is durable elsewhere; its body is let go, its number stays."""
        with transaction(self._db):
            self._db.execute("UPDATE part SET is_sent = 1, body = x'' WHERE sequence = ?", (sequence,))

    def save_model(self, name: str, body: bytes) -> None:
        """Keep a model's snapshot as of the last change in the log."""
        with transaction(self._db):
            self._db.execute("INSERT OR REPLACE INTO model VALUES (?, ?, ?)", (name, self.applied(), body))

    def load_model(self, name: str) -> tuple[int, bytes] | None:
        """Place in the log and snapshot of a model, None where none was kept."""
        row = self._db.execute("SELECT applied, body FROM model WHERE name = ?", (name,)).fetchone()
        return None if row is None else (int(row[0]), row[1])

    # -- within a transaction

    def _meta(self, name: str, default: str) -> str:
        self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, default))
        return str(self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def _move(self, position: Position) -> None:
        if self.next_offset(position.topic) is None:
            self._db.execute("INSERT INTO offset VALUES (?, ?)", (position.topic, position.expected))
        moved = self._db.execute(
            "UPDATE offset SET next = ? WHERE topic = ? AND next = ?",
            (position.next, position.topic, position.expected),
        ).rowcount
        if moved != 1 or self._meta("wallet_edits", "0") != self._edits:
            raise FencedError(position.topic, self.partition)

    def _write_book(self, book: BookChanges) -> None:
        base = self.applied()
        known = dict(
            self._db.execute(
                "SELECT key, seen FROM case_log WHERE key IN (SELECT value FROM json_each(?))",
                (json.dumps(list(book.cases)),),
            )
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO case_log (key, seen, is_live, body) VALUES (?, ?, ?, ?)",
            (
                (key, known.get(key, base + number), not case.is_nullified, encode_case(case))
                for number, (key, case) in enumerate(book.cases.items(), start=1)
            ),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO account VALUES (?, ?, ?)",
            ((patient, patient in book.exhausted, encode_wallet(wallet)) for patient, wallet in book.wallets.items()),
        )
        self._db.executemany("INSERT INTO operation (cell, weight) VALUES (?, ?)", book.operations)
