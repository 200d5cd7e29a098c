"""What an aggregator does by itself, with others that are away, refuse, lag, or were put back from a backup.

The aggregators are the real ones with files of their own; only the wires between them are short.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import update

from cases import ServiceError
from hub import schema
from hub.aggregator.links import SumRefusedError
from hub.aggregator.metrics import AggregatorMetrics
from hub.aggregator.runner import AggregatorRunner
from hub.release_shelf import ReleaseShelf
from hub.store import HubStore
from hub.sum_intake import SumIntake
from hub.totals import running_totals
from privacy.secure_sum import Acceptance, AcceptedSet, Role, ShareFault
from tests.hub.aggregator_pair import HandClock
from tests.hub.secure_sum import PROTOCOL, PUBLIC, ROLE_KEYS, SITES, House, Party, after, reason

GRACE_SECONDS = 3600.0


class ShortHub:
    """The hub's own intake, without a network; away or refusing when told so."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.store = HubStore("sqlite://")
        self.intake = SumIntake(self.store, PROTOCOL, PUBLIC)
        self.is_away = False
        self.refuses = ""
        self.asked = 0

    def accepted(self) -> list[Acceptance]:
        if self.is_away:
            raise ServiceError("the hub did not answer")
        return self.intake.acceptances()

    def received(self, role: Role) -> dict[int, str]:
        if self.is_away:
            self.asked += 1
            raise ServiceError("the hub did not answer")
        return self.intake.received(role)

    def put_back(self, *, before: int) -> None:
        """As from a backup that was made before epoch `before`; of that one the leader's share alone was there."""
        kept = [key for key in self.house.at_hub if key[1] < before or key == (Role.LEADER, before)]
        self.store.close()
        self.store = HubStore("sqlite://")
        self.intake = SumIntake(self.store, PROTOCOL, PUBLIC)
        for role, epoch in sorted(kept, key=lambda key: key[1]):
            self.intake.accept(next(iter(self.house.at_hub[role, epoch])), received_at=after(epoch))

    def total(self) -> NDArray[np.float64]:
        """What the hub would evaluate now, in reports."""
        with self.store.read() as connection:
            return running_totals(connection, ReleaseShelf(), PROTOCOL, PROTOCOL.calendar.count - 1).pair

    def send(self, message: bytes) -> None:
        self.asked += 1
        if self.is_away:
            raise ServiceError("the hub did not answer")
        if self.refuses:
            raise SumRefusedError(self.refuses)
        receipt = self.intake.accept(message, received_at=after(0))
        self.house.at_hub.setdefault((receipt.role, receipt.epoch), set()).add(message)


class HubWithAnother(ShortHub):
    """Shows a set that it was not sent."""

    shown: Acceptance

    def accepted(self) -> list[Acceptance]:
        return [self.shown]


class ShortPeer:
    """The other aggregator, without a network; away when told so."""

    def __init__(self, party: Party, clock: HandClock) -> None:
        self.party, self.clock = party, clock
        self.is_away = False

    def _check(self) -> None:
        if self.is_away:
            raise ServiceError("the peer did not answer")

    def acceptance(self, epoch: int) -> Acceptance | None:
        self._check()
        return self.party.aggregator.acceptance(epoch)

    def holdings(self, epoch: int) -> dict[str, str]:
        self._check()
        return self.party.aggregator.holdings(epoch)

    def agree(self, accepted: AcceptedSet, signature: bytes) -> Acceptance:
        self._check()
        return self.party.aggregator.agree(accepted, signature, at=self.clock())


