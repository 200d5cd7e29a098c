"""Two aggregators: late, missing, lying and repeating sites; crashes at every step; lost and restored state."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import IntegrityError, ServiceError
from hub.aggregator import Aggregator, aggregator_store
from privacy import EpochCalendar, EpochVector
from privacy.release import table_lengths
from privacy.secure_sum import Acceptance, AcceptedSet, Role, ShareFault, ShareReceipt, share_epoch
from tests.hub.federation import under
from tests.hub.secure_sum import (
    COHORT,
    PROTOCOL,
    PUBLIC,
    ROLE_KEYS,
    SITE_KEYS,
    SITES,
    Crash,
    House,
    Tripwire,
    after,
    reason,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.stop()


def test_late_missing_and_too_few_sites_end_in_the_exact_sum(house: House) -> None:
    house.send("north", 0, {0: 256})
    house.send("south", 0, {0: 100, 3: 7})
    house.send("west", 0, {1: 50}, to=(Role.LEADER,))  # its way to the helper is cut
    assert house.agree(0).accepted.sites == ("north", "south")
    house.open()
    house.send("north", 1, {2: 256})
    assert not house.agree(1).accepted.is_opened  # one site alone is never opened
    house.open()
    assert set(house.sums()) == {0}
    assert reason(lambda: house.send("west", 0, {1: 50}, to=(Role.HELPER,))) == ShareFault.CLOSED
    house.send("west", 2, {1: 50})  # the proof of absence in hand, it sends the same again
    house.send("east", 2, {0: -13})
    house.agree(2)
    house.open()
    np.testing.assert_allclose(house.decoded(), [256 + 100 - 13, 50, 256, 7], atol=1e-6)
    assert np.array_equal(house.counted(), [343, 50, 256, 7])


def test_an_epoch_without_any_site_is_agreed_and_passed_over(house: House) -> None:
    assert house.agree(0).accepted.members == ()
    house.open()
    assert house.at_hub == {}
    assert house.parties[Role.LEADER].aggregator.next_epoch == 1


def test_a_share_sent_again_gets_the_same_receipt_before_and_after_the_agreement(house: House) -> None:
    line = house.seal("north", 0, {0: 1})[Role.LEADER]
    leader = house.parties[Role.LEADER].aggregator
    assert leader.receipt("north", 0) is None
    first = leader.receive(line, at=after(0))
    assert leader.receive(line, at=after(1)) == first
    assert leader.receipt("north", 0) == first
    house.send("north", 0, {0: 1})
    house.send("south", 0, {})
    house.agree(0)
    assert leader.receive(line, at=after(1)) == first
    assert leader.receipt("north", 0) is None  # the set that is agreed on says more
    assert reason(lambda: first.verify(PUBLIC[Role.HELPER])) == ShareFault.SIGNATURE
    changed = msgspec.structs.replace(first, epoch=1)
    assert reason(lambda: changed.verify(PUBLIC[Role.LEADER])) == ShareFault.SIGNATURE
    assert isinstance(first, ShareReceipt)


def test_a_site_that_says_two_things_is_refused_or_left_out(house: House) -> None:
    house.send("north", 0, {0: 1})
    noise = {name: np.zeros(length, dtype=np.int64) for name, length in table_lengths(PROTOCOL).items()}
    other = share_epoch(
        site="north", protocol=PROTOCOL, epoch=0, increment=EpochVector.of({0: 9}), noise=noise, key=SITE_KEYS["north"]
    )
    leader, helper = (house.parties[role].aggregator for role in Role)
    assert reason(lambda: leader.receive(other[Role.LEADER], at=after(0))) == ShareFault.EQUIVOCATION
    # one sharing to the leader, another to the helper: in no accepted set, as they do not belong together
    house.send("south", 0, {0: 5}, to=(Role.LEADER,))
    lie = share_epoch(
        site="south", protocol=PROTOCOL, epoch=0, increment=EpochVector.of({0: 6}), noise=noise, key=SITE_KEYS["south"]
    )
    helper.receive(lie[Role.HELPER], at=after(0))
    house.send("west", 0, {0: 2})
    assert house.agree(0).accepted.sites == ("north", "west")


def test_strangers_and_misdirected_shares_are_refused(house: House) -> None:
    leader = house.parties[Role.LEADER].aggregator
    lines = house.seal("north", 0, {0: 1})
    assert reason(lambda: leader.receive(lines[Role.HELPER], at=after(0))) == ShareFault.RECIPIENT
    noise = {name: np.zeros(length, dtype=np.int64) for name, length in table_lengths(PROTOCOL).items()}
    stranger = share_epoch(
        site="nowhere", protocol=PROTOCOL, epoch=0, increment=EpochVector.of({}), noise=noise,
        key=Ed25519PrivateKey.generate(),
    )  # fmt: skip
    assert reason(lambda: leader.receive(stranger[Role.LEADER], at=after(0))) == ShareFault.UNKNOWN_SITE
    forged = share_epoch(
        site="north", protocol=PROTOCOL, epoch=0, increment=EpochVector.of({}), noise=noise, key=SITE_KEYS["south"]
    )
    assert reason(lambda: leader.receive(forged[Role.LEADER], at=after(0))) == ShareFault.SIGNATURE
    assert leader.holdings(0) == {}


def proposal(members: list[tuple[str, str]], *, epoch: int = 0, is_opened: bool = True) -> tuple[AcceptedSet, bytes]:
    accepted = AcceptedSet(
        protocol_hash=PROTOCOL.hash, era=PROTOCOL.era, epoch=epoch, members=tuple(members), is_opened=is_opened
    )
    return accepted, accepted.sign(ROLE_KEYS[Role.LEADER])


def test_no_aggregator_alone_can_open_below_the_cohort_or_without_the_other(house: House) -> None:
    house.send("north", 0, {0: 1})
    house.send("south", 0, {0: 1})
    helper = house.parties[Role.HELPER].aggregator
    held = helper.holdings(0)
    alone = [("north", held["north"])]
    assert reason(lambda: helper.agree(*proposal(alone), at=after(0))) == ShareFault.COHORT
    both = sorted(held.items())
    assert reason(lambda: helper.agree(*proposal(both, is_opened=False), at=after(0))) == ShareFault.COHORT
    absent = [*both, ("west", "0" * 64)]
    assert reason(lambda: helper.agree(*proposal(absent), at=after(0))) == ShareFault.DISAGREEMENT
    other = [both[0], (both[1][0], "0" * 64)]
    assert reason(lambda: helper.agree(*proposal(other), at=after(0))) == ShareFault.EQUIVOCATION
    accepted, _ = proposal(both)
    forged = accepted.sign(SITE_KEYS["north"])
    assert reason(lambda: helper.agree(accepted, forged, at=after(0))) == ShareFault.SIGNATURE
    leader = house.parties[Role.LEADER].aggregator
    lonely = Acceptance(accepted=accepted, leader=accepted.sign(ROLE_KEYS[Role.LEADER]), helper=forged)
    assert reason(lambda: leader.adopt(lonely, at=after(0))) == ShareFault.SIGNATURE
    assert reason(lambda: leader.agree(*proposal(both), at=after(0))) == ShareFault.RECIPIENT
    house.open()
    assert house.at_hub == {}


@pytest.mark.parametrize(
    ("change", "fault"), [({"protocol_hash": "0" * 64}, ShareFault.PROTOCOL), ({"era": "2025"}, ShareFault.ERA)]
)
def test_a_set_of_another_protocol_or_era_is_neither_agreed_to_nor_learnt(
    house: House, change: dict[str, str], fault: ShareFault
) -> None:
    other = msgspec.structs.replace(proposal([], is_opened=False)[0], **change)
    leader, helper = (house.parties[role].aggregator for role in Role)
    signatures = {role: other.sign(ROLE_KEYS[role]) for role in Role}
    agreed = Acceptance(accepted=other, leader=signatures[Role.LEADER], helper=signatures[Role.HELPER])
    assert reason(lambda: helper.agree(other, signatures[Role.LEADER], at=after(0))) == fault
    for party in (leader, helper):
        assert reason(lambda: party.heed(agreed, at=after(0))) == fault  # noqa: B023  called at once
        assert reason(lambda: party.adopt(agreed, at=after(0))) == fault  # noqa: B023  called at once
        assert party.next_epoch == 0


def test_a_clock_that_is_behind_and_an_epoch_out_of_turn_are_waited_for(house: House) -> None:
    house.send("north", 1, {})
    helper = house.parties[Role.HELPER].aggregator
    with pytest.raises(ServiceError, match="has not ended here yet") as early:
        helper.agree(*proposal([], epoch=0, is_opened=False), at=PROTOCOL.calendar.closes_at(0) - (after(1) - after(0)))
    with pytest.raises(ServiceError, match="epoch 0 has to be agreed on first"):
        helper.agree(*proposal([], epoch=1, is_opened=False), at=after(1))
    assert early.value.retryable


def test_the_helpers_word_stands_after_the_leader_crashed_with_it_on_the_way(house: House) -> None:
    house.send("north", 0, {0: 1})
    house.send("south", 0, {0: 2})
    leader, helper = (house.parties[role].aggregator for role in Role)
    helper.agree(*leader.propose(0, helper.holdings(0)), at=after(0))
    house.parties[Role.LEADER].restart()  # the answer was lost
    house.send("west", 0, {0: 4}, to=(Role.LEADER,))
    agreed = house.agree(0)
    assert agreed.accepted.sites == ("north", "south")
    house.open()
    np.testing.assert_allclose(house.decoded(), [3, 0, 0, 0], atol=1e-6)


def test_two_sites_or_two_aggregators_with_one_key_are_refused(tmp_path: Path) -> None:
    store = aggregator_store(f"sqlite:///{tmp_path / 'x.sqlite'}")
    keys = {site: key.public_key() for site, key in SITE_KEYS.items()}

    def aggregator(twin: Ed25519PrivateKey, peer: Ed25519PrivateKey) -> Aggregator:
        return Aggregator(
            role=Role.LEADER, protocol=PROTOCOL, cohort=COHORT, site_keys={**keys, "twin": twin.public_key()},
            key=ROLE_KEYS[Role.LEADER], peer_key=peer.public_key(), store=store,
        )  # fmt: skip

    with pytest.raises(IntegrityError, match="two sites are registered with one key"):
        aggregator(SITE_KEYS["north"], ROLE_KEYS[Role.HELPER])
    with pytest.raises(IntegrityError, match="both aggregators have one key"):
        aggregator(Ed25519PrivateKey.generate(), ROLE_KEYS[Role.LEADER])
    store.close()


@pytest.mark.parametrize("lost", list(Role))
def test_an_aggregator_put_back_from_a_backup_catches_up_and_opens_nothing_twice(tmp_path: Path, lost: Role) -> None:
    house = House(tmp_path / "live", noise_sd=900.0)
    party = house.parties[lost]
    house.send("north", 0, {0: 1})
    house.send("south", 0, {0: 2})
    party.stop()
    shutil.copytree(party.folder, tmp_path / "backup")  # before anything was agreed on
    party.start()
    first = house.agree(0)
    house.open()
    house.send("west", 1, {0: 4})
    house.send("east", 1, {0: 8})
    second = house.agree(1)
    house.open()
    party.stop()
    shutil.rmtree(party.folder)
    shutil.copytree(tmp_path / "backup", party.folder)
    party.start()
    # it has forgotten both agreements; meanwhile a site tries to get into epoch 0 after all
    aggregator = party.aggregator
    assert aggregator.next_epoch == 0
    house.send("west", 0, {0: 64}, to=(lost,))
    assert aggregator.heed(first, at=after(2))  # the shares of epoch 0 were in the backup
    assert not aggregator.heed(second, at=after(2))  # those of epoch 1 were not
    members = sorted(aggregator.holdings(1).items())
    if lost is Role.HELPER:
        with pytest.raises(ServiceError, match="was agreed on before"):
            aggregator.agree(*proposal(members, epoch=1, is_opened=False), at=after(2))
    else:
        with pytest.raises(ServiceError, match="was agreed on before"):
            aggregator.propose(1, {})
    for site in ("west", "east"):
        house.send(site, 1, {}, to=(lost,))  # the sealed bytes, whatever is asked for
    assert aggregator.heed(second, at=after(2))
    house.open()
    np.testing.assert_array_equal(house.counted(), [15, 0, 0, 0])
    assert set(house.sums()) == {0, 1}  # and each aggregator sent one message an epoch, before and after
    house.stop()


def test_an_era_is_encoded_in_the_memory_of_a_few_vectors(tmp_path: Path) -> None:
    names = tuple(f"drug {number}" for number in range(100)), tuple(f"reaction {number}" for number in range(200))
    calendar = EpochCalendar("month", date(2024, 1, 1), 20)
    house = House(tmp_path, protocol=under(PROTOCOL, drugs=names[0], reactions=names[1], calendar=calendar))
    sealer, at = house.parties[Role.LEADER].sealer, calendar.closes_at(19)
    for epoch in range(20):
        for site in ("north", "south"):
            for role, line in house.seal(site, epoch, {epoch: 1}).items():
                house.parties[role].aggregator.receive(line, at=at)
        leader, helper = (house.parties[role].aggregator for role in Role)
        leader.adopt(helper.agree(*leader.propose(epoch, helper.holdings(epoch)), at=at), at=at)
        if epoch < 19:
            house.open()
    tracemalloc.start()
    try:
        assert sealer.seal_due() == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * 8 * house.protocol.layout.length
    house.open()
    np.testing.assert_allclose(house.decoded()[:21], [2.0] * 20 + [0.0], atol=1e-6)
    house.stop()


def test_what_contradicts_an_agreement_is_equivocation(house: House) -> None:
    house.send("north", 0, {0: 1})
    house.send("south", 0, {0: 2})
    house.agree(0)
    accepted, leader_signature = proposal([("north", "0" * 64), ("south", "1" * 64)])
    other = Acceptance(accepted=accepted, leader=leader_signature, helper=accepted.sign(ROLE_KEYS[Role.HELPER]))
    leader, helper = (house.parties[role].aggregator for role in Role)
    assert reason(lambda: leader.heed(other, at=after(0))) == ShareFault.EQUIVOCATION
    assert reason(lambda: helper.heed(other, at=after(0))) == ShareFault.EQUIVOCATION


def play(house: House) -> None:
    """Two epochs; whatever ends on the way is started again and goes on with what it finds."""
    for epoch in range(2):
        for number, site in enumerate(SITES[: 3 - epoch]):
            for role in Role:
                persist(house, partial(house.send, site, epoch, {epoch: 10 * number + 1, 3: number}, to=(role,)))
        persist(house, partial(house.agree, epoch))
        persist(house, house.open)


def persist(house: House, step: Callable[[], object]) -> None:
    while True:
        try:
            step()
        except Crash:
            for party in house.parties.values():
                party.restart()
        else:
            return


def test_a_crash_at_any_step_changes_nothing_of_what_the_hub_gets(tmp_path: Path) -> None:
    calm = House(tmp_path / "calm", noise_sd=1000.0, seed=3)
    play(calm)
    steps = calm.wire.count
    assert steps == 2 * (3 + 2) + 2 * 2 + 2 * 2 * 2  # held, agreed, reserved and sealed
    for at in range(1, steps + 1):
        house = House(tmp_path / str(at), wire=Tripwire(at), noise_sd=1000.0, seed=3)
        play(house)
        assert house.wire.at is None
        assert house.at_hub == calm.at_hub, at
        house.stop()
    np.testing.assert_array_equal(calm.counted(), [33, 12, 0, 4])
    calm.stop()
