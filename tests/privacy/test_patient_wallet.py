"""What a patient may add to all tables: R1 and R2 in each of the three accounts, and margins that count patients."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.errors import IntegrityError, ParameterError
from privacy.patient_wallet import PatientOutcome, PatientWallet, charge, decode_wallet, encode_wallet
from privacy.table_layout import TableLayout
from privacy.wallet import Account, CellState, WalletPolicy, contribute

POLICY = WalletPolicy(capacity=1.5, operation_limit=16)
WIDE = WalletPolicy(capacity=6.0, operation_limit=64)
LAYOUT = TableLayout(drugs=3, reactions=4)

Step = tuple[list[int], list[int]]  # cells of one more, and of one fewer, live report


@dataclass
class Patient:
    """A patient's reports and what the tables hold of them, kept apart from the wallet and checked at every step."""

    policy: WalletPolicy
    wallet: PatientWallet = field(default_factory=PatientWallet)
    live: Counter[int] = field(default_factory=Counter)
    value: Counter[int] = field(default_factory=Counter)
    weight_of: dict[int, int] = field(default_factory=dict)
    spent: list[int] = field(default_factory=lambda: [0, 0, 0])
    count: list[int] = field(default_factory=lambda: [0, 0, 0])
    blocked: int = 0

    def move(self, added: list[int], removed: list[int]) -> PatientOutcome:
        removed = [cell for cell in removed if self.live[cell] > 0]
        outcome = charge(self.wallet, added=added, removed=removed, policy=self.policy, layout=LAYOUT)
        self.live.update(added)
        self.live.subtract(removed)
        self.wallet, self.blocked = outcome.wallet, self.blocked + outcome.blocked
        for place, weight in outcome.operations:
            assert 0 < abs(weight) <= 256  # R3
            assert self.weight_of.setdefault(place, abs(weight)) == abs(weight)  # R1: one weight a coordinate
            assert self.value[place] == (0 if weight > 0 else -weight)  # R1: signs alternate, + first
            self.value[place] += weight
            table = table_of(place)
            self.spent[table] += weight**2
            self.count[table] += 1
        return outcome

    @property
    def accounts(self) -> list[Account]:
        return [self.wallet.pairs, self.wallet.drugs, self.wallet.reactions]

    def counted(self, table: int) -> set[int]:
        return {place for place, value in self.value.items() if value and table_of(place) == table}


def table_of(place: int) -> int:
    assert 0 <= place < LAYOUT.length
    return 0 if place < LAYOUT.cells else 1 if place < LAYOUT.cells + LAYOUT.drugs else 2


cells = st.lists(st.integers(0, LAYOUT.cells - 1), max_size=5, unique=True)
steps = st.lists(st.tuples(cells, cells), max_size=30)
policies = st.builds(WalletPolicy, st.sampled_from([0.5, 1.0, 1.5, 2.75, 6.0]), st.integers(1, 40))


@settings(max_examples=300, deadline=None)
@given(steps, policies)
def test_rules_r1_and_r2_hold_in_each_account_whatever_happens(stream: list[Step], policy: WalletPolicy) -> None:
    patient = Patient(policy)
    for added, removed in stream:
        before = encode_wallet(patient.wallet), patient.wallet
        patient.move(added, removed)
        assert encode_wallet(before[1]) == before[0]  # nothing was mutated
        for account, spent, count in zip(patient.accounts, patient.spent, patient.count, strict=True):
            assert (account.spent, account.operations) == (spent, count)
            assert spent <= policy.capacity_squared
            assert count <= patient.count[0] <= policy.operation_limit  # an operation of a margin goes with a pair's
        assert decode_wallet(encode_wallet(patient.wallet)) == patient.wallet


@settings(max_examples=200, deadline=None)
@given(st.lists(cells, max_size=20), policies)
def test_margins_never_block_as_long_as_nothing_is_taken_back(reports: list[list[int]], policy: WalletPolicy) -> None:
    patient = Patient(policy)
    for added in reports:
        before = patient.wallet
        outcome = patient.move(added, [])
        alone = contribute(before.pairs, added=added, removed=[], policy=policy)
        assert outcome.blocked == alone.blocked  # of the pairs
        assert max(patient.spent[1:]) <= patient.spent[0]
        assert max(patient.count[1:]) <= patient.count[0]
        assert patient.counted(1) == {LAYOUT.drug(cell) for cell in patient.counted(0)}
        assert patient.counted(2) == {LAYOUT.reaction(cell) for cell in patient.counted(0)}


@settings(max_examples=200, deadline=None)
@given(steps)
def test_a_drug_counts_exactly_while_a_counted_pair_holds_it(stream: list[Step]) -> None:
    """Weights of 1 and purses that pay for all of it, so that nothing is blocked."""
    patient = Patient(WalletPolicy(capacity=16.0, operation_limit=1024))
    for added, removed in stream:
        patient.move(added, removed)
        if patient.blocked:
            break
        assert patient.counted(0) == {cell for cell, reports in patient.live.items() if reports}
        assert patient.counted(1) == {LAYOUT.drug(cell) for cell in patient.counted(0)}
        assert patient.counted(2) == {LAYOUT.reaction(cell) for cell in patient.counted(0)}


