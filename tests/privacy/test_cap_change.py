"""A cap changes by two people's signatures or not at all; ledgers of schema version 1 go on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases.errors import IntegrityError
from privacy.cap_change import SignedCapChange
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import BudgetSpentError, ReleaseState
from privacy.ledger_step import CAP_STATE

ERA = "2026"
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)) for name in ("ann", "bo", "cy")}
ALLOWED = {name: KEYS[name].public_key() for name in ("ann", "bo")}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[BudgetLedger]:
    with BudgetLedger(tmp_path / "ledger.sqlite") as opened:
        opened.reserve(ERA, 0, 600, 1000, "spec", "data 0")
        opened.seal(ERA, 0, b"noisy 0")
        yield opened


def signed(ledger: BudgetLedger, cap: int, *people: str) -> SignedCapChange:
    change = SignedCapChange(change=ledger.propose_cap(ERA, cap, reason="decided"))
    for name in people:
        change = change.sign(KEYS[name], party=name)
    return change


def test_two_people_change_what_an_era_may_spend(ledger: BudgetLedger) -> None:
    with pytest.raises(BudgetSpentError):
        ledger.reserve(ERA, 1, 600, 1000, "other spec", "data 1")
    ledger.change_cap(signed(ledger, 1200, "ann", "bo"), allowed=ALLOWED)
    assert ledger.cap(ERA) == 1200
    assert ledger.spent(ERA) == 600
    ledger.mark_sent(ERA, 0)  # under way when the cap changed
    entry = ledger.reserve(ERA, 1, 600, 1000, "other spec", "data 1")  # the protocol's cap is still named
    assert entry.state is ReleaseState.RESERVED
    assert ledger.reserve(ERA, 1, 600, 1000, "other spec", "data 1") == entry
    with pytest.raises(IntegrityError, match="has a cap of 1000"):
        ledger.reserve(ERA, 2, 0, 1200, "spec", "data 2")
    with pytest.raises(BudgetSpentError, match="1200 of 1200"):
        ledger.reserve(ERA, 2, 1, 1000, "spec", "data 2")
    assert [entry.epoch for entry in ledger.entries()] == [0, 1]
    (change,) = ledger.cap_changes(ERA)
    assert [each.party for each in change.signatures] == ["ann", "bo"]
    ledger.change_cap(signed(ledger, 1300, "bo", "ann"), allowed=ALLOWED)
    ledger.verify()
    assert [each.change.number for each in ledger.cap_changes(ERA)] == [0, 1]


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ((), "0 names with 0 keys"),
        (("ann",), "1 names with 1 keys"),
        (("ann", "ann"), "1 names with 1 keys"),
        (("ann", "cy"), "cy may not change a cap"),
    ],
)
def test_fewer_than_two_of_those_who_may_change_nothing(
    ledger: BudgetLedger, people: tuple[str, ...], said: str
) -> None:
    with pytest.raises(IntegrityError, match=said):
        ledger.change_cap(signed(ledger, 1200, *people), allowed=ALLOWED)
    assert ledger.cap(ERA) == 1000


def test_one_key_under_two_names_is_one_person(ledger: BudgetLedger) -> None:
    twice = signed(ledger, 1200, "ann").sign(KEYS["ann"], party="bo")
    with pytest.raises(IntegrityError, match="2 names with 1 keys"):
        ledger.change_cap(twice, allowed={"ann": ALLOWED["ann"], "bo": ALLOWED["ann"]})
    with pytest.raises(IntegrityError, match="bo may not change a cap"):
        ledger.change_cap(twice, allowed=ALLOWED)


def test_a_signature_holds_for_what_was_signed_alone(ledger: BudgetLedger) -> None:
    good = signed(ledger, 1200, "ann", "bo")
    other = msgspec.structs.replace(good, change=msgspec.structs.replace(good.change, new_cap=99_999))
    with pytest.raises(IntegrityError, match="is not one of this change"):
        ledger.change_cap(other, allowed=ALLOWED)
    ledger.change_cap(good, allowed=ALLOWED)
    with pytest.raises(IntegrityError, match="is 1200 already"):
        ledger.change_cap(good, allowed=ALLOWED)
    ledger.change_cap(signed(ledger, 700, "ann", "bo"), allowed=ALLOWED)
    with pytest.raises(IntegrityError, match="another state of this one"):
        ledger.change_cap(good, allowed=ALLOWED)  # again, after it was taken back
    with BudgetLedger(None) as elsewhere:
        elsewhere.reserve(ERA, 0, 600, 1000, "spec", "other data")
        with pytest.raises(IntegrityError, match="another ledger"):
            elsewhere.change_cap(good, allowed=ALLOWED)


def test_nothing_spent_comes_back(ledger: BudgetLedger) -> None:
    with pytest.raises(IntegrityError, match="600 are spent, nothing is refunded"):
        ledger.propose_cap(ERA, 599, reason="decided")
    with pytest.raises(IntegrityError, match="is 1000 already"):
        ledger.propose_cap(ERA, 1000, reason="decided")
    with pytest.raises(IntegrityError, match="has not begun"):
        ledger.propose_cap("2027", 5000, reason="decided")
    ledger.change_cap(signed(ledger, 600, "ann", "bo"), allowed=ALLOWED)


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("UPDATE authorisation SET data = x'7b7d'", "step 3: the authorisation differs from its hash"),
        ("DELETE FROM authorisation", "step 3: the authorisation differs from its hash"),
        ("INSERT INTO authorisation VALUES (9, x'00')", "an authorisation that no step names"),
        ("UPDATE step SET cap = 5000 WHERE number = 3", "step 3: the hash chain is broken"),
    ],
)  # fmt: skip
def test_tampering_with_a_change_is_found(tmp_path: Path, ledger: BudgetLedger, tampering: str, said: str) -> None:
    ledger.change_cap(signed(ledger, 1200, "ann", "bo"), allowed=ALLOWED)
    ledger.close()
    raw = sqlite3.connect(tmp_path / "ledger.sqlite")
    if not tampering.startswith("INSERT"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(tampering)
    for table in ("step", "authorisation"):
        raw.execute(f"DROP TRIGGER {table}_update")
        raw.execute(f"DROP TRIGGER {table}_delete")
    raw.execute(tampering)
    raw.commit()
    raw.close()
    with pytest.raises(IntegrityError, match=said):
        BudgetLedger(tmp_path / "ledger.sqlite", is_read_only=True)


@pytest.mark.parametrize(("cap", "people"), [(5000, ("ann",)), (5000, ()), (1200, ("ann", "bo"))])
def test_a_chain_rewritten_whole_still_needs_two_signatures(
    tmp_path: Path, ledger: BudgetLedger, cap: int, people: tuple[str, ...]
) -> None:
    """Whoever can compute hashes cannot sign: the cap in the step must be the one that two people signed."""
    from privacy.ledger_step import Step, payload_digest

    data = signed(ledger, 1200 if len(people) == 2 else cap, *people).encode()
    head = ledger.verify()
    ledger.close()
    step = Step(3, ERA, 0, CAP_STATE, 0, 5000, "", "", payload_digest(data))
    raw = sqlite3.connect(tmp_path / "ledger.sqlite")
    raw.execute(
        "INSERT INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*msgspec.structs.astuple(step), step.hash_after(head)),
    )
    raw.execute("INSERT INTO authorisation VALUES (3, ?)", (data,))
    raw.commit()
    raw.close()
    with pytest.raises(IntegrityError, match=r"step 3: .*(it needs 2 people|not the one that was signed)"):
        BudgetLedger(tmp_path / "ledger.sqlite")


VERSION_1 = """
CREATE TABLE step (
  number INTEGER PRIMARY KEY CHECK (number >= 1),
  era TEXT NOT NULL, epoch INTEGER NOT NULL CHECK (epoch >= 0),
  state TEXT NOT NULL CHECK (state IN ('reserved', 'sealed', 'sent')),
  cost INTEGER NOT NULL CHECK (cost >= 0), cap INTEGER NOT NULL CHECK (cap >= 0),
  spec_hash TEXT NOT NULL, data_hash TEXT NOT NULL, payload_hash TEXT NOT NULL, hash TEXT NOT NULL,
  UNIQUE (era, epoch, state)) STRICT;
