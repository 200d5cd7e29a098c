"""What the workers survive, on a real broker: kill -9, a broker that goes away, a lost disk."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from privacy.ledger import BudgetLedger
from privacy.protocol import SurveillanceProtocol
from streams.gate import Gate
from streams.gate_store import GateStore, PartVerdict
from streams.pairs import open_stores
from streams.settings import load_site_settings
from tests.services.kafka_broker import KafkaBroker
from tests.streams.kafka_site import KafkaSite, wait_until
from tests.streams.make import SIGNING_KEY, embedded_site, protocol
from tests.streams.play import disordered, patients_by_coordinate, random_play, tables
from tests.streams.tables import plain

pytestmark = pytest.mark.kafka
IS_LONG = os.environ.get("KELSEY_LONG") == "1"
AMPLE = protocol(capacity=16.0, operations=256)
NewSite = Callable[..., KafkaSite]
MEMORY_BYTES = 600 * 1024 * 1024


def _site(new_site: NewSite, directory: Path, under: SurveillanceProtocol | None = None) -> KafkaSite:
    directory.mkdir(parents=True, exist_ok=True)
    more = ""
    if under is not None:
        under.dump(directory / "protocol.json")
        more = 'protocol_file = "protocol.json"'
    return new_site(directory, more_site=more, more="session_timeout_seconds = 6")


def _paid(site: KafkaSite, under: SurveillanceProtocol) -> Counter[int]:
    """Net weight, in whole patients, by coordinate, of all operations that wait in the stores."""
    net: Counter[int] = Counter()
    for store in open_stores(site.settings, "casebook"):
        part = store.seal_part(epoch=0, era=under.era, protocol_hash=under.hash)
        if part is not None:
            vector = part.vector
            for cell, weight in zip(vector.cells.tolist(), vector.weights.tolist(), strict=True):
                net[cell] += weight / 256
    return +net


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def _let_pass(seconds: float) -> None:
    """Return when `seconds` are over: here the time itself is what is tested."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, seconds=seconds + 10, what="time passes")


@pytest.mark.slow
def test_twenty_kills_under_load_leave_exactly_the_embedded_table(new_site: NewSite, tmp_path: Path) -> None:
    chance = random.Random(20)
    play = random_play(20, cases=36_000)
    delivered = disordered(play, 21, again=0.05)
    assert len(delivered) >= 50_000
    site = _site(new_site, tmp_path, AMPLE)
    records = [entry.record() for entry in delivered]
    site.start_worker()
    site.start_worker()
    steps = [records[start : start + 2500] for start in range(0, len(records), 2500)]
    for number in range(20):
        if number < len(steps):
            site.write(steps[number], chunk_records=50)
        _let_pass(chance.uniform(0.0, 5.0))
        site.kill(chance.choice(site.workers))
        site.start_worker()
    for step in steps[20:]:
        site.write(step, chunk_records=50)
    site.settle(seconds=240)
    assert site.stop() == [0, 0]
    embedded = embedded_site(under=AMPLE)
    for step in steps:
        embedded.take(step)
    assert site.tables() == plain(embedded.table) == tables(play)
    assert site.tally() == embedded.tally
    assert _paid(site, AMPLE) == patients_by_coordinate(play, AMPLE)


@pytest.mark.slow
def test_a_broker_that_is_away_for_a_while_loses_nothing(kafka: KafkaBroker, new_site: NewSite, tmp_path: Path) -> None:
    play = random_play(30, cases=4000)
    records = [entry.record() for entry in disordered(play, 31)]
    site = _site(new_site, tmp_path)
    worker = site.start_worker()
    site.write(records[: len(records) // 2], chunk_records=20)
    wait_until(lambda: site.tally().read > 0, seconds=60, what="the worker counts")
    kafka.stop()
    _let_pass(60 if IS_LONG else 20)
    kafka.start()
    site.write(records[len(records) // 2 :], chunk_records=20)
    site.settle(seconds=120)
    assert worker.poll() is None, "the same process goes on"
    assert site.tables() == tables(play)
    assert site.tally().read == len(records)
    assert _peak_bytes(worker.pid) < MEMORY_BYTES
    assert len(site.logs().splitlines()) < 2000, "logs are not flooded"
    site.stop()


def test_lost_stores_are_counted_again_and_their_wallets_fail_closed(new_site: NewSite, tmp_path: Path) -> None:
    play = random_play(40, cases=500)
    site = _site(new_site, tmp_path, AMPLE)
    gate = Gate(
        site_id="alpha",
        protocol=AMPLE,
        signing_key=SIGNING_KEY,
        store=GateStore(None),
        ledger=BudgetLedger(None),
    )

    def hand_parts_to_the_gate() -> set[PartVerdict]:
        parts = [
            part
            for store in open_stores(site.settings, "casebook")
            if (part := store.seal_part(epoch=0, era=AMPLE.era, protocol_hash=AMPLE.hash)) is not None
        ]
        return set(gate.take(parts))

    site.start_worker()
    site.take([entry.record() for entry in play])
    counted, tally = site.tables(), site.tally()
    assert counted == tables(play)
    assert site.stop() == [0]
    assert hand_parts_to_the_gate() == {PartVerdict.MERGED}
    for path in (site.directory / "data" / "partitions").glob("*.sqlite*"):
        path.unlink()
    site.start_worker()
    wait_until(lambda: site.tables() == counted, seconds=60, what="the table is back")
    site.settle()
    # the raw topic is read again from its beginning: all of it is known from the case log
    assert site.tally().cases == 0
    assert site.tally().read == tally.read
    assert site.stop() == [0]
    assert hand_parts_to_the_gate() == {PartVerdict.WALLET_LOST}
    assert gate.lost_partitions() == (0, 1, 2, 3)


def test_settings_of_the_test_sites_are_what_the_tool_reads(new_site: NewSite, tmp_path: Path) -> None:
    site = _site(new_site, tmp_path, AMPLE)
    assert load_site_settings(site.config).protocol() == AMPLE
