"""A patient index merged two identities: their wallets become one, each step durable, the whole repeatable.

    hold     the surviving wallet pays nothing any more        (its store)
    close    the other one is closed, kept as it was           (its store, which may be another)
    absorb   the surviving wallet is what both were together   (its store)

A crash in between leaves both without anything to pay with (R5); the same call again completes the merge. Workers may
run meanwhile: a batch they prepared before a step is redone.
"""

from __future__ import annotations

import sqlite3

from cases import ConfigurationError
from privacy.patient_wallet import PatientWallet, decode_wallet, encode_wallet
from privacy.wallet import WalletPolicy
from privacy.wallet_merge import closed_wallet, held_wallet, merged_wallet
from streams.store import PartitionStore

__all__ = ["merge_patients"]


def merge_patients(
    *, given_up: str, kept: str, given_up_store: PartitionStore, kept_store: PartitionStore, policy: WalletPolicy
) -> bool:
    """Merge the wallet of pseudonym `given_up` into that of `kept`; False where that was done before.

    Parameters
    ----------
    given_up_store, kept_store
        Stores that hold the two; one and the same object where it is one store.

    Raises
    ------
    ConfigurationError
        Both are one identity, `given_up` was merged into another, or `kept` was itself given up before.
    """
    if given_up == kept:
        raise ConfigurationError("both identities are one")
    _check(given_up_store, kept_store, given_up, kept)
    with kept_store.editing_wallets() as database:
        found = database.execute("SELECT is_done FROM merge_in WHERE given_up = ?", (given_up,)).fetchone()
        if found is not None and found[0]:
            return False
        if found is None:
            wallet = _wallet(kept_store, kept)
            database.execute("INSERT INTO merge_in VALUES (?, ?, ?, 0)", (given_up, kept, encode_wallet(wallet)))
            _write(database, kept, closed_wallet(wallet, policy), policy)
    absorbed = _close(given_up_store, given_up, kept, policy)
    with kept_store.editing_wallets() as database:
        (body,) = database.execute("SELECT body FROM merge_in WHERE given_up = ?", (given_up,)).fetchone()
        held = held_wallet(decode_wallet(body), _wallet(kept_store, kept))
        _write(database, kept, merged_wallet(held, absorbed), policy)
        database.execute("UPDATE merge_in SET is_done = 1 WHERE given_up = ?", (given_up,))
    return True


def _check(given_up_store: PartitionStore, kept_store: PartitionStore, given_up: str, kept: str) -> None:
    """Raise before anything is written; what is checked is never undone later."""
    with given_up_store.editing_wallets() as database:
        row = database.execute("SELECT kept FROM merge_out WHERE given_up = ?", (given_up,)).fetchone()
        if row is not None and row[0] != kept:
            raise ConfigurationError("the identity was merged into another one before")
        _require_settled(database, given_up, given_up)
    with kept_store.editing_wallets() as database:
        if database.execute("SELECT 1 FROM merge_out WHERE given_up = ?", (kept,)).fetchone():
            raise ConfigurationError(
                "the surviving identity was itself given up before", hint="name the one that survives in the end"
            )
        _require_settled(database, kept, given_up)


def _require_settled(database: sqlite3.Connection, patient: str, given_up: str) -> None:
    """While another merge into `patient` is under way its wallet says less than the truth."""
    query = "SELECT 1 FROM merge_in WHERE kept = ? AND given_up != ? AND NOT is_done"
    if database.execute(query, (patient, given_up)).fetchone():
        raise ConfigurationError("another merge of this patient was interrupted", hint="run the file it stood in again")


def _close(store: PartitionStore, given_up: str, kept: str, policy: WalletPolicy) -> PatientWallet:
    with store.editing_wallets() as database:
        row = database.execute("SELECT body FROM merge_out WHERE given_up = ?", (given_up,)).fetchone()
        if row is not None:
            return decode_wallet(row[0])
        wallet = _wallet(store, given_up)
        database.execute("INSERT INTO merge_out VALUES (?, ?, ?)", (given_up, kept, encode_wallet(wallet)))
        _write(database, given_up, closed_wallet(wallet, policy), policy)
        return wallet


def _wallet(store: PartitionStore, patient: str) -> PatientWallet:
    return store.wallets_of([patient]).get(patient, PatientWallet())


def _write(database: sqlite3.Connection, patient: str, wallet: PatientWallet, policy: WalletPolicy) -> None:
    database.execute(
        "INSERT OR REPLACE INTO account VALUES (?, ?, ?)",
        (patient, wallet.is_exhausted(policy), encode_wallet(wallet)),
    )
