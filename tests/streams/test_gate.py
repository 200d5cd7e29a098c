"""The gate: charge, store, then send; whatever happens in between."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cases import IntegrityError, ParameterError, ServiceError
from privacy.epoch_vector import EpochVector
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import ReleaseState
from privacy.protocol import SurveillanceProtocol
from privacy.release import open_release
from privacy.release_spec import ReleaseSpec
from streams.epoch import EpochPart, decode_part, encode_part, seal
from streams.gate import Gate
from streams.gate_store import GateStore, PartVerdict
from streams.release_sink import ReleaseRejected
from streams.testing import InMemorySink
from tests.streams.make import SIGNING_KEY, protocol

UNDER = protocol(epochs=6)


def _part(
    *operations: tuple[int, int],
    epoch: int = 0,
    partition: int = 0,
    store_id: str = "first",
    sequence: int = 1,
    under: SurveillanceProtocol = UNDER,
) -> EpochPart:
    return seal(
        operations,
        era=under.era,
        protocol_hash=under.hash,
        epoch=epoch,
        partition=partition,
        store_id=store_id,
        sequence=sequence,
    )


def _gate(directory: Path | None = None, *, under: SurveillanceProtocol = UNDER, reached: object = None) -> Gate:
    options = {"reached": reached} if reached is not None else {}
    return Gate(
        site_id="alpha",
        protocol=under,
        signing_key=SIGNING_KEY,
        store=GateStore(directory / "gate.sqlite" if directory else None),
        ledger=BudgetLedger(directory / "ledger.sqlite" if directory else None),
        **options,  # type: ignore[arg-type]  # a dictionary of mixed options
    )


def test_a_release_holds_the_parts_of_its_epoch_under_the_specs_noise() -> None:
    gate = _gate()
    weights = 2000 * 256
    gate.take([_part((0, weights), (5, 256)), _part((0, weights), partition=1, store_id="other")])
    line = gate.release(0)
    assert line is not None
    release = open_release(line, public_key=SIGNING_KEY.public_key(), protocol=UNDER)
    spec = ReleaseSpec.of(UNDER)
    coefficient = int(spec.factorisation.row(0)[0])
    exact = np.zeros(UNDER.cell_count, dtype=np.int64)
    exact[0], exact[5] = 2 * weights * coefficient, 256 * coefficient
    noise = release.tables["pair"] - exact
    assert (noise != 0).any()
    assert np.abs(noise).max() < 8 * spec.tables["pair"].sigma
    assert (release.site, release.epoch, release.sequence) == ("alpha", 0, 0)


def test_the_same_epoch_gives_the_same_bytes_forever() -> None:
    gate = _gate()
    assert gate.release(0) == gate.release(0)
    gate.take([_part((0, 256))])
    first = gate.release(0)
    gate.release(1)
    assert gate.release(0) == first


def test_a_late_part_joins_the_next_epoch() -> None:
    store = GateStore(None)
    store.take([_part((0, 256))], era=UNDER.era, protocol_hash=UNDER.hash)
    assert store.close_epoch(UNDER.era, 0).weights.tolist() == [256]
    store.take([_part((1, 100), sequence=2, epoch=0)], era=UNDER.era, protocol_hash=UNDER.hash)
    assert store.close_epoch(UNDER.era, 0).cells.tolist() == [0], "a closed epoch never opens again"
    assert store.close_epoch(UNDER.era, 1).cells.tolist() == [1]


def test_a_part_sealed_in_a_later_epoch_waits_for_it() -> None:
    store = GateStore(None)
    store.take([_part((0, 256), epoch=2)], era=UNDER.era, protocol_hash=UNDER.hash)
    assert store.close_epoch(UNDER.era, 0).cells.size == 0
    assert store.close_epoch(UNDER.era, 1).cells.size == 0
    assert store.close_epoch(UNDER.era, 2).cells.tolist() == [0]


def test_a_part_counts_once_however_often_it_arrives() -> None:
    store = GateStore(None)
    parts = [_part((0, 256)), _part((0, 128), sequence=2), _part((0, 256))]
    verdicts = store.take(parts, era=UNDER.era, protocol_hash=UNDER.hash)
    assert verdicts == [PartVerdict.MERGED, PartVerdict.MERGED, PartVerdict.REPEATED]
    assert store.close_epoch(UNDER.era, 0).weights.tolist() == [384]
    (again,) = store.take(parts[:1], era=UNDER.era, protocol_hash=UNDER.hash)
    assert again is PartVerdict.REPEATED


def test_a_second_store_is_refused_until_the_first_is_back() -> None:
    store = GateStore(None)
    stranger = _part((0, 256), store_id="second")
    assert store.take([_part((0, 256))], era=UNDER.era, protocol_hash=UNDER.hash) == [PartVerdict.MERGED]
    assert store.take([stranger], era=UNDER.era, protocol_hash=UNDER.hash) == [PartVerdict.WALLET_LOST]
    assert store.lost_partitions(UNDER.era) == (0,)
    back = [_part((1, 256), sequence=2), _part((1, 256), partition=1), stranger]
    assert store.take(back[:2], era=UNDER.era, protocol_hash=UNDER.hash) == [PartVerdict.MERGED] * 2
    assert store.lost_partitions(UNDER.era) == ()
    assert store.take(back[2:], era=UNDER.era, protocol_hash=UNDER.hash) == [PartVerdict.WALLET_LOST]
    assert store.close_epoch(UNDER.era, 0).weights.tolist() == [256, 512]


def test_a_store_put_back_from_a_backup_closes_its_partition_for_the_era() -> None:
    store = GateStore(None)
    assert store.take([_part((0, 256))], era=UNDER.era, protocol_hash=UNDER.hash) == [PartVerdict.MERGED]
    forgetful = [_part((0, 255)), _part((1, 256), sequence=2), _part((1, 256), partition=1)]
    verdicts = store.take(forgetful, era=UNDER.era, protocol_hash=UNDER.hash)
    assert verdicts == [PartVerdict.WALLET_LOST, PartVerdict.WALLET_LOST, PartVerdict.MERGED]
    assert store.lost_partitions(UNDER.era) == (0,)
    assert store.close_epoch(UNDER.era, 0).weights.tolist() == [256, 256]


def test_a_part_of_another_protocol_is_refused() -> None:
    other = protocol(epochs=5)
    assert _gate().take([_part((0, 256), under=other)]) == [PartVerdict.FOREIGN]


def test_epochs_go_in_order() -> None:
    gate = _gate()
    with pytest.raises(ParameterError, match="epoch must be 0"):
        gate.release(1)
    gate.release(0)
    gate.release(1)
    assert gate.next_epoch == 2


def test_after_the_last_epoch_there_is_none() -> None:
    gate = _gate(under=protocol(epochs=2))
    gate.release(0)
    gate.release(1)
    assert gate.next_epoch is None
    with pytest.raises(ParameterError, match="epoch must be None"):
        gate.release(2)


def test_a_spent_budget_stops_the_gate_and_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    spec = ReleaseSpec.of(UNDER)
    ledger = BudgetLedger(None)
    ledger.reserve(UNDER.era, 0, spec.cap_micro_mu2 // 2, spec.cap_micro_mu2, "the protocol of last month", "data")
    ledger.seal(UNDER.era, 0, b"released under it")
    gate = Gate(site_id="alpha", protocol=UNDER, signing_key=SIGNING_KEY, store=GateStore(None), ledger=ledger)
    assert gate.next_epoch == 1
    assert gate.release(1) is None
    assert gate.is_exhausted
    assert gate.budget().is_exhausted
    assert "the gate stops, the privacy budget is gone" in caplog.text
    assert ledger.spent(UNDER.era) == spec.cap_micro_mu2 // 2


def test_delivery_resumes_where_it_failed_and_sends_the_stored_bytes() -> None:
    gate = _gate()
    lines = [gate.release(epoch) for epoch in range(3)]
    sink = InMemorySink([ServiceError("away"), ServiceError("away")])
    for _ in range(2):
        with pytest.raises(ServiceError):
            gate.deliver(sink)
    assert gate.deliver(sink) == 3
    assert sink.lines == lines
    assert gate.deliver(sink) == 0
    assert gate.releases() == {"reserved": 0, "sealed": 0, "sent": 3}


def test_a_rejected_release_stays_and_blocks_those_after_it() -> None:
    gate = _gate()
    gate.release(0)
    gate.release(1)
    sink = InMemorySink([ReleaseRejected("protocol")])
    with pytest.raises(ReleaseRejected):
        gate.deliver(sink)
    assert sink.lines == []
    assert gate.deliver(sink) == 2


def test_what_is_not_a_release_never_leaves() -> None:
    ledger = BudgetLedger(None)
    spec = ReleaseSpec.of(UNDER)
    ledger.reserve(UNDER.era, 0, spec.cost_micro_mu2, spec.cap_micro_mu2, spec.hash, EpochVector.of({}).digest)
    ledger.seal(UNDER.era, 0, b'{"patient":"Jane Canary"}')
    gate = Gate(site_id="alpha", protocol=UNDER, signing_key=SIGNING_KEY, store=GateStore(None), ledger=ledger)
    sink = InMemorySink()
    with pytest.raises(IntegrityError) as refused:
        gate.deliver(sink)
    assert sink.attempts == 0
    assert "Canary" not in str(refused.value)


def test_parts_survive_their_codec_and_nothing_else_does() -> None:
    part = _part((3, 77), (9, -256))
    assert decode_part(encode_part(part)) == part
    for damaged in (b"", b"\x00", encode_part(part)[:-1]):
        with pytest.raises(IntegrityError):
            decode_part(damaged)


def _crash(step: str, after: int) -> object:
    """End the process, as kill -9 does, when `step` is reached for the `after`-th time."""
    seen = 0

    def reached(name: str) -> None:
        nonlocal seen
        if name == step:
            seen += 1
            if seen == after:
                os.kill(os.getpid(), 9)

    return reached


class _FileSink:
    """Appends every line it is sent to a file, durably: what the network saw."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, line: bytes, /) -> None:
        with self._path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _live_once(directory: Path, parts: list[EpochPart], step: str, after: int) -> int:
    """Run the gate through all epochs in a child process that may be killed on the way; its exit status."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 1
    try:
        gate = _gate(directory, under=CRASHED, reached=_crash(step, after))
        sink = _FileSink(directory / "sent")
        gate.take(parts)
        while (epoch := gate.next_epoch) is not None:
            gate.deliver(sink)
            gate.release(epoch)
        gate.deliver(sink)
        code = 0
    finally:
        os._exit(code)


@pytest.fixture
def directory_in_memory() -> Iterator[Path]:
    """Give a folder that lives in memory where the machine has one: a killed process needs no disk to prove it."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as name:
        yield Path(name)


