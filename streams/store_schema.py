"""Tables of a partition's store (`streams.store`)."""

from __future__ import annotations

__all__ = ["SCHEMA", "VERSION"]

VERSION = 2  # 1 had wallets without accounts of drugs and reactions
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE offset (topic TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE case_index (key TEXT PRIMARY KEY, version BLOB NOT NULL, patient TEXT NOT NULL, state TEXT NOT NULL,
                         digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE case_log (applied INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, seen INTEGER NOT NULL,
                       is_live INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE account (patient TEXT PRIMARY KEY, is_exhausted INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX exhausted_account ON account (patient) WHERE is_exhausted;
CREATE TABLE operation (id INTEGER PRIMARY KEY AUTOINCREMENT, cell INTEGER NOT NULL, weight INTEGER NOT NULL);
CREATE TABLE part (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL, is_sent INTEGER NOT NULL);
CREATE TABLE letter (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE model (name TEXT PRIMARY KEY, applied INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE merge_in (given_up TEXT PRIMARY KEY, kept TEXT NOT NULL, body BLOB NOT NULL,
                       is_done INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE merge_out (given_up TEXT PRIMARY KEY, kept TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID
"""
