from __future__ import annotations

import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cases.errors import IntegrityError, KelseyError, ParameterError, ServiceError
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import BudgetSpentError, Published, ReleaseState
from privacy.ledger_step import payload_digest

ERA = "2026"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[BudgetLedger]:
    with BudgetLedger(path) as opened:
        yield opened


def book(ledger: BudgetLedger, epochs: int, *, unsent: int = 0, era: str = ERA) -> None:
    """Release `epochs` epochs, the last `unsent` of them sealed only."""
    for epoch in range(epochs):
        ledger.reserve(era, epoch, 400 if epoch == 0 else 0, 1000, "spec", f"data {epoch}")
        ledger.seal(era, epoch, f"noisy {epoch}".encode())
        if epoch < epochs - unsent:
            ledger.mark_sent(era, epoch)


def test_charge_store_send(ledger: BudgetLedger) -> None:
    assert ledger.reserve(ERA, 0, 400, 1000, "spec", "data").state is ReleaseState.RESERVED
    assert (ledger.waiting(ERA), ledger.payload(ERA, 0)) == ([], None)
    ledger.seal(ERA, 0, b"noisy")
    assert [(sealed.era, sealed.epoch, sealed.payload) for sealed in ledger.pending(ERA)] == [(ERA, 0, b"noisy")]
    ledger.mark_sent(ERA, 0)
    assert list(ledger.pending(ERA)) == []
    entry = ledger.entry(ERA, 0)
    assert entry is not None
    assert (entry.state, entry.cost, entry.cap) == (ReleaseState.SENT, 400, 1000)
    assert entry.payload_hash == payload_digest(b"noisy")
    assert ledger.payload(ERA, 0) == b"noisy"
    assert ledger.entry(ERA, 1) is None
    assert ledger.spent(ERA) == 400


def test_what_waits_is_read_one_by_one(ledger: BudgetLedger) -> None:
    size, epochs = 1 << 20, 8
    book(ledger, 1)
    for epoch in range(1, epochs):
        ledger.reserve(ERA, epoch, 0, 1000, "spec", f"data {epoch}")
        ledger.seal(ERA, epoch, bytes([epoch]) * size)
    book(ledger, 2, unsent=2, era="another")
    assert ledger.waiting(ERA) == list(range(1, epochs))
    found = []
    tracemalloc.start()
    try:
        for sealed in ledger.pending(ERA):
            found.append((sealed.epoch, sealed.payload[0], len(sealed.payload)))
            ledger.mark_sent(ERA, sealed.epoch)
            del sealed
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [(epoch, epoch, size) for epoch in range(1, epochs)]
    assert peak < 3 * size
    assert ledger.waiting(ERA) == []


def test_everything_survives_closing(path: Path) -> None:
    with BudgetLedger(path) as first:
        book(first, 3, unsent=2)
        head, entries = first.verify(), first.entries()
    with BudgetLedger(path) as second:
        assert second.verify() == head
        assert second.entries() == entries
        assert [sealed.epoch for sealed in second.pending(ERA)] == second.waiting(ERA) == [1, 2]


def test_an_era_is_paid_once_and_each_epoch_released_once(ledger: BudgetLedger) -> None:
    book(ledger, 5)
    assert ledger.spent(ERA) == 400
    assert [entry.cost for entry in ledger.entries()] == [400, 0, 0, 0, 0]
    with pytest.raises(IntegrityError, match="cannot be sealed: it is sent"):
        ledger.seal(ERA, 3, b"noisy 3")


def test_reserving_again_gives_the_entry_and_charges_nothing(ledger: BudgetLedger) -> None:
    for cost in (400, 400, 0):  # after a crash the gate sees a spent budget and asks at no cost
        assert ledger.reserve(ERA, 0, cost, 1000, "spec", "data").cost == 400
    ledger.seal(ERA, 0, b"noisy")
    assert ledger.reserve(ERA, 0, 0, 1000, "spec", "data").state is ReleaseState.SEALED
    assert ledger.spent(ERA) == 400


