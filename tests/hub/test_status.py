"""What the hub says of its sites: releases of each, or the sums that each was in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.status import store_status
from hub.store import HubStore
from hub.sum_intake import SUM_SITE, SumIntake
from privacy.secure_sum import Role
from tests.hub.secure_sum import PROTOCOL, PUBLIC, House, after


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.stop()


def test_of_a_site_under_a_secure_sum_the_sums_it_was_in_are_told(store: HubStore, house: House) -> None:
    intake = SumIntake(store, PROTOCOL, PUBLIC)
    for epoch, sites in enumerate((("north", "south"), ("east", "south"))):
        for site in sites:
            house.send(site, epoch, {0: 256})
        house.agree(epoch)
        house.open()
        for role in Role:
            intake.accept(next(iter(house.at_hub[role, epoch])), received_at=after(epoch))
    told = store_status(store, PROTOCOL, sites=["west", "south", "north"])["sites"]
    received = told.pop(SUM_SITE)
    assert (received["releases"], received["last_epoch"]) == (2, 1)
    assert told == {
        "north": {"sums": 1, "last_epoch": 0, "last_epoch_end": "2026-01-31"},
        "south": {"sums": 2, "last_epoch": 1, "last_epoch_end": "2026-02-28"},
        "west": {"sums": 0, "last_epoch": None, "last_epoch_end": None},
        "east": {"sums": 1, "last_epoch": 1, "last_epoch_end": "2026-02-28"},
    }