CRASHED = protocol(epochs=12, drugs=("a", "b"), reactions=("r", "s"))


def _crash_points(seed: int, count: int) -> Iterator[tuple[str, int]]:
    chance = random.Random(seed)
    for number in range(count):
        yield Gate.STEPS[number % len(Gate.STEPS)], chance.choice((1, 1, 1, 2))


@pytest.mark.slow
def test_five_hundred_kills_at_every_step_never_overspend_nor_send_two_payloads(directory_in_memory: Path) -> None:
    _gate(under=CRASHED).release(0)  # the sampler's tables are made once, before any child is born
    crashes, rounds = 0, 0
    by_step = dict.fromkeys(Gate.STEPS, 0)
    while crashes < 500:
        directory = directory_in_memory / f"round-{rounds}"
        directory.mkdir()
        parts = [_part((0, 256), (3, 128), under=CRASHED), _part((1, -200), sequence=2, epoch=3, under=CRASHED)]
        for step, after in _crash_points(rounds, 200):
            status = _live_once(directory, parts, step, after)
            if os.WIFSIGNALED(status):
                crashes += 1
                by_step[step] += 1
                continue
            assert os.WEXITSTATUS(status) == 0
            break
        assert _live_once(directory, parts, "none", 1) == 0
        with BudgetLedger(directory / "ledger.sqlite") as ledger:
            spec = ReleaseSpec.of(CRASHED)
            assert ledger.spent(CRASHED.era) == spec.cost_micro_mu2 <= spec.cap_micro_mu2
            assert [entry.state for entry in ledger.entries()] == [ReleaseState.SENT] * 12
            sealed = {epoch: ledger.payload(CRASHED.era, epoch) for epoch in range(12)}
        sent = (directory / "sent").read_bytes().splitlines()
        seen: dict[int, set[bytes]] = {}
        for line in sent:
            release = open_release(line, public_key=SIGNING_KEY.public_key(), protocol=CRASHED)
            seen.setdefault(release.epoch, set()).add(line)
        assert seen == {epoch: {payload} for epoch, payload in sealed.items()}
        rounds += 1
    assert all(by_step.values()), by_step
