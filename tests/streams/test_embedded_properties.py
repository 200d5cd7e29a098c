"""Whatever the order, the repetitions and the batches: the table is what independent counting gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import pseudonymise
from privacy.protocol import SurveillanceProtocol
from streams.intake import Intake
from streams.partition_book import PartitionBook
from streams.record_batch import RecordBatch
from streams.store import PartitionStore, Position, StoreChanges
from tests.streams.make import KEY, embedded_site, protocol, vocabulary
from tests.streams.play import DRUGS, REACTIONS, Entry, disordered, newest, patients_by_coordinate, random_play, tables
from tests.streams.tables import plain

_names = st.lists(st.sampled_from(DRUGS), min_size=1, max_size=3, unique=True).map(tuple)
_effects = st.lists(st.sampled_from(REACTIONS), min_size=1, max_size=2, unique=True).map(tuple)


@st.composite
def _histories(draw: st.DrawFn) -> list[Entry]:
    entries = []
    for number in range(draw(st.integers(1, 4))):
        for version in range(1, draw(st.integers(1, 4)) + 1):
            patient = draw(st.sampled_from(("ann", "bo")))
            if draw(st.integers(0, 3)) == 0:
                # a nullification may also carry the number of the version it takes back
                place = max(1, version - draw(st.integers(0, 1)))
                entries.append(Entry(f"c{number}", place, patient, is_deleted=draw(st.booleans())))
            else:
                entries.append(Entry(f"c{number}", version, patient, draw(_names), draw(_effects), draw(st.booleans())))
    return entries


@st.composite
def _deliveries(draw: st.DrawFn) -> tuple[list[Entry], list[list[Entry]]]:
    entries = draw(_histories())
    again = draw(st.lists(st.sampled_from(entries), max_size=4))
    order = draw(st.permutations(entries + again))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    edges = [0, *cuts, len(order)]
    return entries, [order[start:end] for start, end in pairwise(edges)]


class _Book:
    """Intake and casebook over one store, for what `EmbeddedSite` does not show."""

    def __init__(self, under: SurveillanceProtocol) -> None:
        self.store = PartitionStore(None)
        self.book = PartitionBook(self.store, under, is_learning=False)
        self._intake = Intake(vocabulary=vocabulary(), pseudonym_key=KEY, read_narratives=False)
        self._under = under
        self._next = 0

    def take(self, entries: Sequence[Entry]) -> None:
        batch = RecordBatch.of([entry.record() for entry in entries], self._intake, self.store)
        changes = StoreChanges(index=batch.index, book=self.book.prepare(batch.cases), counters=batch.counters)
        self.book.commit(changes, Position("test", self._next, self._next + 1))
        self._next += 1

    def net(self, *, epoch: int = 0) -> Counter[int]:
        """Weight by coordinate, in whole patients, of what waits to be released."""
        part = self.book.seal(epoch)
        if part is None:
            return Counter()
        vector = part.vector
        cells = zip(vector.cells.tolist(), vector.weights.tolist(), strict=True)
        return Counter({cell: weight / 256 for cell, weight in cells})


@settings(max_examples=300, deadline=None)
@given(_deliveries())
def test_any_order_repetition_and_batches_give_the_batch_table(delivery: tuple[list[Entry], list[list[Entry]]]) -> None:
    entries, batches = delivery
    site = embedded_site()
    for batch in batches:
        site.take([entry.record() for entry in batch])
    assert plain(site.table) == tables(entries)
    site.tally.check()
    assert site.tally.cases == sum(not entry.is_nullified for entry in newest(entries).values())
    assert len(list(site.cases())) == site.tally.cases
    assert not site.tally.dead_letters


@settings(max_examples=200, deadline=None)
@given(_deliveries())
def test_a_full_wallet_contributes_each_live_pair_once(
    delivery: tuple[list[Entry], list[list[Entry]]],
) -> None:
    entries, batches = delivery
    under = protocol(capacity=16.0, operations=1024)
    book = _Book(under)
    for batch in batches:
        book.take(batch)
    assert book.net() == patients_by_coordinate(entries, under)
    assert book.book.wallet_summary().blocked_operations == 0


@settings(max_examples=100, deadline=None)
@given(_deliveries())
def test_a_small_wallet_is_never_overdrawn(delivery: tuple[list[Entry], list[list[Entry]]]) -> None:
    entries, batches = delivery
    book = _Book(protocol(capacity=1.0, operations=3))
    for batch in batches:
        book.take(batch)
    for entry in entries:
        patient = pseudonymise(f"fhir:Patient/{entry.patient}", key=KEY)
        wallet = book.store.wallets_of([patient]).get(patient)
        for account in () if wallet is None else (wallet.pairs, wallet.drugs, wallet.reactions):
            assert account.spent <= 256**2
            assert account.operations <= 3
    assert plain(book.book.table) == tables(entries)


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_long_disordered_play_with_restarts(tmp_path: Path, on_disk: bool) -> None:
    play = random_play(7, cases=2000)
    delivered = disordered(play, 8, again=0.2)
    directory = tmp_path / "site" if on_disk else None
    under = protocol()
    site = embedded_site(directory, under=under)
    for start in range(0, len(delivered), 500):
        site.take([entry.record() for entry in delivered[start : start + 500]])
        if on_disk:
            before = (site.tally, site.wallet_summary(), site.drift.snapshot(), site.triage.snapshot())
            site.close()
            site = embedded_site(directory, under=under)
            assert (site.tally, site.wallet_summary(), site.drift.snapshot(), site.triage.snapshot()) == before
    assert plain(site.table) == tables(play)
    site.tally.check()
    assert site.tally.read == len(delivered)


def test_a_spent_wallet_blocks_and_both_are_counted() -> None:
    under = protocol(capacity=1.0)
    book = _Book(under)
    book.take([Entry("c1", 1, "ann", DRUGS[:1], REACTIONS[:1])])
    assert (book.book.wallet_summary().exhausted, book.book.wallet_summary().blocked_operations) == (1, 0)
    book.take([Entry("c2", 1, "ann", DRUGS[1:3], REACTIONS[:1]), Entry("c3", 1, "bo", DRUGS[1:2], REACTIONS[:1])])
    assert (book.book.wallet_summary().exhausted, book.book.wallet_summary().blocked_operations) == (2, 2)
    book.take([Entry("c1", 2, "ann", is_deleted=True)])  # nothing is left to take it back with
    assert book.book.wallet_summary().blocked_operations == 3
    paid = [Entry("c1", 1, "ann", DRUGS[:1], REACTIONS[:1]), Entry("c3", 1, "bo", DRUGS[1:2], REACTIONS[:1])]
    assert book.net() == patients_by_coordinate(paid, under)
