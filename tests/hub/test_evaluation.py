"""Evaluation: planted pairs become SDRs, series are kept, doing it again changes nothing, lateness is handled."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from cases import ConfigurationError, ParameterError
from detectors.noisy import load_public_prior
from hub import schema
from hub.embedded import EmbeddedHub
from hub.evaluation import Evaluator, evaluate_epoch
from hub.intake import ReleaseIntake
from hub.lifecycle import SdrState
from hub.pair_overview import read_overview
from hub.pair_state import PairState
from hub.sdr import PairStatistic, Sdr
from hub.signals import SignalBook
from hub.store import HubStore
from privacy.calendar import EpochCalendar
from tests.hub.federation import NOW, Federation, make_protocol, under

PLANTED = 13  # drug 1, reaction 5
BACKGROUND = dict.fromkeys(range(48), 25)


def submit(store: HubStore, federation: Federation, epoch: int, counts: dict[int, int]) -> None:
    intake = ReleaseIntake(store, federation.protocol, federation.site_keys)
    for line in federation.release_all(epoch, counts):
        intake.accept(line, received_at=NOW)


def test_a_planted_pair_is_raised_once_and_followed(store: HubStore, federation: Federation) -> None:
    evaluator = Evaluator(store, federation.protocol)
    raised: list[Sdr] = []
    for epoch in range(4):
        submit(store, federation, epoch, BACKGROUND | {PLANTED: 25 + 40 * (epoch > 0)})
        view = evaluator.evaluate(epoch, at=NOW)
        raised += view.new_sdrs
        assert view.scores["n"].shape == (48,)
        assert view.totals.epochs == dict.fromkeys(federation.sites, epoch)
    pairs = {(sdr.drug, sdr.reaction) for sdr in raised}
    assert pairs == {("drug 1", "reaction 5")}
    assert {sdr.first_epoch for sdr in raised} <= {1, 2}
    assert {sdr.rule for sdr in raised} >= {"noise-aware-z", "noise-aware-umc"}
    assert len(raised) == len({sdr.rule for sdr in raised})
    with store.read() as connection:
        kept = connection.execute(
            select(schema.pair_statistic)
            .where(schema.pair_statistic.c.drug == "drug 1", schema.pair_statistic.c.reaction == "reaction 5")
            .order_by(schema.pair_statistic.c.epoch)
        ).all()
        sdr = connection.execute(select(schema.sdr).where(schema.sdr.c.rule == "noise-aware-z")).one()
    assert [row.epoch for row in kept][-2:] == [2, 3]
    assert kept[-1].epoch_end == date(2026, 4, 30)
    assert kept[-1].n == pytest.approx(float(view.scores["n"][PLANTED]))
    assert (sdr.last_epoch, sdr.z) == (3, pytest.approx(float(view.scores["z"][PLANTED])))


def test_doing_it_again_changes_nothing(store: HubStore, federation: Federation) -> None:
    submit(store, federation, 0, BACKGROUND | {PLANTED: 200})
    assert evaluate_epoch(store, federation.protocol, 0, at=NOW)
    tables = ("sdr", "sdr_transition", "event", "pair_statistic", "evaluation", "pair_of_interest", "pair_overview")

    def content() -> list[object]:
        with store.read() as connection:
            return [
                sorted(tuple(map(str, row)) for row in connection.execute(select(schema.metadata.tables[name])))
                for name in tables
            ]

    before = content()
    assert evaluate_epoch(store, federation.protocol, 0, at=NOW) == []
    assert content() == before


def test_pairs_without_interest_leave_no_rows(store: HubStore, federation: Federation) -> None:
    submit(store, federation, 0, BACKGROUND)
    view = Evaluator(store, federation.protocol).evaluate(0, at=NOW)
    with store.read() as connection:
        rows = connection.execute(select(func.count()).select_from(schema.pair_statistic)).scalar_one()
    assert rows == int(np.sum(view.scores["z"] >= 2)) < 10


def test_every_pair_has_a_state_and_what_could_have_been_seen(store: HubStore, federation: Federation) -> None:
    protocol = federation.protocol
    with store.read() as connection:
        assert read_overview(connection, protocol, "drug 0", "reaction 0") is None
    for epoch in range(2):
        submit(store, federation, epoch, BACKGROUND | {PLANTED: 200})
    evaluator = Evaluator(store, protocol)
    view = evaluator.evaluate(1, at=NOW)
    evaluator.evaluate(0, at=NOW)  # an older look leaves the newest as it is
    era = np.minimum(protocol.calendar.count * view.scores["q_value"], 1)
    np.testing.assert_array_equal(view.scores["q_value_era"], era)
    assert protocol.calendar.count > 1
    assert np.nanmin(era) < 0.05 < np.nanmedian(era)
    flagged = np.logical_or.reduce(list(view.flags.values()))
    seen = set()
    with store.read() as connection:
        for cell in range(protocol.cell_count):
            found = read_overview(connection, protocol, *protocol.pair(cell))
            assert found is not None
            assert (found.epoch, found.epoch_end) == (1, date(2026, 2, 28))
            assert (found.state is PairState.SIGNAL) == flagged[cell]
            if found.state is PairState.NO_SIGNAL:
                assert view.scores["rrr_upper"][cell] < 2
            assert found.n == pytest.approx(float(view.scores["n"][cell]), rel=1e-5)
            assert found.detectable_excess == pytest.approx(float(view.scores["detectable_excess"][cell]), rel=1e-5)
            seen.add(found.state)
        row = connection.execute(
            select(schema.pair_statistic).where(schema.pair_statistic.c.epoch == 1, schema.pair_statistic.c.z > 6)
        ).one()
        priors = set(connection.execute(select(schema.evaluation.c.prior)).scalars())
    assert PairState.SIGNAL in seen
    assert row.state == "signal"
    assert json.loads(row.rule_states) == dict.fromkeys(view.flags, "signal")
    assert priors == {load_public_prior().version}


def test_bounds_that_are_not_there_are_null_in_the_tables(store: HubStore, federation: Federation) -> None:
    # drug 1 is reported with one reaction only: no odds ratio is too large
    counts = {cell: 25 for cell in BACKGROUND if not 8 <= cell < 16} | {PLANTED: 300}
    submit(store, federation, 0, counts)
    view = Evaluator(store, federation.protocol).evaluate(0, at=NOW)
    assert view.scores["ror_upper"][PLANTED] == np.inf
    assert PairStatistic.of(view.scores, PLANTED).ror_upper is None
    with store.read() as connection:
        row = connection.execute(
            select(schema.pair_statistic).where(
                schema.pair_statistic.c.drug == "drug 1", schema.pair_statistic.c.reaction == "reaction 5"
            )
        ).one()
    assert row.ror_upper is None
    assert row.ror_lower == pytest.approx(float(view.scores["ror_lower"][PLANTED]))


def test_an_epoch_is_due_when_complete_or_after_the_grace(store: HubStore, federation: Federation) -> None:
    evaluator = Evaluator(store, federation.protocol)
    intake = ReleaseIntake(store, federation.protocol, federation.site_keys)
    closes = federation.protocol.calendar.closes_at(0)

    def due(at: datetime) -> int | None:
        return evaluator.due_epoch(3, at=at, grace_seconds=3600)

    assert due(closes + timedelta(days=9)) is None
    north, south, west = federation.release_all(0)
    intake.accept(north, received_at=NOW)
    assert due(closes + timedelta(minutes=59)) is None
    assert due(closes + timedelta(minutes=61)) == 0
    intake.accept(south, received_at=NOW)
    intake.accept(west, received_at=NOW)
    assert due(closes) == 0
    evaluator.evaluate(0, at=closes)
    assert due(closes + timedelta(days=9)) is None


def test_a_late_release_makes_its_epoch_due_again(store: HubStore, federation: Federation) -> None:
    evaluator = Evaluator(store, federation.protocol)
    intake = ReleaseIntake(store, federation.protocol, federation.site_keys)
    late = federation.protocol.calendar.closes_at(0) + timedelta(days=1)
    north, south, _ = federation.release_all(0)
    intake.accept(north, received_at=late)
    evaluator.evaluate(0, at=late)
    assert evaluator.due_epoch(3, at=late, grace_seconds=0) is None
    intake.accept(south, received_at=late)
    assert evaluator.due_epoch(3, at=late, grace_seconds=0) == 0
    assert evaluator.evaluate(0, at=late).totals.epochs == {"north": 0, "south": 0}


def test_after_a_rest_missed_epochs_are_looked_at_in_their_order(store: HubStore, federation: Federation) -> None:
    evaluator, late = Evaluator(store, federation.protocol), datetime(2030, 1, 1, tzinfo=UTC)
    for epoch in (2, 3, 5):
        submit(store, federation, epoch, BACKGROUND)
    looked: list[int] = []
    while (epoch_due := evaluator.due_epoch(3, at=late, grace_seconds=0)) is not None:
        evaluator.evaluate(epoch_due, at=late)
        looked.append(epoch_due)
    assert looked == [2, 3, 4, 5]


def test_an_old_epoch_looked_at_again_does_not_turn_an_sdr_back(store: HubStore, federation: Federation) -> None:
    for epoch in range(3):
        submit(store, federation, epoch, BACKGROUND | {PLANTED: 300})
        evaluate_epoch(store, federation.protocol, epoch, at=NOW)
    before = SignalBook(store).find()
    evaluate_epoch(store, federation.protocol, 1, at=NOW)
    assert SignalBook(store).find() == before
    assert {sdr.last_epoch for sdr in before} == {2}


def test_another_era_is_another_account(store: HubStore, federation: Federation) -> None:
    submit(store, federation, 0, BACKGROUND | {PLANTED: 200})
    first = evaluate_epoch(store, federation.protocol, 0, at=NOW)
    following = Federation(under(federation.protocol, era="2027"))
    submit(store, following, 0, BACKGROUND | {PLANTED: 200})
    second = evaluate_epoch(store, following.protocol, 0, at=NOW)
    assert {sdr.era for sdr in second} == {"2027"}
    assert {sdr.id for sdr in first}.isdisjoint({sdr.id for sdr in second})


def test_before_any_release_and_outside_the_calendar_there_is_nothing_to_see(
    store: HubStore, federation: Federation
) -> None:
    with pytest.raises(ParameterError, match="no site has released"):
        evaluate_epoch(store, federation.protocol, 0, at=NOW)
    with pytest.raises(ParameterError, match="epoch must lie in"):
        evaluate_epoch(store, federation.protocol, 12, at=NOW)


def test_a_protocol_with_an_unknown_rule_is_refused_at_once(store: HubStore) -> None:
    with pytest.raises(ConfigurationError, match="'reporting-odds'"):
        Evaluator(store, make_protocol(rules=("reporting-odds",)))


def test_the_embedded_hub_walks_the_whole_way(federation: Federation) -> None:
    with EmbeddedHub(protocol=federation.protocol, site_keys=federation.site_keys) as hub:
        for line in federation.release_all(0, BACKGROUND | {PLANTED: 200}):
            assert hub.submit(line, NOW).status == "accepted"
        view = hub.evaluate(0, NOW)
        assert {sdr.drug for sdr in view.new_sdrs} == {"drug 1"}
        assert hub.signals.count_by_state()[SdrState.RAISED] == len(view.new_sdrs)
        assert view.flags["noise-aware-z"][PLANTED]


def test_a_play_of_three_sites_costs_the_hub_little_more_than_the_sites() -> None:
    """About as much: intake and evaluation of 52,000 pairs against drawing and signing their noise."""
    protocol = make_protocol(drugs=250, reactions=208, calendar=EpochCalendar("month", date(1990, 1, 1), 96))
    federation = Federation(protocol)
    rng, of_sites, of_hub = np.random.default_rng(0), 0.0, 0.0
    with EmbeddedHub(protocol=protocol, site_keys=federation.site_keys) as hub:
        for epoch in range(16):
            start = time.process_time()
            lines = [
                site.release(epoch, {int(cell): 1 for cell in rng.integers(0, 52_000, 300)})
                for site in federation.sites.values()
            ]
            released = time.process_time()
            for line in lines:
                hub.submit(line, datetime(1990, 1, 1, tzinfo=UTC))
            hub.evaluate(epoch, datetime(1990, 1, 1, tzinfo=UTC))
            of_sites, of_hub = of_sites + released - start, of_hub + time.process_time() - released
    assert of_hub < 8 * of_sites
