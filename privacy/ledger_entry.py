"""What the budget ledger says, as values."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from cases.errors import IntegrityError

__all__ = ["BudgetSpentError", "LedgerEntry", "Published", "ReleaseState", "SealedRelease"]


class ReleaseState(StrEnum):
    """How far the release of an epoch has come."""

    RESERVED = "reserved"
    SEALED = "sealed"
    SENT = "sent"


class BudgetSpentError(IntegrityError):
    """A release would cost more than the era's budget has left. The gate stops and says so."""

    code = "budget-spent"


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch in the ledger.

    Parameters
    ----------
    cost, cap
        Millionths of mu squared: what the epoch was charged, and what its era may spend.
    spec_hash, data_hash
        What was going to be released when it was charged.
    payload_hash
        SHA-256 of the sealed bytes; "" until sealed.
    """

    era: str
    epoch: int
    state: ReleaseState
    cost: int
    cap: int
    spec_hash: str
    data_hash: str
    payload_hash: str


class SealedRelease(msgspec.Struct, frozen=True):
    """The bytes of one epoch that wait to be sent, again and again until they are acknowledged."""

    era: str
    epoch: int
    payload: bytes


class Published(msgspec.Struct, frozen=True):
    """A release the world is known to have, learned from outside of the ledger's own disk (the hub's status).

    `payload_hash` is the SHA-256 of its line, 64 hexadecimal digits.
    """

    era: str
    epoch: int
    payload_hash: str