@pytest.mark.parametrize(
    ("spec", "data", "cap"), [("other", "data", 1000), ("spec", "other", 1000), ("spec", "data", 1001)]
)
def test_a_booked_epoch_is_refused_with_anything_else(ledger: BudgetLedger, spec: str, data: str, cap: int) -> None:
    ledger.reserve(ERA, 0, 400, 1000, "spec", "data")
    with pytest.raises(IntegrityError, match="booked with another"):
        ledger.reserve(ERA, 0, 400, cap, spec, data)


def test_the_cap_is_never_passed(ledger: BudgetLedger) -> None:
    with pytest.raises(BudgetSpentError, match="0 of 399"):
        ledger.reserve(ERA, 0, 400, 399, "spec", "data")
    assert ledger.entries() == []
    ledger.reserve(ERA, 0, 400, 1000, "spec", "data")
    ledger.reserve(ERA, 1, 600, 1000, "new spec", "data")
    with pytest.raises(BudgetSpentError) as caught:
        ledger.reserve(ERA, 2, 1, 1000, "newest spec", "data")
    assert not caught.value.retryable
    assert ledger.spent(ERA) == 1000
    ledger.reserve("2027", 0, 1000, 1000, "spec", "data")  # another era has its own budget


def test_no_epoch_is_free_unless_its_spec_was_paid_for(ledger: BudgetLedger) -> None:
    with pytest.raises(IntegrityError, match="not been paid"):
        ledger.reserve(ERA, 0, 0, 1000, "spec", "data")
    ledger.reserve(ERA, 0, 400, 1000, "spec", "data")
    with pytest.raises(IntegrityError, match="not been paid"):
        ledger.reserve(ERA, 1, 0, 1000, "less noise", "data")
    with pytest.raises(IntegrityError, match="not been paid"):
        ledger.reserve("2027", 0, 0, 1000, "spec", "data")


def test_the_cap_of_an_era_is_fixed_and_epochs_come_in_order(ledger: BudgetLedger) -> None:
    ledger.reserve(ERA, 4, 400, 1000, "spec", "data")
    with pytest.raises(IntegrityError, match="cap of 1000"):
        ledger.reserve(ERA, 5, 0, 2000, "spec", "data")
    with pytest.raises(IntegrityError, match="after 3"):
        ledger.reserve(ERA, 3, 0, 1000, "spec", "data")


def test_no_step_can_be_skipped(ledger: BudgetLedger) -> None:
    with pytest.raises(IntegrityError, match="not reserved"):
        ledger.seal(ERA, 0, b"noisy")
    ledger.reserve(ERA, 0, 400, 1000, "spec", "data")
    with pytest.raises(IntegrityError, match="cannot be sent: it is reserved"):
        ledger.mark_sent(ERA, 0)
    ledger.seal(ERA, 0, b"noisy")
    for payload in (b"noisy", b"noisy, drawn again"):
        with pytest.raises(IntegrityError, match="cannot be sealed: it is sealed"):
            ledger.seal(ERA, 0, payload)
    assert ledger.payload(ERA, 0) == b"noisy"
    ledger.mark_sent(ERA, 0)
    ledger.mark_sent(ERA, 0)  # an acknowledgement may come twice
    assert len(ledger.entries()) == 1


def test_negative_numbers_are_refused(ledger: BudgetLedger) -> None:
    for epoch, cost, cap in ((-1, 1, 1), (0, -1, 1), (0, 1, -1)):
        with pytest.raises(ParameterError):
            ledger.reserve(ERA, epoch, cost, cap, "spec", "data")


def test_a_failed_call_leaves_the_ledger_as_it_was(ledger: BudgetLedger) -> None:
    book(ledger, 2)
    head = ledger.verify()
    for call in (
        lambda: ledger.reserve(ERA, 0, 0, 1000, "spec", "other"),
        lambda: ledger.seal(ERA, 0, b"other"),
        lambda: ledger.mark_sent(ERA, 9),
    ):
        with pytest.raises(IntegrityError):
            call()
        assert ledger.verify() == head
    ledger.reserve(ERA, 2, 0, 1000, "spec", "data 2")


