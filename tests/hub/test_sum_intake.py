"""Sums at the hub: put together only from both aggregators' words on one set, once, and with the noise they have."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from cases import ConfigurationError
from hub import schema
from hub.intake import ReceiptStatus
from hub.release_shelf import ReleaseShelf
from hub.store import HubStore
from hub.sum_intake import SUM_SITE, SumIntake
from hub.totals import running_totals
from privacy.dense_factorisation import DenseFactorisation
from privacy.factorisation_artefact import FactorisationArtefact
from privacy.optimal_strategy import optimal_strategy
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import Role, ShareFault, open_sum_share, seal_sum_share
from privacy.workload import Workload
from tests.hub.secure_sum import COHORT, PROTOCOL, PUBLIC, ROLE_KEYS, House, after, reason

SPEC = ReleaseSpec.of(PROTOCOL)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, noise_sd=1000.0)
    yield house
    house.stop()


@pytest.fixture
def intake(store: HubStore) -> SumIntake:
    return SumIntake(store, PROTOCOL, PUBLIC)


def lines_of(house: House, epoch: int) -> dict[Role, bytes]:
    """Both aggregators' messages about an epoch of two sites."""
    house.send("north", epoch, {0: 256})
    house.send("south", epoch, {0: 100, 3: 7})
    house.agree(epoch)
    house.open()
    return {role: next(iter(house.at_hub[role, epoch])) for role in Role}


def releases(store: HubStore) -> list[tuple[str, int]]:
    with store.read() as connection:
        query = select(schema.release.c.site, schema.release.c.epoch)
        return [(row.site, row.epoch) for row in connection.execute(query.order_by(schema.release.c.epoch))]


@pytest.mark.parametrize("order", [list(Role), list(Role)[::-1]])
def test_a_sum_is_there_when_both_shares_are(
    store: HubStore, intake: SumIntake, house: House, order: list[Role]
) -> None:
    lines = lines_of(house, 0)
    first = intake.accept(lines[order[0]], received_at=after(0))
    assert (first.status, first.is_complete, releases(store)) == (ReceiptStatus.ACCEPTED, False, [])
    second = intake.accept(lines[order[1]], received_at=after(0))
    assert (second.is_complete, releases(store)) == (True, [(SUM_SITE, 0)])
    again = intake.accept(lines[order[0]], received_at=after(0))
    assert (again.status, again.is_complete, releases(store)) == (ReceiptStatus.REPLAYED, True, [(SUM_SITE, 0)])
    with store.read() as connection:
        tables = ReleaseShelf().tables(
            connection, SUM_SITE, PROTOCOL.era, 0, lengths={"pair": 4, "drug": 2, "reaction": 2}
        )
    expected = house.sums()[0][1]
    assert all(np.array_equal(tables[name], expected[name]) for name in expected)


def test_totals_have_the_noise_of_all_sites_that_are_in(store: HubStore, intake: SumIntake, house: House) -> None:
    for epoch in (0, 1):
        for line in lines_of(house, epoch).values():
            intake.accept(line, received_at=after(epoch))
    for site in ("north", "south", "west", "east"):
        house.send(site, 2, {})
    house.agree(2)
    house.open()
    for role in Role:
        intake.accept(next(iter(house.at_hub[role, 2])), received_at=after(2))
    with store.read() as connection:
        totals = running_totals(connection, ReleaseShelf(), PROTOCOL, 2)
    weights = SPEC.factorisation.total_weights(2) / 256
    sigma = COHORT.site_sigma(SPEC.tables["pair"].sigma)
    assert totals.pair_sd == pytest.approx(sigma * np.sqrt(np.array([2, 2, 4]) @ weights**2), rel=1e-12)
    np.testing.assert_allclose(totals.pair.ravel() * 256, house.decoded(), atol=1e-6)