@settings(max_examples=100, deadline=None)
@given(steps, policies, st.randoms(use_true_random=False), st.binary(max_size=8))
def test_the_order_of_the_list_does_not_matter(
    stream: list[Step], policy: WalletPolicy, source: Random, salt: bytes
) -> None:
    one, other = PatientWallet(), PatientWallet()
    live = Counter[int]()
    for added, removed in stream:
        held = [cell for cell in removed if live[cell] > 0]
        live.update(added)
        live.subtract(held)
        mixed = [source.sample(each, len(each)) for each in (added, held)]
        first = charge(one, added=added, removed=held, policy=policy, layout=LAYOUT, salt=salt)
        second = charge(other, added=mixed[0], removed=mixed[1], policy=policy, layout=LAYOUT, salt=salt)
        assert first == second
        one, other = first.wallet, second.wallet


def test_a_drug_counts_once_with_the_weight_of_the_pair_that_brought_it() -> None:
    patient = Patient(POLICY)
    assert patient.move([0], []).operations == ((0, 256), (12, 256), (15, 256))
    second = patient.move([1, 4, 5], [])  # two more reactions, one more drug; 1.25 left for three pairs
    weight = 165  # the floor of 256 sqrt(1.25 / 3)
    assert second.operations == ((1, weight), (4, weight), (5, weight), (13, weight), (16, weight))
    assert patient.spent == [65536 + 3 * weight**2, 65536 + weight**2, 65536 + weight**2]


def test_a_correction_within_a_drug_leaves_its_margin_alone() -> None:
    patient = Patient(WIDE)
    patient.move([0], [])
    assert patient.move([1], [0]).operations == ((0, -256), (1, 256), (15, -256), (16, 256))
    assert patient.move([], [1]).operations == ((1, -256), (12, -256), (16, -256))


def test_a_drug_founded_anew_has_its_old_weight_even_where_the_new_pair_has_a_smaller_one() -> None:
    """C squared is 4: a pair comes and goes and costs 2; two new pairs bring the rest, the drug's purse pays 1 of 2."""
    patient = Patient(WalletPolicy(capacity=2.0, operation_limit=16))
    patient.move([0], [])
    patient.move([], [0])
    anew = patient.move([1, 5, 10], [])
    weight = 209  # the floor of 256 sqrt(2 / 3)
    assert anew.operations[:3] == ((1, weight), (5, weight), (10, weight))
    assert anew.operations[3:5] == ((12, 256), (13, weight))
    assert anew.blocked == 1  # the third drug: 4 - 2 - 1 - 0.67 is less than it costs
    assert patient.wallet.drugs.cells[14] == CellState(1, 0, False)
    assert 1 + 1 + 1 + weight**2 / 65536 <= 4 < 1 + 1 + 1 + 2 * weight**2 / 65536


def test_an_exhausted_wallet_contributes_to_no_table() -> None:
    exhausted = PatientWallet.exhausted(POLICY)
    assert exhausted.is_exhausted(POLICY)
    assert not PatientWallet().is_exhausted(POLICY)
    outcome = charge(exhausted, added=[0, 5], removed=[], policy=POLICY, layout=LAYOUT)
    assert (outcome.operations, outcome.blocked) == ((), 2)
    with pytest.raises(ParameterError, match="cell 0"):
        charge(PatientWallet(), added=[], removed=[0], policy=POLICY, layout=LAYOUT)


def test_coordinates_are_those_of_tables_laid_end_to_end() -> None:
    seen = [(cell, LAYOUT.drug(cell), LAYOUT.reaction(cell)) for cell in range(LAYOUT.cells)]
    assert seen == [(4 * drug + reaction, 12 + drug, 15 + reaction) for drug in range(3) for reaction in range(4)]
    assert list(LAYOUT.lengths.items()) == [("pair", 12), ("drug", 3), ("reaction", 4)]
    assert LAYOUT.length == 19


def test_the_codec_is_compact_and_refuses_damage() -> None:
    layout = TableLayout(drugs=1000, reactions=1000)
    wallet = charge(PatientWallet(), added=[100_000, 100_001, 100_007], removed=[], policy=POLICY, layout=layout).wallet
    data = encode_wallet(wallet)
    assert len(data) <= 70
    assert decode_wallet(data) == wallet
    assert decode_wallet(encode_wallet(PatientWallet())) == PatientWallet()
    pack = msgspec.msgpack.encode
    empty = [0, 0]
    damages = [
        b"",
        data[:-1],
        data + b"\x00",
        pack((1, 0, 0, [])),  # the first version of the codec: one account
        pack((3, (empty, empty, empty))),
        pack((2, (empty, empty))),
        pack((2, (empty, empty, [0]))),
        pack((2, (empty, empty, [-1, 0]))),
        pack((2, (empty, [0, 0, 1, 1], empty))),
        pack((2, ([0, 0, 1, 1, 3, 0, 1, 3], empty, empty))),  # one cell twice
        pack((2, (empty, empty, [0, 0, 1, 1, 514]))),
        pack((2, (empty, empty, ["0", 0]))),
    ]
    for damaged in damages:
        with pytest.raises(IntegrityError, match=r"wallet|account"):
            decode_wallet(damaged)
