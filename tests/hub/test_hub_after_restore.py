"""A hub put back from a backup, trust mode per-site: its sites' gates give back what it lost, and no more than that."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import IntegrityError, ServiceError
from hub.intake import ReleaseIntake
from hub.release_shelf import ReleaseShelf
from hub.serve import HubServer
from hub.settings import load_hub_settings
from hub.store import HubStore
from hub.totals import running_totals
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import Published
from streams.epoch import seal
from streams.gate import Gate
from streams.gate_runner import GateRunner
from streams.gate_store import GateStore
from streams.http_release_sink import HttpReleaseSink
from streams.in_message import InMessage
from streams.metrics import SiteMetrics
from streams.release_sink import ReleaseSink
from streams.testing import ManualClock
from tests.hub.federation import NOW, Federation, make_protocol, under
from tests.hub.served_hub import write_settings
from tests.services.server_process import free_port

FEDERATION = Federation(make_protocol(drugs=2, reactions=3), names=("north",))
PROTOCOL = FEDERATION.protocol
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
API_KEY = "k" * 40


class NoParts:
    """A topic of parts that stays empty."""

    def poll(self) -> tuple[Sequence[InMessage], bool]:
        """Nothing, and that is all."""
        return (), True


class CountingTransport(httpx.HTTPTransport):
    """The network, with a list of what went over it."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Note it and send it."""
        self.requests.append(f"{request.method} {request.url.path}")
        return super().handle_request(request)

    def posts(self) -> int:
        """How many lines were sent since the last call."""
        count = self.requests.count("POST /v1/releases")
        self.requests.clear()
        return count


class Site:
    """One site's gate on disk, and the process around it; `restart` begins it anew."""

    def __init__(self, folder: Path, url: str) -> None:
        self.clock = ManualClock(START)
        self.wire = CountingTransport()
        self.sink = HttpReleaseSink(url, api_key=API_KEY, transport=self.wire)
        self.drawn: list[str] = []
        self._folder = folder
        self._begin()

    def _begin(self) -> None:
        self.gate = Gate(
            site_id="north",
            protocol=PROTOCOL,
            signing_key=FEDERATION.sites["north"].key,
            store=GateStore(self._folder / "gate.sqlite"),
            ledger=BudgetLedger(self._folder / "ledger.sqlite"),
            reached=lambda step: self.drawn.append(step) if step == "drawn" else None,
        )
        self.runner = GateRunner(
            self.gate, reader=NoParts(), sink=self.sink, clock=self.clock, grace=timedelta(0), metrics=SiteMetrics(),
            published=self.sink,

        )  # fmt: skip

    def restart(self) -> None:
        self.gate.close()
        self._begin()

    def close(self) -> None:
        self.gate.close()
        self.sink.close()

    def end(self, epoch: int) -> None:
        """An epoch with a patient in it is over."""
        part = seal(
            [(epoch % 6, 256)], era=PROTOCOL.era, protocol_hash=PROTOCOL.hash, epoch=epoch, partition=0,
            store_id="one", sequence=epoch + 1,
        )  # fmt: skip
        self.gate.take([part])
        self.clock.set(PROTOCOL.calendar.closes_at(epoch))
        self.runner.turn()

    def lines(self) -> list[str]:
        """Hashes of all that was ever sealed."""
        with BudgetLedger(self._folder / "ledger.sqlite", is_read_only=True) as ledger:
            return [entry.payload_hash for entry in ledger.entries()]


