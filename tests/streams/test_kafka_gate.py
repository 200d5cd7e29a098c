"""From records to the hub, over everything real: broker, worker and gate processes, HTTP, the hub's database.

The records hold the canary, so the whole way is searched for it as well.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import create_engine, text

from hub.keys import add_key
from hub.roles import Role
from hub.serve import HubServer
from hub.settings import load_hub_settings
from hub.store import HubStore
from privacy.calendar import EpochCalendar
from privacy.ledger import BudgetLedger
from privacy.protocol import SurveillanceProtocol
from privacy.release import open_release
from streams.acceptance import record_acceptance
from streams.doctor import check_site
from streams.epoch import decode_part
from streams.pairs import open_stores, write_pairs
from streams.status import site_status
from streams.topics import TopicRole
from tests.privacy.examples import dump_cells, with_buckets
from tests.services.server_process import free_port
from tests.streams.canary import canary_records, traces
from tests.streams.kafka_site import KafkaSite, wait_until
from tests.streams.make import SIGNING_KEY, vocabulary
from tests.streams.play import random_play

pytestmark = pytest.mark.kafka
CLOSED = 3


def _under() -> SurveillanceProtocol:
    """Monthly epochs, three of which are over today; two pairs have a cell of their own, the other four two buckets."""
    today = datetime.now(UTC).date()
    months = today.year * 12 + today.month - 1 - CLOSED
    calendar = EpochCalendar("month", date(months // 12, months % 12 + 1, 1), 12)
    return with_buckets(
        [0, 3], buckets=2, drugs=("warfarin", "aspirin", "ibuprofen"), reactions=("Haemorrhage", "Rash"),
        vocabulary=vocabulary().label, calendar=calendar,
    )  # fmt: skip


def _hand_out(folder: Path) -> None:
    """The protocol, and its active cells beside it."""
    _under().dump(folder / "protocol.json")
    dump_cells(_under(), folder / "protocol.cells.json")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Give address and database URL of a hub behind a real server, with an API key for site alpha in a file."""
    folder = tmp_path / "hub"
    folder.mkdir()
    _hand_out(folder)
    (folder / "alpha.pem").write_bytes(
        SIGNING_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    url = f"sqlite:///{folder / 'hub.sqlite'}"
    (folder / "hub.toml").write_text(
        f'[hub]\ndatabase_url = "{url}"\nprotocol_file = "protocol.json"\nlisten = "127.0.0.1:0"\n'
        'public_url = "https://hub.example"\n[[site]]\nid = "alpha"\npublic_key_file = "alpha.pem"\n'
    )
    store = HubStore(url)
    key = add_key(store, name="alpha", role=Role.SITE, at=datetime.now(UTC), site="alpha").secret
    store.close()
    (tmp_path / "api.key").write_text(key)
    (tmp_path / "api.key").chmod(0o600)
    started = threading.Event()
    server = HubServer(load_hub_settings(folder / "hub.toml"), on_started=started.set)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(30)
    yield server.address, url
    server.stop()
    thread.join(30)


def test_a_record_walks_from_kafka_to_the_hub_and_leaves_no_trace(
    new_site: Callable[..., KafkaSite], hub: tuple[str, str], tmp_path: Path
) -> None:
    address, database_url = hub
    _hand_out(tmp_path)
    site = new_site(
        tmp_path,
        more_site='protocol_file = "protocol.json"\nseal_grace_seconds = 0',
        more=f'[hub]\nurl = "{address}"\napi_key_file = "api.key"\n',
    )
    findings = check_site(site.config)
    assert [finding.name for finding in findings if not finding.is_ok] == ["acceptance"]
    record_acceptance(site.settings.data_directory, _under(), accepted_by="Dr Vass", accepted_at=datetime.now(UTC))
    findings = check_site(site.config)
    assert [finding.text() for finding in findings if not finding.is_ok] == []
    listen = f"127.0.0.1:{free_port()}"
    site.start_worker(listen=listen)
    site.take(canary_records() + [entry.record() for entry in random_play(1, cases=200)])
    metrics = httpx.get(f"http://{listen}/metrics").text
    assert "kelsey_live_cases" in metrics
    assert httpx.get(f"http://{listen}/readyz").status_code == 200
    assert site.stop() == [0]

    # the month has not ended since the worker began, so the test ends an epoch: all is sealed as if it had
    for store in open_stores(site.settings, "casebook"):
        store.seal_part(epoch=CLOSED - 1, era=_under().era, protocol_hash=_under().hash)
    site.start_worker()
    wait_until(lambda: len(site.messages(TopicRole.EPOCH_PARTS)) == 4, seconds=60, what="the parts are on the topic")
    parts = [decode_part(message).vector for message in site.messages(TopicRole.EPOCH_PARTS)]
    places = {cell for part in parts for cell in part.cells.tolist() if cell < _under().layout.cells}
    assert {0, 1} < places <= {0, 1, 2, 3}  # both active cells, and a bucket at least
    _copy(tmp_path / "hub" / "hub.sqlite", tmp_path / "hub.copy")
    gate = site.start_worker("gate")
    wait_until(lambda: len(_releases(database_url)) >= 1, seconds=60, what="the hub has a release")
    site.kill(gate)
    gate = site.start_worker("gate", listen := f"127.0.0.1:{free_port()}")
    wait_until(lambda: _releases(database_url) == [0, 1, 2], seconds=60, what="the hub has all releases")
    wait_until(lambda: _sent(site) == CLOSED, seconds=30, what="all releases are marked as sent")
    sent = 'kelsey_releases_total{state="sent"} 3.0'
    wait_until(lambda: sent in _page(listen), seconds=60, what="the gate shows what was sent")
    metrics += _page(listen)
    status = site_status(site.settings)
    assert status["budget"]["epochs_released"] == CLOSED
    assert status["wallet"]["pending_operations"] == 0
    assert write_pairs(site.settings, tmp_path / "pairs.csv") > 0
    site.kill(gate)
    released = _dump(database_url, "release_vector")
    _copy(tmp_path / "hub.copy", tmp_path / "hub" / "hub.sqlite")
    assert _releases(database_url) == []
    site.start_worker("gate")
    wait_until(lambda: _releases(database_url) == [0, 1, 2], seconds=60, what="a hub put back has all releases again")
    assert _dump(database_url, "release_vector") == released
    assert site.stop() == [0, 0]

    with BudgetLedger(site.settings.data_directory / "ledger.sqlite") as ledger:
        lines = [ledger.payload(_under().era, epoch) or b"" for epoch in range(CLOSED)]
    for line in lines:
        tables = open_release(line, public_key=SIGNING_KEY.public_key(), protocol=_under()).tables
        assert {name: len(values) for name, values in tables.items()} == {"pair": 4, "drug": 3, "reaction": 2}
    shown = [repr(status), (tmp_path / "pairs.csv").read_text(), repr(findings)]
    letters = site.dead_letters()
    assert traces("release", lines) == []
    assert traces("log", [site.logs()]) == []
    assert traces("metric", [metrics]) == []
    assert traces("shown", shown) == []
    assert traces("case", site.messages(TopicRole.CASES)) == []
    assert traces("part", site.messages(TopicRole.EPOCH_PARTS)) == []
    assert traces("dead letter", [f"{letter.reason} {letter.detail}" for letter in letters]) == []
    assert traces("key", site.messages(TopicRole.DEAD_LETTERS, key=True)) == []
    assert traces("hub table", _dump(database_url)) == []
    assert letters


def _page(listen: str) -> str:
    """The metrics page, empty as long as nobody listens."""
    try:
        return httpx.get(f"http://{listen}/metrics").text
    except httpx.ConnectError:
        return ""


def _copy(source: Path, target: Path) -> None:
    """Make the database `target` what `source` is, also while somebody has it open."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _releases(database_url: str) -> list[int]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = [row[0] for row in connection.execute(text("SELECT epoch FROM release ORDER BY epoch"))]
    engine.dispose()
    return found


def _sent(site: KafkaSite) -> int:
    return int(site_status(site.settings)["budget"]["releases"]["sent"])


def _dump(database_url: str, *only: str) -> list[str]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        tables = [row[0] for row in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))]
        found = [repr(row) for table in only or tables for row in connection.execute(text(f'SELECT * FROM "{table}"'))]
    engine.dispose()
    return found
