"""SDRs live by the table of transitions; every step is kept, and only one of two hasty people wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import product

import msgspec
import pytest

from cases import ParameterError
from hub.errors import TransitionRefused, UnknownIdError
from hub.event_log import DISCLAIMER, EventLog
from hub.lifecycle import TRANSITIONS, SdrState
from hub.roles import Role
from hub.sdr import PairStatistic, Sdr, sdr_id
from hub.signals import Candidate, SignalBook
from hub.store import HubStore
from tests.hub.federation import NOW, make_protocol

STATISTIC = PairStatistic(n=63.2, n_sd=8.1, expected=9.5, ror=7.0, ror_lower=4.4, z=5.9)
WAYS = {  # a way from raised to every state
    SdrState.RAISED: (),
    SdrState.VALIDATED: (SdrState.VALIDATED,),
    SdrState.CONFIRMED: (SdrState.VALIDATED, SdrState.CONFIRMED),
    SdrState.REFUTED: (SdrState.REFUTED,),
    SdrState.CLOSED: (SdrState.CLOSED,),
}


def candidate(drug: str = "drug 1", rule: str = "noise-aware-z", statistic: PairStatistic = STATISTIC) -> Candidate:
    return Candidate(drug, "reaction 2", rule, statistic)


def raise_all(store: HubStore, *candidates: Candidate, epoch: int = 3) -> list[Sdr]:
    book, calendar = SignalBook(store), make_protocol().calendar
    with store.write() as connection:
        return book.raise_many(
            connection, candidates, era="2026", epoch=epoch, epoch_end=calendar.last_day(epoch), at=NOW
        )


@pytest.mark.parametrize("origin", list(SdrState))
def test_only_the_tables_transitions_are_possible(store: HubStore, origin: SdrState) -> None:
    book = SignalBook(store)
    for number, (target, role) in enumerate(product(SdrState, Role)):
        sdr = raise_all(store, candidate(drug=f"drug {number}"))[0]
        for state in WAYS[origin]:
            book.transition(sdr.id, state, actor="r", role=Role.REGULATOR, reason="on the way", at=NOW)
        before = book.history(sdr.id)
        if role in TRANSITIONS.get((origin, target), frozenset()):
            step = book.transition(sdr.id, target, actor="somebody", role=role, reason=" seen ", at=NOW)
            assert (step.from_state, step.to_state, step.actor, step.reason) == (origin, target, "somebody", "seen")
            assert book.history(sdr.id) == [*before, step]
            assert book.get(sdr.id).state is target
        else:
            with pytest.raises(TransitionRefused) as caught:
                book.transition(sdr.id, target, actor="somebody", role=role, reason="seen", at=NOW)
            assert caught.value.hint
            assert book.history(sdr.id) == before
            assert book.get(sdr.id).state is origin


def test_raising_keeps_statistic_date_and_rule(store: HubStore) -> None:
    raised = raise_all(store, candidate(), candidate(rule="noise-aware-umc"))
    assert [sdr.rule for sdr in raised] == ["noise-aware-z", "noise-aware-umc"]
    found = SignalBook(store).get(raised[0].id)
    assert found == raised[0]
    assert found.statistic == STATISTIC
    assert found.statistic.prr is None
    assert (found.first_epoch, found.first_date.isoformat(), found.raised_at) == (3, "2026-04-30", NOW)
    assert found.id == sdr_id(era="2026", drug="drug 1", reaction="reaction 2", rule="noise-aware-z")
    (step,) = SignalBook(store).history(found.id)
    assert (step.from_state, step.to_state, step.actor) == (None, SdrState.RAISED, "hub")


def test_what_is_known_is_refreshed_and_not_raised_again(store: HubStore) -> None:
    book, sdr = SignalBook(store), raise_all(store, candidate())[0]
    book.transition(sdr.id, SdrState.REFUTED, actor="o", role=Role.OFFICER, reason="labelled", at=NOW)
    later = msgspec.structs.replace(STATISTIC, n=80.0)
    assert raise_all(store, candidate(statistic=later), candidate(drug="drug 5"), epoch=4)[0].drug == "drug 5"
    found = book.get(sdr.id)
    assert (found.state, found.first_epoch, found.last_epoch, found.statistic.n) == (SdrState.REFUTED, 3, 4, 80.0)
    assert len(book.history(sdr.id)) == 2


def test_events_tell_every_step_in_order(store: HubStore) -> None:
    book = SignalBook(store)
    first, second = raise_all(store, candidate(), candidate(drug="drug 4"))
    book.transition(second.id, SdrState.VALIDATED, actor="o", role=Role.OFFICER, reason="plausible", at=NOW)
    with store.read() as connection:
        events = EventLog().after(connection, 0)
        assert EventLog().last_id(connection) == 3
        assert [event.id for event in EventLog().after(connection, 1, limit=1)] == [2]
    assert [(event.id, event.subject, event.type) for event in events] == [
        (1, first.id, "org.kelsey.sdr.raised.v1"),
        (2, second.id, "org.kelsey.sdr.raised.v1"),
        (3, second.id, "org.kelsey.sdr.validated.v1"),
    ]
    body = msgspec.json.decode(events[2].body)
    assert body["sdr"]["state"] == "validated"
    assert body["sdr"]["statistic"]["n_sd"] == 8.1
    assert body["transition"]["reason"] == "plausible"
    assert body["disclaimer"] == DISCLAIMER


def test_of_two_people_who_decide_at_once_one_wins(store: HubStore) -> None:
    book, sdr = SignalBook(store), raise_all(store, candidate())[0]

    def decide(state: SdrState) -> str:
        try:
            book.transition(sdr.id, state, actor=state, role=Role.REGULATOR, reason="me first", at=NOW)
        except TransitionRefused:
            return "refused"
        return "done"

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(decide, [SdrState.VALIDATED] * 4))
    assert sorted(results) == ["done", "refused", "refused", "refused"]
    assert [step.sequence for step in book.history(sdr.id)] == [1, 2]


def test_finding_and_counting(store: HubStore) -> None:
    book = SignalBook(store)
    raised = raise_all(store, *(candidate(drug=f"drug {number}") for number in range(5)))
    book.transition(raised[2].id, SdrState.CLOSED, actor="o", role=Role.OFFICER, reason="known", at=NOW)
    assert {sdr.id for sdr in book.find()} == {sdr.id for sdr in raised}
    assert [sdr.id for sdr in book.find(state=SdrState.CLOSED)] == [raised[2].id]
    assert [sdr.drug for sdr in book.find(drug="drug 3", reaction="reaction 2", rule="noise-aware-z")] == ["drug 3"]
    pages = [book.find(limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [sdr.id for page in pages for sdr in page] == [sdr.id for sdr in book.find()]
    counts = book.count_by_state()
    assert (counts[SdrState.RAISED], counts[SdrState.CLOSED], counts[SdrState.CONFIRMED]) == (4, 1, 0)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001])
def test_a_reason_is_needed(store: HubStore, reason: str) -> None:
    sdr = raise_all(store, candidate())[0]
    with pytest.raises(ParameterError, match="reason must have between 1 and 2000"):
        SignalBook(store).transition(
            sdr.id, SdrState.CLOSED, actor="o", role=Role.OFFICER, reason=reason, at=NOW + timedelta(days=1)
        )


def test_unknown_sdrs_are_an_error(store: HubStore) -> None:
    book = SignalBook(store)
    for call in (
        lambda: book.get("sdr-0"),
        lambda: book.history("sdr-0"),
        lambda: book.transition("sdr-0", SdrState.CLOSED, actor="o", role=Role.OFFICER, reason="r", at=NOW),
    ):
        with pytest.raises(UnknownIdError):
            call()
