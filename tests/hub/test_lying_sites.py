"""What a site can bring about that lies: what is found out, what is believed, and how far the damage reaches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hub.release_shelf import ReleaseShelf
from hub.store import HubStore
from hub.sum_intake import SumIntake
from hub.totals import running_totals
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import Role, ShareFault, join_shares, open_share
from tests.hub.secure_sum import PROTOCOL, PUBLIC, SITE_KEYS, House, after, reason

HUGE = 1 << 40  # four billion reports; a wallet gives a patient 1.5 times 256
SD = 900.0


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, noise_sd=SD)
    yield house
    house.stop()


def at_hub(house: House, store: HubStore, epoch: int) -> np.ndarray:
    """The running totals of pairs that the hub shows after an epoch, in counts."""
    intake = SumIntake(store, PROTOCOL, PUBLIC)
    house.agree(epoch)
    house.open()
    for role in Role:
        intake.accept(next(iter(house.at_hub[role, epoch])), received_at=after(epoch))
    with store.read() as connection:
        return running_totals(connection, ReleaseShelf(), PROTOCOL, epoch).pair.ravel()


def noise_of(house: House, site: str) -> np.ndarray:
    """The noise on pairs that a site put into epoch 0, opened with both messages at hand."""
    shares = [
        open_share(house.sealed[site, 0][role], public_key=SITE_KEYS[site].public_key(), protocol=PROTOCOL, role=role)
        for role in Role
    ]
    return join_shares(shares[0].noise, shares[1].noise)[: PROTOCOL.cell_count]


def test_a_vector_that_no_wallet_allows_is_believed_and_moves_its_own_cells_alone(house: House) -> None:
    """Shares hide what one would have to see; the sum is as wrong as the lie, there and nowhere else."""
    store, sd = HubStore("sqlite://"), 5 * SD / 256
    house.send("north", 0, {0: 256, 1: 256})
    house.send("west", 0, {2: HUGE, 3: -HUGE})
    np.testing.assert_allclose(at_hub(house, store, 0), [1, 1, HUGE / 256, -HUGE / 256], atol=sd)
    house.send("north", 1, {1: 256})
    house.send("west", 1, {2: -HUGE, 3: HUGE})  # what was claimed can be taken back
    np.testing.assert_allclose(at_hub(house, store, 1), [1, 2, 0, 0], atol=2 * sd)
    store.close()


def test_a_site_that_leaves_its_noise_out_is_not_found_out_and_the_others_noise_is_all_there_is(house: House) -> None:
    """Why the honest fraction is in the protocol: the noise of the rest alone has to be enough."""
    house.send("north", 0, {0: 256})
    house.send("south", 0, {})
    house.noise_sd = 0.0
    house.send("west", 0, {})
    assert house.agree(0).accepted.sites == ("north", "south", "west")
    house.open()
    pair = house.sums()[0][1]["pair"]
    row = ReleaseSpec.of(PROTOCOL).factorisation.row(0)
    honest = noise_of(house, "north") + noise_of(house, "south")
    assert np.array_equal(pair - int(row[0]) * np.array([256, 0, 0, 0]), honest)
    assert not noise_of(house, "west").any()
    assert honest.any()


def test_a_site_cannot_speak_for_another_nor_twice(house: House) -> None:
    """Found out: another's name, another's message, and a second word on an epoch, to one aggregator or to both."""
    leader, helper = (house.parties[role].aggregator for role in Role)
    house.send("north", 0, {0: 1})
    stolen = house.sealed["north", 0][Role.LEADER]
    house.send("south", 0, {0: 1})
    assert reason(lambda: helper.receive(stolen, at=after(0))) == ShareFault.RECIPIENT
    held = leader.holdings(0)
    other = House(house.parties[Role.LEADER].folder / "elsewhere", noise_sd=SD, seed=1)
    second = other.seal("south", 0, {0: 2})  # the same key, drawn anew: as from a ledger put back from a backup
    assert reason(lambda: leader.receive(second[Role.LEADER], at=after(0))) == ShareFault.EQUIVOCATION
    assert reason(lambda: helper.receive(second[Role.HELPER], at=after(0))) == ShareFault.EQUIVOCATION
    assert leader.holdings(0) == held
    other.stop()


def test_epochs_that_arrive_in_any_order_are_agreed_on_in_theirs(house: House) -> None:
    house.noise_sd = 0.0
    for site, order in (("north", (2, 0, 1)), ("south", (1, 2, 0)), ("west", (0,))):
        for epoch in order:
            house.send(site, epoch, {epoch: 256})
    for epoch in range(3):
        house.agree(epoch)
        house.open()
    np.testing.assert_allclose(house.decoded() / 256, [3, 2, 2, 0], atol=1e-6)