CREATE TABLE payload (
  era TEXT NOT NULL, epoch INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (era, epoch)) STRICT;
CREATE TRIGGER step_update BEFORE UPDATE ON step BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER step_delete BEFORE DELETE ON step BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER payload_update BEFORE UPDATE ON payload BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER payload_delete BEFORE DELETE ON payload BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
PRAGMA user_version = 1;
"""


def test_a_ledger_of_version_1_is_read_as_it_is_and_goes_on(tmp_path: Path, ledger: BudgetLedger) -> None:
    ledger.mark_sent(ERA, 0)
    head, hashes = ledger.verify(), ledger.hashes()
    ledger.close()
    new, old = sqlite3.connect(tmp_path / "ledger.sqlite"), sqlite3.connect(tmp_path / "old.sqlite")
    old.executescript(VERSION_1)
    for table, width in (("step", 10), ("payload", 3)):
        rows = new.execute(f"SELECT * FROM {table}").fetchall()
        old.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)
    old.commit()
    old.close()
    new.close()
    before = (tmp_path / "old.sqlite").read_bytes()
    with BudgetLedger(tmp_path / "old.sqlite", is_read_only=True) as reader:
        assert (reader.verify(), reader.spent(ERA), reader.cap_changes(ERA)) == (head, 600, [])
    assert (tmp_path / "old.sqlite").read_bytes() == before
    with BudgetLedger(tmp_path / "old.sqlite") as writer:
        assert writer.hashes() == hashes
        assert writer.payload(ERA, 0) == b"noisy 0"
        writer.change_cap(signed(writer, 1200, "ann", "bo"), allowed=ALLOWED)
    raw = sqlite3.connect(tmp_path / "old.sqlite")
    for table in ("step", "payload", "authorisation"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(f"DELETE FROM {table}")
    raw.close()
