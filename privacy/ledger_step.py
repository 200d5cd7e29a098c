"""One row of the budget ledger, hashed together with the one before."""

from __future__ import annotations

import hashlib

import msgspec

__all__ = ["CAP_STATE", "GENESIS", "Step", "payload_digest"]

GENESIS = hashlib.sha256(b"kelsey.ledger/1").hexdigest()
"""What the first step is chained to."""

CAP_STATE = "cap"
"""State of a step that changes an era's cap; its `epoch` is the number of the change in its era, from 0."""


def payload_digest(payload: bytes) -> str:
    """SHA-256 of a sealed line, or of an authorisation; 64 hexadecimal digits."""
    return hashlib.sha256(payload).hexdigest()


class Step(msgspec.Struct, frozen=True):
    """One appended row, without its hash; `cost` stands in the reserving step only, `cap` is the era's from here on."""

    number: int
    era: str
    epoch: int
    state: str
    cost: int
    cap: int
    spec_hash: str
    data_hash: str
    payload_hash: str

    def hash_after(self, previous: str) -> str:
        """Hash of the step in a chain whose newest hash is `previous`."""
        return hashlib.sha256(msgspec.json.encode([previous, *msgspec.structs.astuple(self)])).hexdigest()