class House:
    """A hub's folder, its server started and stopped at one address."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.database = folder / "hub.sqlite"
        (folder / "north.key").write_text(API_KEY)
        (folder / "north.key").chmod(0o600)
        config = write_settings(
            FEDERATION,
            f"sqlite:///{self.database}",
            folder,
            extra='[[api_key]]\nname = "north"\nrole = "site"\nsite = "north"\nkey_file = "north.key"',
        )
        config.write_text(config.read_text().replace("127.0.0.1:0", self.address))
        self.config = config

    @contextmanager
    def serving(self) -> Iterator[None]:
        started = threading.Event()
        server = HubServer(load_hub_settings(self.config), on_started=started.set)
        thread = threading.Thread(target=server.run, name="hub")
        thread.start()
        try:
            assert started.wait(30)
            yield
        finally:
            server.stop()
            thread.join(30)
        assert not thread.is_alive()

    def store(self) -> closing[HubStore]:
        """Its database."""
        return closing(HubStore(f"sqlite:///{self.database}"))

    def lines(self) -> list[str]:
        """Hashes of what it has of the site, in its order."""
        with self.store() as store, store.read() as connection:
            rows = connection.exec_driver_sql("SELECT digest FROM release ORDER BY sequence").all()
        return [row.digest for row in rows]

    def refusals(self) -> list[str]:
        with self.store() as store, store.read() as connection:
            return [row.reason for row in connection.exec_driver_sql("SELECT reason FROM refusal").all()]

    def totals(self) -> np.ndarray:
        with self.store() as store, store.read() as connection:
            return running_totals(connection, ReleaseShelf(), PROTOCOL, PROTOCOL.calendar.count - 1).pair


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A hub that is not running."""
    (tmp_path / "hub").mkdir()
    return House(tmp_path / "hub")


@pytest.fixture
def site(tmp_path: Path, house: House) -> Iterator[Site]:
    """The site of that hub."""
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site", f"http://{house.address}")
    yield site
    site.close()


def put_back(house: House, site: Site, tmp_path: Path, *, before: int, epochs: int, asked: timedelta) -> None:
    """Release `epochs` epochs, then replace the hub's database by the copy that was made before `before`.

    The gate has asked the hub what it has for the last time as long as `asked` before the next epoch ends.
    """
    copy = tmp_path / "copy.sqlite"
    with house.serving():
        for epoch in range(before):
            site.end(epoch)
    shutil.copy(house.database, copy)
    with house.serving():
        for epoch in range(before, epochs):
            site.end(epoch)
        site.clock.set(PROTOCOL.calendar.closes_at(epochs) - asked)
        site.runner.turn()
    for file in house.database.parent.glob("hub.sqlite*"):
        file.unlink()
    shutil.copy(copy, house.database)
    assert (len(house.lines()), len(site.lines())) == (before, epochs)
    assert site.wire.posts() == epochs


@pytest.mark.parametrize("before", [0, 2], ids=["empty", "two lines back"])
def test_a_gate_that_goes_on_gives_back_what_was_lost_before_the_next_line(
    house: House, site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, before: int
) -> None:
    put_back(house, site, tmp_path, before=before, epochs=4, asked=HOUR)
    with house.serving(), caplog.at_level(logging.WARNING, logger="kelsey.gate"):
        site.end(4)
        assert house.lines() == site.lines()
        assert site.wire.posts() == 4 - before + 1
        assert f"{4 - before} releases sent again" in caplog.text
        assert house.refusals() == []
        site.clock.advance(6 * HOUR)
        site.runner.turn()
        assert site.wire.posts() == 0
    assert site.drawn == ["drawn"] * 5  # each line once, whatever became of it


def test_without_a_later_line_it_comes_back_within_six_hours_or_with_a_restart(
    house: House, site: Site, tmp_path: Path
) -> None:
    put_back(house, site, tmp_path, before=1, epochs=3, asked=100 * HOUR)
    with house.serving():
        site.runner.turn()
        assert site.wire.posts() == 0
        site.clock.advance(6 * HOUR)
        site.runner.turn()
        assert (house.lines(), site.wire.posts()) == (site.lines(), 2)
    totals = house.totals()
    house.database.unlink()
    with house.serving():
        site.restart()
        site.runner.turn()
        assert (house.lines(), site.wire.posts()) == (site.lines(), 3)
    np.testing.assert_array_equal(house.totals(), totals)
    assert site.drawn == ["drawn"] * 3