def test_one_process_at_a_time(path: Path) -> None:
    with BudgetLedger(path) as ledger:
        book(ledger, 1)
        with pytest.raises(ServiceError, match="another process") as caught:
            BudgetLedger(path)
        assert caught.value.retryable
        program = f"from privacy.ledger import BudgetLedger; BudgetLedger({str(path)!r})"
        other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert "another process has the ledger open" in other.stderr
        with BudgetLedger(path, is_read_only=True) as reader:  # a status command may look meanwhile
            assert reader.spent(ERA) == 400
            for call in (
                lambda: reader.reserve(ERA, 1, 0, 1000, "spec", "data"),
                lambda: reader.seal(ERA, 0, b""),
                lambda: reader.mark_sent(ERA, 0),
            ):
                with pytest.raises(IntegrityError, match="reading only"):
                    call()
    BudgetLedger(path).close()


def test_a_ledger_from_an_older_backup_writes_nothing(path: Path) -> None:
    with BudgetLedger(path) as ledger:
        book(ledger, 1)
    backup = path.read_bytes()
    with BudgetLedger(path) as ledger:
        ledger.reserve(ERA, 1, 0, 1000, "spec", "data 1")
        ledger.seal(ERA, 1, b"noisy 1")
        ledger.mark_sent(ERA, 1)
    published = Published(ERA, 1, payload_digest(b"noisy 1"))
    with BudgetLedger(path, last_published=published) as ledger:
        ledger.reserve(ERA, 2, 0, 1000, "spec", "data 2")
    path.write_bytes(backup)
    with BudgetLedger(path, last_published=published) as ledger:
        assert ledger.spent(ERA) == 400  # reading is possible
        with pytest.raises(IntegrityError, match="older backup"):
            ledger.reserve(ERA, 1, 0, 1000, "spec", "data 1")
    with (
        BudgetLedger(path, last_published=Published(ERA, 0, "0" * 64)) as ledger,
        pytest.raises(IntegrityError, match="older backup"),
    ):
        ledger.reserve(ERA, 1, 0, 1000, "spec", "data 1")