class Town:
    """A house whose aggregators run by themselves, each with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        self.clocks = {role: HandClock(PROTOCOL.calendar.closes_at(0)) for role in Role}
        self.hub = ShortHub(self.house)
        self.peers = {
            Role.LEADER: ShortPeer(self.house.parties[Role.HELPER], self.clocks[Role.HELPER]),
            Role.HELPER: ShortPeer(self.house.parties[Role.LEADER], self.clocks[Role.LEADER]),
        }
        self.metrics = {role: AggregatorMetrics() for role in Role}
        self.runners = {role: self.runner(role) for role in Role}

    def runner(self, role: Role) -> AggregatorRunner:
        party = self.house.parties[role]
        return AggregatorRunner(
            aggregator=party.aggregator, sealer=party.sealer, hub=self.hub, peer=self.peers[role],
            metrics=self.metrics[role], clock=self.clocks[role], grace_seconds=GRACE_SECONDS, site_count=len(SITES),
        )  # fmt: skip

    def restart(self, role: Role) -> None:
        """As a new process would begin."""
        self.house.parties[role].restart()
        self.runners[role] = self.runner(role)

    def at(self, moment: datetime) -> None:
        for clock in self.clocks.values():
            clock.now = moment

    def step(self, *roles: Role) -> None:
        for role in roles or tuple(Role):
            self.runners[role].step()

    def next_epoch(self, role: Role = Role.LEADER) -> int | None:
        return self.house.parties[role].aggregator.next_epoch

    def value(self, role: Role, name: str) -> float | None:
        return self.metrics[role].registry.get_sample_value(f"kelsey_aggregator_{name}")

    def check(self) -> None:
        """The hub has exactly what is counted."""
        np.testing.assert_allclose(self.house.decoded(), self.house.counted(), atol=1e-6)

    def stop(self) -> None:
        self.house.stop()
        self.hub.store.close()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path / "town")
    yield town
    town.stop()


def fill(town: Town, epoch: int, *sites: str) -> None:
    for number, site in enumerate(sites or SITES):
        town.house.send(site, epoch, {(epoch + number) % PROTOCOL.cell_count: 10 + number})


def test_late_sites_are_waited_for_and_no_one_where_all_are_in(town: Town) -> None:
    fill(town, 0, "north", "south")
    town.at(PROTOCOL.calendar.closes_at(0) - timedelta(seconds=1))
    town.step()
    town.at(PROTOCOL.calendar.closes_at(0) + timedelta(seconds=GRACE_SECONDS - 1))
    town.step()
    assert town.next_epoch() == 0
    town.at(PROTOCOL.calendar.closes_at(0) + timedelta(seconds=GRACE_SECONDS))
    town.step()
    assert town.next_epoch() == 1
    fill(town, 1)
    town.at(PROTOCOL.calendar.closes_at(1) - timedelta(seconds=1))
    town.step()
    assert town.next_epoch() == 1
    town.at(PROTOCOL.calendar.closes_at(1))
    town.step()
    assert [each.accepted.sites for each in town.hub.accepted()] == [("north", "south"), SITES]
    town.check()


@pytest.mark.parametrize("away", list(Role))
def test_one_that_is_away_for_several_epochs_is_caught_up_with_in_order(town: Town, away: Role) -> None:
    there = Role.HELPER if away is Role.LEADER else Role.LEADER
    town.peers[there].is_away = True
    for epoch in range(3):
        for number, site in enumerate(SITES):
            weights = {(epoch + number) % PROTOCOL.cell_count: 10 + number}
            town.house.send(site, epoch, weights, to=(there,))
        town.at(after(epoch))
        town.step(there)
    assert town.next_epoch(there) == 0
    assert town.hub.asked == 0
    for epoch in range(3):
        for site in SITES:
            town.house.send(site, epoch, {}, to=(away,))  # the sealed message, as the gate has kept it
    town.peers[there].is_away = False
    town.restart(away)
    town.at(after(2) + timedelta(seconds=GRACE_SECONDS))
    town.step()
    town.step()
    assert [town.next_epoch(role) for role in Role] == [3, 3]
    assert sorted(town.house.sums()) == [0, 1, 2]
    town.check()


def test_without_the_hubs_word_nothing_is_agreed_on(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    fill(town, 0)
    town.at(after(0))
    town.hub.is_away = True
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            town.step()
    assert town.next_epoch() == 0
    assert not town.runners[Role.HELPER].is_cleared
    with pytest.raises(ServiceError, match="until then nothing is agreed on"):
        town.runners[Role.HELPER].require_clearance()
    said = [record.getMessage() for record in caplog.records if "hub waits" in record.getMessage()]
    assert len(said) == 2  # once each, not at every step
    assert town.value(Role.LEADER, "is_cleared") == 0
    town.hub.is_away = False
    town.step()
    assert town.value(Role.LEADER, "is_cleared") == 1
    assert town.next_epoch() == 1
    town.check()


def test_a_hub_that_is_away_after_that_is_tried_less_and_less_and_gets_all_in_order(town: Town) -> None:
    fill(town, 0)
    town.at(after(0))
    town.step()
    town.hub.is_away = True
    fill(town, 1)
    town.at(after(1))
    asked = town.hub.asked
    for second in range(0, 1800, 5):
        town.at(after(1) + timedelta(seconds=second))
        town.step(Role.LEADER)
    assert town.hub.asked - asked == 11  # after 0, 5, 15, 35, 75, 155, 315, 615, 915, 1215 and 1515 seconds
    assert town.value(Role.LEADER, "pending_sums") == 1
    fill(town, 2)
    town.at(after(2))
    town.step()
    town.hub.is_away = False
    town.at(after(2) + timedelta(minutes=10))
    town.step()
    assert town.value(Role.LEADER, "pending_sums") == 0
    assert sorted(town.house.sums()) == [0, 1, 2]
    town.check()


def test_a_refused_sum_is_said_with_its_reason_and_holds_back_the_later_ones(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    town.hub.refuses = "wrong-protocol"
    fill(town, 0)
    town.at(after(0))
    for _ in range(5):
        town.step(Role.LEADER)
    fill(town, 1)
    town.at(after(1))
    town.step(Role.LEADER)
    assert town.hub.asked == 2  # a month lies between
    town.at(after(1) + timedelta(minutes=59))
    town.step(Role.LEADER)
    assert town.hub.asked == 2
    said = [r.levelname for r in caplog.records if "the hub refuses it: wrong-protocol" in r.getMessage()]
    assert said == ["ERROR"] * 2  # at each attempt, an hour apart at least
    town.hub.refuses = ""
    town.at(after(1) + timedelta(minutes=61))
    town.step()
    assert sorted(town.house.sums()) == [0, 1]
    town.check()


def test_clocks_that_differ_are_waited_for(town: Town) -> None:
    fill(town, 0)
    town.clocks[Role.LEADER].now = after(0)
    town.clocks[Role.HELPER].now = PROTOCOL.calendar.closes_at(0) - timedelta(minutes=1)
    town.step()
    assert [town.next_epoch(role) for role in Role] == [0, 0]
    town.clocks[Role.HELPER].now = PROTOCOL.calendar.closes_at(0)
    town.step()
    assert [town.next_epoch(role) for role in Role] == [1, 1]
    fill(town, 1)
    town.clocks[Role.LEADER].now = PROTOCOL.calendar.closes_at(1) - timedelta(seconds=1)
    town.clocks[Role.HELPER].now = after(1)
    town.step()
    assert [town.next_epoch(role) for role in Role] == [1, 1]
    town.check()


def test_a_site_whose_clock_is_ahead_waits_with_the_others_and_one_behind_is_late(town: Town) -> None:
    for epoch in (0, 1):  # the one ahead has sealed both before the first has ended
        town.house.send("east", epoch, {epoch: 10})
    fill(town, 0, "north", "south", "west")
    town.at(PROTOCOL.calendar.closes_at(0) - timedelta(seconds=1))
    town.step()
    assert town.next_epoch() == 0
    town.at(PROTOCOL.calendar.closes_at(0))
    town.step()
    assert town.next_epoch() == 1  # nothing is agreed on about epoch 1, whatever is there of it
    fill(town, 1, "north", "south")
    town.at(PROTOCOL.calendar.closes_at(1) + timedelta(seconds=GRACE_SECONDS))
    town.step()
    assert [each.accepted.sites for each in town.hub.accepted()] == [SITES, ("east", "north", "south")]
    assert reason(lambda: fill(town, 1, "west")) == ShareFault.CLOSED
    town.check()


@pytest.mark.parametrize("lost", [(Role.LEADER,), (Role.HELPER,), tuple(Role)], ids=" and ".join)
def test_put_back_from_a_backup_the_same_bytes_are_said_again(tmp_path: Path, lost: tuple[Role, ...]) -> None:
    town = Town(tmp_path / "town")
    fill(town, 0)
    town.at(after(0))
    town.step()
    for role in lost:
        party = town.house.parties[role]
        party.stop()
        shutil.copytree(party.folder, tmp_path / "backup" / role)
        party.start()
        town.runners[role] = town.runner(role)
    for epoch in (1, 2):
        fill(town, epoch, "north", "south", "west")
        town.at(after(epoch) + timedelta(seconds=GRACE_SECONDS))
        town.step()
    before = {key: set(lines) for key, lines in town.house.at_hub.items()}
    for role in lost:
        party = town.house.parties[role]
        party.stop()
        shutil.rmtree(party.folder)
        shutil.copytree(tmp_path / "backup" / role, party.folder)
        party.start()
        town.runners[role] = town.runner(role)
    # a site that was late tries to get in after all
    for epoch in (1, 2):
        for role in lost:
            town.house.send("east", epoch, {0: 999}, to=(role,))
    town.at(after(3))
    for _ in range(2):
        town.step()
    for role in lost:
        assert town.next_epoch(role) == 1
        assert town.value(role, "forgotten_epochs") == 2
    for epoch in (1, 2):
        for site in ("north", "south", "west"):
            town.house.send(site, epoch, {}, to=lost)
    for _ in range(2):
        town.step()
    for role in lost:
        assert town.value(role, "forgotten_epochs") == 0
        assert town.house.parties[role].aggregator.acceptance(2) == town.hub.accepted()[2]
    assert {key: lines for key, lines in town.house.at_hub.items() if key in before} == before
    assert [town.next_epoch(role) for role in Role] == [4, 4]  # epoch 3 had no site, and was due
    town.check()
    town.stop()


@pytest.mark.parametrize("is_restarted", [False, True], ids=["they go on", "they are restarted"])
def test_a_hub_put_back_from_a_backup_is_given_what_it_lost_before_anything_later(
    town: Town, caplog: pytest.LogCaptureFixture, is_restarted: bool
) -> None:
    for epoch in range(4):
        fill(town, epoch)
        town.at(after(epoch))
        town.step()
    before = town.hub.total()
    town.hub.put_back(before=1)
    assert not np.allclose(town.hub.total(), before)
    if is_restarted:
        for role in Role:
            town.restart(role)
        town.step()
        np.testing.assert_array_equal(town.hub.total(), before)
    fill(town, 4)
    town.at(after(4))
    with caplog.at_level(logging.WARNING):
        town.step()
        town.step()
    again = [record.getMessage() for record in caplog.records if "sent again" in record.getMessage()]
    assert len(again) == 5  # the helper's of three epochs, the leader's of two
    np.testing.assert_allclose(town.hub.total().ravel() * 256, town.house.counted(), atol=1e-6)
    assert all(len(lines) == 1 for lines in town.house.at_hub.values())
    town.check()


def test_a_share_that_was_changed_at_the_hub_is_found(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    fill(town, 0)
    town.at(after(0))
    town.step()
    with town.hub.store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER sum_share_no_update")
        connection.execute(update(schema.sum_share).values(digest="0" * 64))
    fill(town, 1)
    town.at(after(1))
    town.step()
    said = [record for record in caplog.records if "has another share of epoch 0" in record.getMessage()]
    assert [record.levelname for record in said] == ["ERROR"] * 2
    assert all(town.value(role, "pending_sums") == 1 for role in Role)


def test_a_hub_that_contradicts_what_was_agreed_keeps_everything_shut(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    fill(town, 0)
    town.at(after(0))
    town.step()
    known = town.hub.accepted()[0].accepted
    other = msgspec.structs.replace(known, members=known.members[:-1])
    liar = HubWithAnother(town.house)
    liar.shown = Acceptance(
        accepted=other, leader=other.sign(ROLE_KEYS[Role.LEADER]), helper=other.sign(ROLE_KEYS[Role.HELPER])
    )
    town.hub = liar
    town.restart(Role.LEADER)
    fill(town, 1)
    town.at(after(1))
    town.step()
    assert town.next_epoch() == 1
    assert not town.runners[Role.LEADER].is_cleared
    assert any("agreed on with other sites" in r.getMessage() and r.levelname == "ERROR" for r in caplog.records)
