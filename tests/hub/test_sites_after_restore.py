"""Both aggregators put back from backups: what only the sites still know, they tell; nothing is counted twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from privacy.secure_sum import Acceptance, Role
from tests.hub.aggregator_pair import PROTOCOL, AggregatorPair, HandClock, aggregator_key, messages_at, summing_hub
from tests.hub.served_hub import ServedHub
from tests.hub.sum_sites import SumSite
from tests.hub.waiting import eventually

NAMES = ("north", "south", "west")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ServedHub]:
    with summing_hub(f"sqlite:///{tmp_path / 'hub.sqlite'}", tmp_path / "hub") as served:
        yield served


@pytest.fixture
def pair(hub: ServedHub, tmp_path: Path) -> AggregatorPair:
    return AggregatorPair(tmp_path / "pair", hub_url=hub.address, hub_key=aggregator_key(hub))


@pytest.fixture
def sites(pair: AggregatorPair) -> Iterator[dict[str, SumSite]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(SumSite(name, pair)) for name in NAMES}


def ended(epoch: int) -> HandClock:
    return HandClock(PROTOCOL.calendar.closes_at(epoch) + timedelta(minutes=1))


def agreed_by(client: httpx.Client, epoch: int) -> Acceptance:
    """Waits until an aggregator shows the set of an epoch."""

    def look() -> Acceptance | None:
        answer = client.get(f"/v1/epochs/{epoch}")
        return msgspec.json.decode(answer.content, type=Acceptance) if answer.is_success else None

    found = eventually(look)
    assert found is not None
    return found


def put_back(pair: AggregatorPair, backup: Path) -> None:
    for role in Role:
        shutil.rmtree(pair.folder / role)
        shutil.copytree(backup / role, pair.folder / role)


def test_an_epoch_below_the_cohort_that_both_forgot_is_told_by_the_sites(
    pair: AggregatorPair, hub: ServedHub, sites: dict[str, SumSite], tmp_path: Path
) -> None:
    north, south = sites["north"], sites["south"]
    with ExitStack() as stack:
        client = stack.enter_context(pair.client(Role.LEADER))
        clock = HandClock(PROTOCOL.calendar.closes_at(0) - timedelta(hours=1))
        with pair.serve(*Role, clock=clock):
            north.send(0, {0: 256})
            south.send(0, {0: 100, 3: 7})
            clock.now = ended(0).now
            before = {0: agreed_by(client, 0)}
        for role in Role:
            shutil.copytree(pair.folder / role, tmp_path / "backup" / role)
        clock = HandClock(PROTOCOL.calendar.closes_at(1) - timedelta(hours=1))
        with pair.serve(*Role, clock=clock):
            north.send(1, {1: 50})
            south.count(1, {2: 30})  # its way out is cut
            clock.now = ended(1).now
            before[1] = agreed_by(client, 1)
            assert (before[1].accepted.sites, before[1].accepted.is_opened) == (("north",), False)
            for site in (north, south):
                site.gate.settle(site.link)
                site.send(2, {0: -1})
            clock.now = ended(2).now
            before[2] = agreed_by(client, 2)
            eventually(lambda: len(messages_at(hub.store).get(2, {})) == 2)
        at_hub = messages_at(hub.store)
        assert sorted(at_hub) == [0, 2]  # the hub never hears of epoch 1
        put_back(pair, tmp_path / "backup")
        clock = ended(2)
        with pair.serve(*Role, clock=clock):
            eventually(lambda: client.get("/readyz").is_success)
            for site in (south, north):
                site.gate.settle(site.link)
                site.gate.send_again(site.link, site.link)
            assert {epoch: agreed_by(client, epoch) for epoch in range(3)} == before
            for site in (north, south):
                site.send(3, {})
            clock.now = ended(3).now
            before[3] = agreed_by(client, 3)
            eventually(lambda: len(messages_at(hub.store).get(3, {})) == 2)
    found = messages_at(hub.store)
    assert {epoch: found[epoch] for epoch in at_hub} == at_hub
    for site in (north, south):
        assert site.in_sums(before).digest == site.counted.digest


def test_a_set_that_only_sites_know_is_held_to_and_what_was_carried_over_is_not_sent_again(
    pair: AggregatorPair, sites: dict[str, SumSite], tmp_path: Path
) -> None:
    absent = sites["south"]
    with ExitStack() as stack:
        client = stack.enter_context(pair.client(Role.LEADER))
        clock = HandClock(PROTOCOL.calendar.closes_at(0) - timedelta(hours=1))
        with pair.serve(*Role, clock=clock):
            eventually(lambda: client.get("/readyz").is_success)
        for role in Role:
            shutil.copytree(pair.folder / role, tmp_path / "backup" / role)
        with pair.serve(*Role, clock=clock):
            sites["north"].send(0, {0: 256})
            absent.count(0, {2: 30})  # its way out is cut
            clock.now = ended(0).now
            before = {0: agreed_by(client, 0)}
            assert before[0].accepted.sites == ("north",)
            for site in (sites["north"], absent):
                site.gate.settle(site.link)
        put_back(pair, tmp_path / "backup")
        clock = HandClock(PROTOCOL.calendar.closes_at(0) - timedelta(hours=1))
        with pair.serve(*Role, clock=clock):  # neither they nor the hub know of epoch 0 any more
            absent.gate.send_again(absent.link, absent.link)
            sites["north"].gate.send_again(sites["north"].link, sites["north"].link)
            clock.now = ended(0).now
            assert agreed_by(client, 0) == before[0]
            for site in (absent, sites["north"]):
                site.send(1, {1: 5})
            clock.now = ended(1).now
            before[1] = agreed_by(client, 1)
    for site in (absent, sites["north"]):
        assert site.in_sums(before).digest == site.counted.digest
