"""The gate under secure sum: shared once, sent as sealed, and what no sum has goes with the next, once."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cases import IntegrityError, ServiceError
from privacy.audit import SecureSumPath
from privacy.epoch_vector import EpochVector
from privacy.ledger import BudgetLedger
from privacy.release import TABLES, table_lengths
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import Acceptance, AcceptedSet, Role, join_shares, open_share, sharing_of, unpack_sharing
from streams.envelope import SealedSharing
from streams.epoch import EpochPart, seal
from streams.gate import Gate
from streams.gate_store import GateStore
from streams.testing import InMemorySink
from tests.streams.make import SIGNING_KEY, protocol

UNDER = msgspec.structs.replace(protocol(epochs=6), trust_mode="secure-sum", minimum_cohort=4, honest_fraction=0.75)


class Crash(Exception):
    """The process ended here."""


class Agreed:
    """Accepted sets as the aggregators would give them, made by hand."""

    def __init__(self) -> None:
        self.sets: dict[int, AcceptedSet] = {}
        self.reminded: list[AcceptedSet] = []

    def acceptance(self, epoch: int, /) -> Acceptance | None:
        accepted = self.sets.get(epoch)
        return None if accepted is None else Acceptance(accepted=accepted, leader=bytes(64), helper=bytes(64))

    def remind(self, agreed: Acceptance, /) -> None:
        self.reminded.append(agreed.accepted)

    def agree(self, epoch: int, *members: tuple[str, str]) -> None:
        self.sets[epoch] = AcceptedSet(
            protocol_hash=UNDER.hash, era=UNDER.era, epoch=epoch, members=tuple(sorted(members)), is_opened=True
        )


def part(sequence: int, *operations: tuple[int, int], epoch: int) -> EpochPart:
    return seal(
        operations, era=UNDER.era, protocol_hash=UNDER.hash, epoch=epoch, partition=0, store_id="one", sequence=sequence
    )


def gate_in(directory: Path | None, *, seed: int = 1, reached: Callable[[str], None] | None = None) -> Gate:
    return Gate(
        site_id="alpha",
        protocol=UNDER,
        signing_key=SIGNING_KEY,
        store=GateStore(directory / "gate.sqlite" if directory else None),
        ledger=BudgetLedger(directory / "ledger.sqlite" if directory else None),
        random_bytes=random.Random(seed).randbytes,
        **({"reached": reached} if reached else {}),
    )


def content_of(payload: bytes) -> dict[int, int]:
    """The increment by cell that both messages together hold."""
    return {cell: int(value) for cell, value in enumerate(opened(payload)[0]) if value}


def opened(payload: bytes) -> tuple[np.ndarray, np.ndarray]:
    messages = unpack_sharing(payload)
    shares = [
        open_share(messages[role], public_key=SIGNING_KEY.public_key(), protocol=UNDER, role=role) for role in Role
    ]
    return join_shares(shares[0].content, shares[1].content), join_shares(shares[0].noise, shares[1].noise)


def own_sharing(payload: bytes) -> str:
    return sharing_of(unpack_sharing(payload)[Role.LEADER])


def released(gate: Gate, epoch: int) -> bytes:
    payload = gate.release(epoch)
    assert payload is not None
    return payload


def test_both_messages_together_hold_the_increment_and_a_site_s_part_of_the_noise() -> None:
    gate = gate_in(None)
    gate.take([part(1, (0, 256), (5, -77), epoch=0)])
    first = released(gate, 0)
    gate.take([part(2, (3, 9), epoch=1)])
    second = released(gate, 1)
    assert content_of(first) == {0: 256, 5: -77}
    assert content_of(second) == {3: 9}  # its own increment alone: encoding is the aggregators'
    assert released(gate, 0) == first
    spec, cohort = ReleaseSpec.of(UNDER), UNDER.cohort
    assert cohort is not None
    ratios = []
    for epoch in range(2, 6):
        noise = opened(released(gate, epoch))[1]
        ends = np.cumsum([table_lengths(UNDER)[name] for name in TABLES])
        for name, values in zip(TABLES, np.split(noise, ends[:-1]), strict=True):
            ratios.append(values / cohort.site_sigma(spec.tables[name].sigma))
    every = np.concatenate(ratios)
    assert abs(every.std() - 1) < 4 / np.sqrt(2 * every.size)


def test_what_leaves_is_opened_first_and_sent_until_it_is_there() -> None:
    gate, sink = gate_in(None), InMemorySink()
    gate.take([part(1, (0, 256), epoch=0)])
    payload = released(gate, 0)
    assert (gate.deliver(sink), sink.lines) == (1, [payload])
    assert gate.deliver(sink) == 0


def test_an_epoch_that_went_on_without_the_site_goes_with_the_next_once() -> None:
    gate, agreed = gate_in(None), Agreed()
    gate.take([part(1, (0, 256), epoch=0)])
    released(gate, 0)
    assert gate.settle(agreed) == 0
    agreed.agree(0, ("beta", "0" * 64))
    assert (gate.settle(agreed), gate.settle(agreed)) == (1, 0)
    gate.take([part(2, (0, -256), (1, 50), epoch=1)])
    second = released(gate, 1)
    assert content_of(second) == {1: 50}  # carried over and taken back in one
    agreed.agree(1, ("alpha", own_sharing(second)))
    assert gate.settle(agreed) == 1
    assert content_of(released(gate, 2)) == {}


def test_what_is_carried_over_twice_still_counts_once() -> None:
    gate, agreed = gate_in(None), Agreed()
    gate.take([part(1, (0, 256), epoch=0)])
    released(gate, 0)
    for epoch in (0, 1, 2):
        agreed.agree(epoch, ("beta", "0" * 64))
        gate.settle(agreed)
        assert content_of(released(gate, epoch + 1)) == {0: 256}
    agreed.agree(3, ("alpha", own_sharing(released(gate, 3))))
    gate.settle(agreed)
    assert content_of(released(gate, 4)) == {}


def test_what_was_carried_over_is_not_sent_again_and_what_was_settled_is_shown() -> None:
    gate, agreed, sink = gate_in(None), Agreed(), InMemorySink()
    gate.take([part(1, (0, 256), epoch=0)])
    released(gate, 0)
    agreed.agree(0, ("beta", "0" * 64))
    gate.settle(agreed)
    lines = [released(gate, epoch) for epoch in (1, 2)]
    agreed.agree(1, ("alpha", own_sharing(lines[0])))
    gate.settle(agreed)
    assert gate.send_again(sink, agreed) == 2
    assert sink.lines == lines  # the first of them is in a sum, of the second nobody has spoken yet
    assert agreed.reminded == [agreed.sets[0], agreed.sets[1]]


def test_an_epoch_that_is_not_agreed_on_is_never_carried_over() -> None:
    gate, agreed = gate_in(None), Agreed()
    gate.take([part(1, (0, 256), epoch=0)])
    released(gate, 0)
    agreed.agree(1, ("beta", "0" * 64))  # epoch 0 is still open: they are settled in order
    released(gate, 1)
    assert gate.settle(agreed) == 0
    assert content_of(released(gate, 2)) == {}


@pytest.mark.parametrize("other", [{"era": "2025"}, {"protocol_hash": "0" * 64}, {"epoch": 1}])
def test_a_set_of_another_era_proves_no_absence(other: dict[str, Any]) -> None:
    gate, agreed = gate_in(None), Agreed()
    gate.take([part(1, (0, 256), epoch=0)])
    released(gate, 0)
    agreed.agree(0, ("beta", "0" * 64))
    agreed.sets[0] = msgspec.structs.replace(agreed.sets[0], **other)
    with pytest.raises(ServiceError, match="another protocol, era or epoch"):
        gate.settle(agreed)
    assert content_of(released(gate, 1)) == {}


def test_shares_that_the_ledger_does_not_know_stop_the_gate() -> None:
    gate, agreed = gate_in(None), Agreed()
    released(gate, 0)
    agreed.agree(0, ("alpha", "f" * 64))
    with pytest.raises(IntegrityError, match="does not know"):
        gate.settle(agreed)


@pytest.mark.parametrize("step", ["closed", "reserved", "drawn", "sealed"])
def test_a_crash_between_neither_loses_nor_doubles_what_is_carried_over(tmp_path: Path, step: str) -> None:
    agreed = Agreed()
    gate = gate_in(tmp_path)
    gate.take([part(1, (0, 256), epoch=0)])
    released(gate, 0)
    agreed.agree(0, ("beta", "0" * 64))
    gate.settle(agreed)
    gate.close()

    def crash(reached: str) -> None:
        if reached == step:
            raise Crash

    gate = gate_in(tmp_path, seed=2, reached=crash)
    gate.take([part(2, (1, 50), epoch=1)])
    with pytest.raises(Crash):
        gate.release(1)
    gate.close()
    gate = gate_in(tmp_path, seed=3)
    assert content_of(released(gate, 1)) == {0: 256, 1: 50}
    agreed.agree(1, ("beta", "0" * 64))
    gate.settle(agreed)
    assert content_of(released(gate, 2)) == {0: 256, 1: 50}
    gate.close()


def test_a_crash_between_store_and_ledger_leaves_nothing_to_be_sent_that_is_settled() -> None:
    class DyingLedger(BudgetLedger):
        def mark_sent(self, era: str, epoch: int) -> None:
            raise Crash

    agreed, sink, store, ledger = Agreed(), InMemorySink(), GateStore(None), BudgetLedger(None)
    options = {"site_id": "alpha", "protocol": UNDER, "signing_key": SIGNING_KEY, "store": store}
    released(Gate(**options, ledger=ledger), 0)  # type: ignore[arg-type]  # a dictionary of mixed options
    agreed.agree(0, ("beta", "0" * 64))
    dying = DyingLedger(None)
    dying._file = ledger._file
    with pytest.raises(Crash):
        Gate(**options, ledger=dying).settle(agreed)  # type: ignore[arg-type]  # as above
    gate = Gate(**options, ledger=ledger)  # type: ignore[arg-type]  # as above
    assert store.settled_epochs(UNDER.era) == {0: False}
    assert ledger.waiting(UNDER.era) == [0]
    gate.settle(agreed)
    assert gate.deliver(sink) == 0  # the aggregators would refuse it: the epoch is closed


def test_the_audited_noise_is_that_of_the_gate_s_shares_bit_for_bit() -> None:
    path = SecureSumPath(UNDER, epochs=1, patients=1)
    path.noisy_sites = 1
    tables = {name: np.zeros((1, length), dtype=np.int64) for name, length in table_lengths(path.protocol).items()}
    path.protect(tables, random.Random(7).randbytes)
    assert path.cohort == UNDER.cohort
    sealed = SealedSharing("alpha", path.protocol, SIGNING_KEY, cohort=path.cohort).seal(
        0, {0: EpochVector.of({})}, random_bytes=random.Random(7).randbytes
    )
    shares = [
        open_share(message, public_key=SIGNING_KEY.public_key(), protocol=path.protocol, role=role)
        for role, message in unpack_sharing(sealed).items()
    ]
    noise = join_shares(shares[0].noise, shares[1].noise)
    assert np.array_equal(noise, np.concatenate([tables[name][0] for name in TABLES]))