def test_a_dense_matrix_counts_in_shares_as_well(store: HubStore, tmp_path: Path) -> None:
    best = optimal_strategy(np.ones(6), objective="worst")
    dense = DenseFactorisation.project(best.matrix, 12)
    artefact = FactorisationArtefact.of(dense, Workload(objective="worst"))
    under = msgspec.structs.replace(PROTOCOL, factorisation=artefact.hash, coefficient_bits=12).bind(artefact)
    house, intake = House(tmp_path, protocol=under), SumIntake(store, under, PUBLIC)
    for epoch in range(5):
        for line in lines_of(house, epoch).values():
            intake.accept(line, received_at=after(epoch))
    with store.read() as connection:
        totals = running_totals(connection, ReleaseShelf(), under, 4)
    np.testing.assert_allclose(totals.pair.ravel() * 256, house.counted(), atol=1e-6)
    spec = ReleaseSpec.of(under)
    sigma = COHORT.site_sigma(spec.tables["pair"].sigma) * np.sqrt(2)  # two sites are in
    assert totals.pair_sd == pytest.approx(
        sigma / spec.tables["pair"].sigma * spec.running_total_sd("pair", 4), rel=1e-9
    )
    house.stop()


def test_accepted_sets_can_be_read_again_by_an_aggregator_that_forgot(intake: SumIntake, house: House) -> None:
    for epoch in (0, 1):
        intake.accept(lines_of(house, epoch)[Role.HELPER], received_at=after(epoch))
    known = [house.parties[Role.LEADER].aggregator.acceptance(epoch) for epoch in (0, 1)]
    assert intake.acceptances() == known


def forged(line: bytes, change: int) -> bytes:
    share = open_sum_share(line, keys=PUBLIC, role=Role.LEADER, protocol=PROTOCOL, cohort=COHORT)
    words = share.words + np.uint64(change)
    return seal_sum_share(dataclasses.replace(share, words=words), ROLE_KEYS[Role.LEADER])


def test_an_aggregator_that_says_two_things_is_refused_and_counted(
    store: HubStore, intake: SumIntake, house: House
) -> None:
    lines = lines_of(house, 0)
    intake.accept(lines[Role.LEADER], received_at=after(0))
    other = forged(lines[Role.LEADER], 1)
    assert reason(lambda: intake.accept(other, received_at=after(0))) == ShareFault.EQUIVOCATION
    assert reason(lambda: intake.accept(b"nonsense", received_at=after(0))) == ShareFault.MALFORMED
    assert reason(lambda: intake.accept(lines[Role.LEADER][:-8], received_at=after(0))) == ShareFault.LENGTH
    with store.read() as connection:
        query = select(schema.refusal.c.reason, func.count()).group_by(schema.refusal.c.reason)
        assert {row[0]: row[1] for row in connection.execute(query)} == {"equivocation": 1, "malformed": 1, "length": 1}


def test_shares_over_two_sets_are_not_put_together(
    store: HubStore, intake: SumIntake, house: House, tmp_path: Path
) -> None:
    twin = House(tmp_path / "twin")
    twin.send("north", 0, {})
    twin.send("west", 0, {})
    twin.agree(0)
    twin.open()
    intake.accept(lines_of(house, 0)[Role.LEADER], received_at=after(0))
    other = next(iter(twin.at_hub[Role.HELPER, 0]))
    assert reason(lambda: intake.accept(other, received_at=after(0))) == ShareFault.DISAGREEMENT
    assert releases(store) == []
    twin.stop()


def test_a_stored_share_cannot_be_edited(store: HubStore, intake: SumIntake, house: House) -> None:
    intake.accept(lines_of(house, 0)[Role.LEADER], received_at=after(0))
    with pytest.raises(SQLAlchemyError, match="append-only"), store.write() as connection:
        connection.execute(schema.sum_share.update().values(sites=99))


def test_a_hub_needs_two_keys_of_two_parties_and_a_protocol_of_sums(store: HubStore) -> None:
    with pytest.raises(ConfigurationError, match="both aggregators, leader and helper"):
        SumIntake(store, PROTOCOL, {Role.LEADER: PUBLIC[Role.LEADER]})
    with pytest.raises(ConfigurationError, match="have one key"):
        SumIntake(store, PROTOCOL, dict.fromkeys(Role, PUBLIC[Role.LEADER]))
    alone = msgspec.structs.replace(
        PROTOCOL, trust_mode="per-site", minimum_cohort=msgspec.UNSET, honest_fraction=msgspec.UNSET
    )
    with pytest.raises(ConfigurationError, match="not secure-sum"):
        SumIntake(store, alone, PUBLIC)
