"""What `kelsey doctor` says of an aggregator: from real files, of a real hub and a real peer."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from hub.aggregator.doctor import check_aggregator
from hub.aggregator.storage import epoch_bytes, storage_bytes
from hub.api.context import utc_now
from hub.shared_checks import HubFinding
from kelsey.cli import cli
from privacy import EpochCalendar
from privacy.ledger import BudgetLedger
from privacy.secure_sum import Role
from tests.hub.aggregator_pair import PROTOCOL, AggregatorPair, HandClock, aggregator_key, free_port, summing_hub
from tests.hub.secure_sum import PROTOCOL as THIS_YEAR
from tests.hub.secure_sum import SITES, House
from tests.hub.served_hub import ServedHub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ServedHub]:
    with summing_hub(f"sqlite:///{tmp_path / 'hub.sqlite'}", tmp_path / "hub") as served:
        yield served


@pytest.fixture
def alone(tmp_path: Path) -> AggregatorPair:
    """A pair whose hub does not answer."""
    return AggregatorPair(tmp_path / "pair", hub_url=f"http://127.0.0.1:{free_port()}", hub_key="k" * 40)


def findings(pair: AggregatorPair, role: Role = Role.LEADER) -> dict[str, HubFinding]:
    return {finding.name: finding for finding in check_aggregator(pair.configs[role])}


def wrong(pair: AggregatorPair, role: Role = Role.LEADER) -> dict[str, HubFinding]:
    """What is not well; the hub of `alone` never is."""
    found = {name: finding for name, finding in findings(pair, role).items() if not finding.is_ok}
    assert all(finding.way_out for finding in found.values())
    return found


def test_a_pair_that_runs_is_found_well_and_goes_on(hub: ServedHub, tmp_path: Path) -> None:
    pair = AggregatorPair(tmp_path / "pair", hub_url=hub.address, hub_key=aggregator_key(hub))
    with pair.serve(*Role):
        for role in Role:
            assert wrong(pair, role) == {}
        found = findings(pair)
        done = CliRunner().invoke(cli, ["doctor", "--config", str(pair.configs[Role.HELPER]), "--json"])
    assert found["peer"].detail == f"{pair.urls[Role.HELPER]} answers, and knows this aggregator"
    assert found["hub's protocol"].detail == f"{PROTOCOL.hash[:12]}, the same"
    assert found["activation"].detail == "none: a trial"
    assert found["ledger"].detail == "0 epochs booked, all hashes right"
    assert {"peer's clock", "hub's clock", "certificate", "uploads", "database", "signing key"} <= set(found)
    assert done.exit_code == 0
    assert {each["name"] for each in json.loads(done.output)} == set(found)


def test_others_that_are_away_are_named(alone: AggregatorPair) -> None:
    assert set(wrong(alone)) == {"peer", "hub"}
    done = CliRunner().invoke(cli, ["doctor", "--config", str(alone.configs[Role.LEADER])])
    assert done.exit_code == 1
    assert f"FAIL  peer: {alone.urls[Role.HELPER]}: the peer did not answer: ConnectError" in done.output
    assert "-> check [peer], the certificates of both and the firewall" in done.output


def test_a_peer_of_another_protocol_or_time_is_named(alone: AggregatorPair) -> None:
    other = msgspec.structs.replace(PROTOCOL, epsilon=2.0)
    other.dump(alone.folder / "protocol.json")
    early = HandClock(utc_now() + timedelta(minutes=5))
    with alone.serve(Role.HELPER, clock=early):
        PROTOCOL.dump(alone.folder / "protocol.json")
        found = wrong(alone)
    assert set(found) == {"peer's protocol", "peer's clock", "hub"}
    assert found["peer's protocol"].detail == f"the peer runs {other.hash[:12]}, this aggregator {PROTOCOL.hash[:12]}"
    assert 270 <= int(found["peer's clock"].detail.split()[0]) <= 300


def test_a_peer_that_is_another_party_is_named(alone: AggregatorPair) -> None:
    config = alone.configs[Role.LEADER]
    text = config.read_text()
    with alone.serve(*Role):
        config.write_text(
            text.replace(f'[peer]\nurl = "{alone.urls[Role.HELPER]}', f'[peer]\nurl = "{alone.urls[Role.LEADER]}')
        )
        assert "is a leader too" in wrong(alone)["peer"].detail
        config.write_text(text.replace('"helper.pub"', '"north.pub"'))
        assert "signs with another key" in wrong(alone)["peer"].detail
        config.write_text(text.replace('"leader-signing.pem"', '"helper-signing.pem"'))
        found = wrong(alone)
    assert "the peer has this aggregator's own key" in found["keys of the others"].detail
    assert "does not take this aggregator's signature" in found["peer"].detail


def test_a_hub_that_does_not_know_the_key_or_runs_another_protocol_is_named(hub: ServedHub, tmp_path: Path) -> None:
    pair = AggregatorPair(tmp_path / "stranger", hub_url=hub.address, hub_key="k" * 40)
    assert "401" in wrong(pair)["hub"].detail
    assert "kelsey hub key add --role aggregator" in wrong(pair)["hub"].way_out
    pair = AggregatorPair(tmp_path / "pair", hub_url=hub.address, hub_key=aggregator_key(hub))
    msgspec.structs.replace(PROTOCOL, epsilon=2.0).dump(pair.folder / "protocol.json")
    assert set(wrong(pair)) == {"peer", "hub's protocol"}


def test_a_disk_that_does_not_hold_the_rest_of_the_era_is_named(alone: AggregatorPair) -> None:
    assert findings(alone)["disk space"].detail.endswith("1.0 GiB needed for the 6 epochs left")
    large = msgspec.structs.replace(
        PROTOCOL,
        drugs=tuple(f"drug {number}" for number in range(2048)),
        reactions=tuple(f"reaction {number}" for number in range(2048)),
        calendar=EpochCalendar("day", date(1990, 1, 1), 10_000),
    )
    large.dump(alone.folder / "protocol.json")
    needed = storage_bytes(large, epochs=10_000, sites=len(SITES), with_database=True)
    found = findings(alone)["disk space"]
    assert found.is_ok is (shutil.disk_usage(alone.folder).free >= needed)
    assert f"{needed / 2**30:.1f} GiB needed for the 10000 epochs left" in found.detail
    assert 24 * large.cell_count * 10_000 < needed < 25 * large.cell_count * 10_000


def test_an_aggregator_needs_no_more_disk_than_is_said(tmp_path: Path) -> None:
    wide = msgspec.structs.replace(
        THIS_YEAR,
        drugs=tuple(f"drug {number}" for number in range(250)),
        reactions=tuple(f"reaction {number}" for number in range(400)),
    )
    house, kept = House(tmp_path, protocol=wide), []
    epoch = epoch_bytes(wide, with_database=True)
    share = storage_bytes(wide, epochs=0, sites=10_000, with_database=True) / 10_000  # three times its bytes
    for number in range(4):
        for site in SITES:
            house.send(site, number, {number: 1})
        house.agree(number)
        house.open()
        sizes = {path: path.stat().st_size for role in Role for path in (tmp_path / role).iterdir()}
        for role in Role:
            files = sum(size for path, size in sizes.items() if path.parent.name == role)
            assert files <= (number + 2) * epoch + len(SITES) * share + (4 << 20)  # SQLite's log is never shorter
        kept.append([sum(size for path, size in sizes.items() if path.match(f"{role}/*.sqlite")) for role in Role])
    house.stop()
    grown = np.diff(kept, axis=0)
    assert np.all(grown <= 1.05 * (epoch - (1 << 20)))  # four names of sites are far less than a header may have
    assert np.all(grown >= 0.9 * 24 * wide.cell_count)


def test_each_file_is_looked_at(alone: AggregatorPair) -> None:
    folder, config = alone.folder, alone.configs[Role.LEADER]
    (folder / "south.pub").write_bytes((folder / "north.pub").read_bytes())
    (folder / "hub.key").chmod(0o644)
    alone.authority.issue("leader", valid_for=timedelta(days=13))
    (folder / "leader" / "uploads").write_text("no folder")
    with BudgetLedger(folder / "leader" / "ledger.sqlite") as ledger:
        ledger.reserve("2026", 0, 5, 10, "spec", "data")
        ledger.seal("2026", 0, b"sealed")
    with sqlite3.connect(folder / "leader" / "ledger.sqlite") as file:
        file.executescript("DROP TRIGGER payload_update; UPDATE payload SET data = x'00'")
    file.close()
    found = wrong(alone)
    assert set(found) == {"keys of the others", "hub key", "certificate", "uploads", "ledger", "peer", "hub"}
    assert found["keys of the others"].detail == "two sites are registered with one key"
    assert "valid until" in found["certificate"].detail
    assert "the sealed bytes differ from their hash" in found["ledger"].detail
    (folder / "leader.crt").write_bytes((folder / "helper.crt").read_bytes())
    assert "do not belong together" in wrong(alone)["certificate"].detail
    config.write_text(config.read_text().replace("aggregator.sqlite", "nowhere/aggregator.sqlite"))
    assert "database" in wrong(alone)
    (folder / "protocol.json").write_text("{}")
    assert set(wrong(alone)) == {"protocol"}
    config.write_text("[aggregator]")
    assert set(wrong(alone)) == {"settings"}