def test_a_line_that_was_not_sealed_here_stops_the_gate(house: House, site: Site) -> None:
    with house.serving():
        site.end(0)
    with house.store() as store, store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER release_no_update")
        connection.exec_driver_sql(f"UPDATE release SET digest = '{'0' * 64}'")
    site.wire.posts()
    with house.serving(), pytest.raises(IntegrityError, match="epoch 0 of era 2026 was not sealed here"):
        site.end(1)
    assert site.wire.posts() == 0
    assert len(house.lines()) == 1


def test_a_hub_of_the_next_era_is_sent_nothing_of_this_one(house: House, site: Site) -> None:
    with house.serving():
        site.end(0)
    under(PROTOCOL, era="2027").dump(house.config.parent / "protocol.json")
    site.wire.posts()
    with house.serving():
        site.restart()
        for _ in range(3):
            site.runner.turn()
            site.clock.advance(6 * HOUR)
        assert "GET /v1/protocol" in site.wire.requests
        assert site.wire.posts() == 0
    assert house.refusals() == []


class LocalHub(ReleaseSink):
    """The hub's intake in this process; `put_back` forgets all but the first lines, then it is away at some calls."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.store = HubStore("sqlite://")
        self.put_back(0)

    def put_back(self, count: int, *, away: Collection[int] = ()) -> None:
        self.calls = self.sends = 0
        self._away = away
        self.store.close()
        self.store = HubStore("sqlite://")
        self._intake = ReleaseIntake(self.store, PROTOCOL, FEDERATION.site_keys)
        lines, self.kept = self.kept[:count], []
        for line in lines:
            self._accept(line)

    def _accept(self, line: bytes) -> None:
        self._intake.accept(line, received_at=NOW)
        self.kept.append(line)

    def _call(self) -> None:
        self.calls += 1
        if self.calls in self._away:
            raise ServiceError("the hub did not answer")

    def send(self, line: bytes, /) -> None:
        self._call()
        self.sends += 1
        self._accept(line)

    def last_published(self) -> Published | None:
        self._call()
        if not self.kept:
            return None
        return Published(PROTOCOL.era, len(self.kept) - 1, hashlib.sha256(self.kept[-1]).hexdigest())

    def protocol_hash(self) -> str:
        self._call()
        return PROTOCOL.hash


@settings(max_examples=15, deadline=None)
@given(
    epochs=st.integers(1, 6),
    kept=st.integers(0, 6),
    later=st.integers(0, 2),
    away=st.sets(st.integers(1, 20), max_size=6),
)
def test_whatever_was_lost_and_whenever_the_hub_is_away_each_lost_line_is_sent_once(
    epochs: int, kept: int, later: int, away: set[int]
) -> None:
    hub, clock = LocalHub(), ManualClock(START)
    gate = Gate(
        site_id="north", protocol=PROTOCOL, signing_key=FEDERATION.sites["north"].key, store=GateStore(None),
        ledger=BudgetLedger(None),
    )  # fmt: skip
    runner = GateRunner(
        gate, reader=NoParts(), sink=hub, clock=clock, grace=timedelta(0), metrics=SiteMetrics(), published=hub
    )
    clock.set(PROTOCOL.calendar.closes_at(epochs - 1))
    runner.turn()
    everything = list(hub.kept)
    assert len(everything) == hub.sends == epochs
    kept = min(kept, epochs)
    hub.put_back(kept, away=away)
    if later:
        clock.set(PROTOCOL.calendar.closes_at(epochs + later - 1))
    for _ in range(len(away) + 1):
        clock.advance(6 * HOUR)
        runner.turn()
    assert hub.kept[:epochs] == everything
    assert len(hub.kept) == epochs + later
    assert hub.sends == epochs - kept + later
    gate.close()
    hub.store.close()
