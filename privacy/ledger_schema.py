"""Tables of the ledger's file, by schema version. Version 2 knows changes of a cap; version 1 is read as it is."""

from __future__ import annotations

__all__ = ["SCHEMA", "UPGRADE", "VERSION"]

VERSION = 2

_STEP = """
CREATE TABLE step (
  number INTEGER PRIMARY KEY CHECK (number >= 1),
  era TEXT NOT NULL, epoch INTEGER NOT NULL CHECK (epoch >= 0),
  state TEXT NOT NULL CHECK (state IN ('reserved', 'sealed', 'sent', 'cap')),
  cost INTEGER NOT NULL CHECK (cost >= 0), cap INTEGER NOT NULL CHECK (cap >= 0),
  spec_hash TEXT NOT NULL, data_hash TEXT NOT NULL, payload_hash TEXT NOT NULL, hash TEXT NOT NULL,
  UNIQUE (era, epoch, state)) STRICT;
"""
_PAYLOAD = """
CREATE TABLE payload (
  era TEXT NOT NULL, epoch INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (era, epoch)) STRICT;
"""
_AUTHORISATION = "CREATE TABLE authorisation (number INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;\n"


def _append_only(*tables: str) -> str:
    return "".join(
        f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;\n"
        for table in tables
        for verb in ("UPDATE", "DELETE")
    )


_BEGIN, _COMMIT = "BEGIN IMMEDIATE;\n", f"PRAGMA user_version = {VERSION};\nCOMMIT;\n"

SCHEMA = _BEGIN + _STEP + _PAYLOAD + _AUTHORISATION + _append_only("step", "payload", "authorisation") + _COMMIT
"""Makes a new file."""

UPGRADE = "".join(
    (
        _BEGIN,
        "ALTER TABLE step RENAME TO step_1;",
        _STEP,
        "INSERT INTO step SELECT * FROM step_1 ORDER BY number;\nDROP TABLE step_1;\n",
        _AUTHORISATION,
        _append_only("step", "authorisation"),
        _COMMIT,
    )
)
"""From version 1, when it is opened for writing: the same rows under the same hashes."""
