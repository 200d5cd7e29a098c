"""The pure steps one by one: what each outcome carries, and what the fold changes."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import msgspec
import pytest

from cases import (
    Case,
    CaseVersion,
    DrugRole,
    DrugUse,
    ParameterError,
    Provenance,
    RawRecord,
    Reaction,
    Term,
    Vocabulary,
)
from privacy.patient_wallet import PatientWallet
from streams.case_index import UNSEEN_PATIENT, IndexEntry, IndexState
from streams.casebook import Casebook
from streams.ingest_tally import changes
from streams.intake import Intake
from streams.outcome import Accepted, DeadLettered, Ignored, Superseded
from tests.streams.make import KEY, protocol, vocabulary
from tests.streams.play import START, Entry

FIRST = Entry("c", 1, "ann", ("warfarin",), ("Rash",))


def _intake(words: Vocabulary | None = None, *, read_narratives: bool = False) -> Intake:
    return Intake(vocabulary=words or vocabulary(), pseudonym_key=KEY, read_narratives=read_narratives)


def _case(number: int, drugs: tuple[str, ...], *, patient: str = "p", nullified: bool = False, name: str = "c") -> Case:
    at = START + timedelta(days=number)
    return Case(
        source="s",
        case_id=name,
        version=CaseVersion(at, number),
        patient=patient,
        received_at=at,
        is_nullified=nullified,
        drugs=() if nullified else tuple(DrugUse(Term(drug, Provenance.CODED), DrugRole.SUSPECT) for drug in drugs),
        reactions=() if nullified else (Reaction(Term("Rash", Provenance.CODED)),),
    )


def test_a_short_key_is_refused_before_any_record() -> None:
    with pytest.raises(ParameterError, match="at least 32 bytes"):
        Intake(vocabulary=vocabulary(), pseudonym_key=b"short", read_narratives=False)


def test_an_accepted_case_carries_a_pseudonym_and_never_the_patient() -> None:
    outcome = _intake().step(FIRST.record(), {})
    assert isinstance(outcome, Accepted)
    (case,) = outcome.cases
    assert case.patient == _intake().pseudonym("fhir:Patient/ann")
    assert "ann" not in repr(case)
    assert outcome.entry == IndexEntry(case.version, case.patient, IndexState.LIVE, outcome.entry.digest)
    assert changes(outcome) == {"read": 1, "cases": 1}


def test_a_move_is_a_nullification_at_the_old_patient_and_the_case_at_the_new() -> None:
    intake = _intake()
    first = intake.step(FIRST.record(), {})
    assert isinstance(first, Accepted)
    moved = intake.step(Entry("c", 2, "bo", ("warfarin",), ("Rash",)).record(), {first.key: first.entry})
    assert isinstance(moved, Accepted)
    assert moved.replaces
    old, new = moved.cases
    assert (old.is_nullified, old.patient) == (True, first.entry.patient)
    assert (new.is_nullified, new.patient, old.version) == (False, moved.entry.patient, new.version)
    assert changes(moved) == {"read": 1, "superseded": 1}


def test_a_nullification_of_the_same_version_takes_the_next_place() -> None:
    intake = _intake()
    first = intake.step(FIRST.record(), {})
    assert isinstance(first, Accepted)
    taken = intake.step(Entry("c", 1, "ann").record(), {first.key: first.entry})
    assert isinstance(taken, Ignored)
    assert taken.entry is not None
    assert taken.entry.version > first.entry.version
    assert changes(taken) == {"read": 1, "ignored.nullification": 1, "cases": -1, "superseded": 1}
    again = intake.step(FIRST.record(), {first.key: taken.entry})
    assert isinstance(again, Superseded)


def test_a_deletion_of_the_unseen_has_no_patient() -> None:
    outcome = _intake().step(Entry("c", 1, "", is_deleted=True).record(), {})
    assert isinstance(outcome, Ignored)
    (case,) = outcome.cases
    assert case.patient == UNSEEN_PATIENT
    assert IndexEntry.of(case).state is IndexState.UNSEEN


def test_a_fault_of_the_connector_is_the_reason() -> None:
    record = RawRecord(source="s", record_id="r", format="fhir", payload=b"", received_at=START, fault="truncated")
    outcome = _intake().step(record, {})
    assert isinstance(outcome, DeadLettered)
    assert outcome.letter.reason == "truncated"


def test_a_reader_that_fails_gives_a_dead_letter_without_what_it_choked_on() -> None:
    def broken(record: RawRecord) -> object:
        raise KeyError("Jane Doe")

    intake = Intake(vocabulary=vocabulary(), pseudonym_key=KEY, read_narratives=False, reader=broken)  # type: ignore[arg-type]  # broken on purpose
    outcome = intake.step(FIRST.record(), {})
    assert isinstance(outcome, DeadLettered)
    assert outcome.letter.detail == "reader failed with KeyError"


def test_terms_that_repeat_are_found_once_and_equally() -> None:
    words = Vocabulary.from_csv("kind,name,synonym,system,code\ndrug,warfarin,Coumadin,,\n", name="w")
    intake = _intake(words)
    entry = Entry("c", 1, "ann", ("Coumadin", "unheard"), ("Rash",))
    first, second = (intake.step(entry.record(), {}) for _ in range(2))
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.cases == second.cases
    assert [use.drug.name for use in first.cases[0].drugs] == ["warfarin", None]


def test_a_follow_up_that_repeats_its_pairs_costs_no_wallet() -> None:
    book = Casebook(protocol())
    first = book.fold([_case(1, ("warfarin",))], {}, {})
    (wallet,) = first.wallets.values()
    again = book.fold([_case(2, ("warfarin",))], first.cases, first.wallets)
    assert again.operations == []
    assert again.table == []
    wider = book.fold([_case(2, ("warfarin", "aspirin"))], first.cases, first.wallets)
    under = protocol()
    pair = under.cell("aspirin", "Rash")
    assert pair is not None
    assert wider.operations == [(pair, 256), (under.layout.drug(pair), 256)]  # the reaction is counted already
    assert wider.wallets["p"].pairs.spent > wallet.pairs.spent
    assert [change.is_added for change in wider.table] == [False, True]


def test_what_a_batch_is_folded_over_is_never_touched() -> None:
    book = Casebook(protocol())
    known = {"s/c": _case(1, ("warfarin",))}
    wallets = {"p": PatientWallet()}
    wallets = book.fold(list(known.values()), {}, wallets).wallets
    before = (dict(known), dict(wallets))
    book.fold([_case(2, ("aspirin",)), _case(3, (), nullified=True)], known, wallets)
    assert (known, wallets) == before


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_late_old_version_is_answered_with_the_newest(order: tuple[int, ...]) -> None:
    versions = [_case(1, ("warfarin",)), _case(2, ("aspirin",)), _case(3, (), nullified=True)]
    changes_ = Casebook(protocol()).fold([versions[number] for number in order], {}, {})
    assert changes_.cases == {"s/c": versions[2]}
    assert bool(changes_.stale) == (list(order) != [0, 1, 2])
    assert changes_.live == 0


def test_without_a_protocol_only_coded_items_count_and_no_wallet_is_kept() -> None:
    case = _case(1, ("warfarin",))
    narrative = DrugUse(Term("aspirin", Provenance.NARRATIVE), DrugRole.SUSPECT)
    case = msgspec.structs.replace(case, drugs=(*case.drugs, narrative))
    changes_ = Casebook(None).fold([case], {}, {})
    assert [change.drugs for change in changes_.table] == [("warfarin",)]
    assert changes_.wallets == {}
    counted = Casebook(msgspec.structs.replace(protocol(), with_narrative=True)).fold([case], {}, {})
    assert [change.drugs for change in counted.table] == [("aspirin", "warfarin")]