TAMPERINGS = [
    "UPDATE step SET cost = 1 WHERE number = 1",
    "UPDATE step SET cap = 9999",
    "UPDATE step SET data_hash = 'other' WHERE number = 4",
    "UPDATE step SET epoch = 7 WHERE epoch = 2",
    "UPDATE step SET hash = lower(hex(zeroblob(32))) WHERE number = 3",
    "DELETE FROM step WHERE number = 5",
    "DELETE FROM step WHERE state = 'sent'",
    "DELETE FROM step WHERE number = 8",  # the end of the chain, with its payload left behind
    "UPDATE payload SET data = x'00' WHERE epoch = 1",
    "DELETE FROM payload WHERE epoch = 0",
    "INSERT INTO payload VALUES ('2026', 9, x'00')",
    "INSERT INTO step SELECT 9, era, 3, 'reserved', 0, cap, spec_hash, data_hash, '', hash FROM step WHERE number = 8",
]


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_tampering_is_refused_by_the_file_and_found_by_verify(path: Path, tampering: str) -> None:
    with BudgetLedger(path) as ledger:
        book(ledger, 3, unsent=1)
        assert len(ledger.entries()) == 3
    raw = sqlite3.connect(path, isolation_level=None)
    try:
        if not tampering.startswith("INSERT"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(tampering)
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        assert raw.execute(tampering).rowcount > 0
    finally:
        raw.close()
    with pytest.raises(IntegrityError):
        BudgetLedger(path)


def test_a_change_behind_an_open_ledger_stops_it(path: Path) -> None:
    with BudgetLedger(path) as ledger:
        book(ledger, 1)
        raw = sqlite3.connect(path, isolation_level=None)
        raw.execute(
            "INSERT INTO step SELECT 4, era, 1, 'reserved', 0, cap, spec_hash, data_hash, '', hash FROM step LIMIT 1"
        )
        raw.close()
        with pytest.raises(IntegrityError, match="changed by something else"):
            ledger.reserve(ERA, 2, 0, 1000, "spec", "data")
        with pytest.raises(IntegrityError, match="step 4"):
            ledger.verify()


def test_files_that_are_no_ledger_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database" * 100)
    with pytest.raises(IntegrityError, match="damaged"):
        BudgetLedger(tmp_path / "text")
    raw = sqlite3.connect(tmp_path / "newer")
    raw.execute("PRAGMA user_version = 3")
    raw.close()
    with pytest.raises(IntegrityError, match="schema version 3"):
        BudgetLedger(tmp_path / "newer")
    with pytest.raises(ServiceError, match="cannot be"):
        BudgetLedger(tmp_path / "missing" / "ledger")
    with pytest.raises(ServiceError, match="cannot be used"):
        BudgetLedger(tmp_path / "absent", is_read_only=True)


def test_files_are_for_the_owner_alone(path: Path, ledger: BudgetLedger) -> None:
    book(ledger, 1)
    assert path.stat().st_mode & 0o077 == 0
    assert path.with_name(path.name + ".lock").stat().st_mode & 0o077 == 0


class Machine(RuleBasedStateMachine):
    """Any order of calls, closings included: budgets only grow, stay under the cap, and bytes never change."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = BudgetLedger(None)
        self.payloads: dict[tuple[str, int], bytes] = {}
        self.states: dict[tuple[str, int], list[ReleaseState]] = {}
        self.spent = {"a": 0, "b": 0}

    @initialize()
    def pay(self) -> None:
        self.attempt(lambda: self.ledger.reserve("a", 0, 300, 1000, "spec", "data"))

    def attempt(self, call: Callable[[], object]) -> None:
        with suppress(KelseyError):
            call()

    keys = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 4))

    @rule(
        key=keys, cost=st.sampled_from([0, 300, 500]), spec=st.sampled_from(["spec", "other"]), data=st.integers(0, 1)
    )
    def reserve(self, key: tuple[str, int], cost: int, spec: str, data: int) -> None:
        self.attempt(lambda: self.ledger.reserve(*key, cost, 1000, spec, f"data {data}"))

    @rule(key=keys, payload=st.binary(max_size=3))
    def seal(self, key: tuple[str, int], payload: bytes) -> None:
        self.attempt(lambda: self.ledger.seal(*key, payload))

    @rule(key=keys)
    def send(self, key: tuple[str, int]) -> None:
        self.attempt(lambda: self.ledger.mark_sent(*key))

    @invariant()
    def holds(self) -> None:
        self.ledger.verify()
        for entry in self.ledger.entries():
            key = (entry.era, entry.epoch)
            history = self.states.setdefault(key, [])
            if not history or history[-1] is not entry.state:
                history.append(entry.state)
            assert history == list(ReleaseState)[: len(history)]
            payload = self.ledger.payload(*key)
            assert (payload is None) == (entry.state is ReleaseState.RESERVED)
            if payload is not None:
                assert self.payloads.setdefault(key, payload) == payload
        for era, before in self.spent.items():
            assert before <= self.ledger.spent(era) <= 1000
            self.spent[era] = self.ledger.spent(era)
        waiting = {
            (sealed.era, sealed.epoch): sealed.payload
            for era in {era for era, _ in self.states}
            for sealed in self.ledger.pending(era)
        }
        assert waiting == {
            key: self.payloads[key] for key, history in self.states.items() if history[-1] is ReleaseState.SEALED
        }

    def teardown(self) -> None:
        self.ledger.close()


TestLedgerMachine = Machine.TestCase
TestLedgerMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
