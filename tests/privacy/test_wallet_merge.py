"""Two identities become one patient: whatever both did before and after, the one patient stays within C and M."""

import itertools
from collections import Counter
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.factorisation import SquareRootFactorisation
from privacy.patient_wallet import PatientOutcome, PatientWallet, charge, decode_wallet, encode_wallet
from privacy.table_layout import TableLayout
from privacy.wallet import Account, CellState, Operation, WalletPolicy
from privacy.wallet_merge import closed_wallet, held_wallet, merged_wallet

POLICY = WalletPolicy(capacity=1.5, operation_limit=16)
WIDE = WalletPolicy(capacity=4.0, operation_limit=32)
LAYOUT = TableLayout(drugs=2, reactions=3)
ENDS = [0, 6, 8, 11]  # where the tables begin and end

Step = tuple[int, bool, list[int]]
steps = st.lists(
    st.tuples(st.integers(0, 1), st.booleans(), st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True)),
    max_size=14,
)
policies = st.builds(WalletPolicy, st.sampled_from([0.5, 1.5, 2.75, 6.0]), st.integers(1, 20))


def change(wallet: PatientWallet, added: list[int], removed: list[int], policy: WalletPolicy) -> PatientOutcome:
    return charge(wallet, added=added, removed=removed, policy=policy, layout=LAYOUT)


def play(
    wallet: PatientWallet, live: Counter[int], step: Step, policy: WalletPolicy
) -> tuple[PatientWallet, list[Operation]]:
    _, is_removal, cells = step
    cells = [cell for cell in cells if live[cell] > 0] if is_removal else cells
    added, removed = ([], cells) if is_removal else (cells, [])
    live.update(added)
    live.subtract(removed)
    outcome = change(wallet, added, removed, policy)
    return outcome.wallet, list(outcome.operations)


def accounts(wallet: PatientWallet) -> list[Account]:
    return [wallet.pairs, wallet.drugs, wallet.reactions]


def encoded_energy(stream: list[list[Operation]]) -> list[float]:
    """Squared length by table, relative to the squared column norm, of the encoded operations, an epoch a step."""
    matrix = SquareRootFactorisation(len(stream) or 1, 8)
    rows = np.array([[*matrix.row(t), *[0] * (matrix.epochs - t - 1)] for t in range(matrix.epochs)], dtype=float)
    line = np.zeros((matrix.epochs, LAYOUT.length))
    for epoch, operations in enumerate(stream):
        for place, weight in operations:
            line[epoch, place] += weight
    squares = ((rows @ line) ** 2).sum(axis=0) / float((rows**2).sum(axis=0).max())
    return [float(squares[start:end].sum()) for start, end in itertools.pairwise(ENDS)]


@settings(max_examples=250, deadline=None)
@given(steps, steps, policies)
def test_one_patient_of_two_identities_stays_within_the_wallet(
    before: list[Step], after: list[Step], policy: WalletPolicy
) -> None:
    wallets, live = [PatientWallet(), PatientWallet()], [Counter[int](), Counter[int]()]
    stream: list[list[Operation]] = []
    for step in before:
        who = step[0]
        wallets[who], paid = play(wallets[who], live[who], step, policy)
        stream.append(paid)
    kept, given_up = wallets
    merged = merged_wallet(kept, given_up)
    assert decode_wallet(encode_wallet(merged)) == merged
    for one, other, both in zip(accounts(kept), accounts(given_up), accounts(merged), strict=True):
        assert both.spent >= one.spent + other.spent
        assert both.operations == one.operations + other.operations
    closed = closed_wallet(given_up, policy)
    frozen = {
        place
        for account in accounts(merged)
        for place, state in account.cells.items()
        if state.is_counted and not state.weight
    }
    value = Counter[int]()
    for operations in stream:
        for place, weight in operations:
            value[place] += weight
    for step in after:
        if step[0] == 1:  # what still comes under the identity that was given up
            closed, paid = play(closed, live[1], step, policy)
            assert paid == []
        else:
            merged, paid = play(merged, live[0], step, policy)
        for place, weight in paid:
            assert place not in frozen
            assert value[place] == (0 if weight > 0 else -weight)  # R1 goes on across the merge
            value[place] += weight
        stream.append(paid)
    energies = encoded_energy(stream)
    for table, (start, end) in enumerate(itertools.pairwise(ENDS)):
        every = [weight for operations in stream for place, weight in operations if start <= place < end]
        gained = sum(start <= place < end for operations in stream[len(before) :] for place, _ in operations)
        if gained:
            assert accounts(merged)[table].spent <= policy.capacity_squared
            assert sum(weight**2 for weight in every) <= policy.capacity_squared
            assert len(every) <= policy.operation_limit
        at_merge = (sqrt(accounts(kept)[table].spent) + sqrt(accounts(given_up)[table].spent)) ** 2
        assert energies[table] <= max(policy.capacity_squared, at_merge) * (1 + 1e-9)


def test_a_patient_counts_once_after_the_merge_and_can_be_taken_back() -> None:
    kept = change(PatientWallet(), [1], [], WIDE).wallet
    given_up = change(PatientWallet(), [5], [], WIDE).wallet
    merged = merged_wallet(kept, given_up)
    assert merged.pairs == Account(2 * 256**2, 2, {1: CellState(1, 256, True), 5: CellState(0, 256, True)})
    assert merged.drugs == Account(2 * 256**2, 2, {6: CellState(1, 256, True), 7: CellState(1, 256, True)})
    again = change(merged, [5], [], WIDE)  # the case comes anew under the surviving identity
    assert (again.operations, again.blocked) == ((), 0)
    gone = change(again.wallet, [], [5], WIDE)
    assert gone.operations == ((5, -256), (7, -256), (10, -256))


def test_a_drug_of_one_identity_stays_counted_until_the_pairs_of_both_are_gone() -> None:
    kept = change(PatientWallet(), [3], [], WIDE).wallet  # the second drug, the first reaction
    given_up = change(change(PatientWallet(), [0, 1], [], WIDE).wallet, [], [1], WIDE).wallet
    merged = change(merged_wallet(kept, given_up), [0, 1], [], WIDE)  # 0 is held already, 1 is new again
    assert merged.operations == ((1, 256), (9, 256))
    assert change(merged.wallet, [], [1], WIDE).operations == ((1, -256), (9, -256))  # drug 6 is still in 0
    # the reaction 8 was paid for by both: frozen, while the pairs and the drug go
    assert change(merged.wallet, [], [0, 1], WIDE).operations == ((0, -256), (1, -256), (6, -256), (9, -256))


def test_a_cell_that_both_identities_paid_for_is_frozen_in_every_table() -> None:
    one = change(PatientWallet(), [1], [], WIDE).wallet
    merged = merged_wallet(one, one)
    for account, place, reports in zip(accounts(merged), (1, 6, 9), (1, 2, 2), strict=True):
        assert account.spent in range(4 * 256**2, 4 * 256**2 + 2)  # lengths add up: (1 + 1) squared
        assert account.cells == {place: CellState(reports, 0, True)}
    gone = change(merged, [], [1], WIDE)
    assert (gone.operations, gone.blocked) == ((), 1)
    third = merged_wallet(gone.wallet, one)
    assert third.pairs.cells == {1: CellState(0, 0, True)}


def test_a_margin_that_both_paid_for_is_frozen_where_their_pairs_are_not() -> None:
    kept, given_up = (change(PatientWallet(), [cell], [], WIDE).wallet for cell in (0, 1))  # one drug, two reactions
    merged = merged_wallet(kept, given_up)
    assert merged.pairs.spent == merged.reactions.spent == 2 * 256**2
    assert merged.drugs.spent in range(4 * 256**2, 4 * 256**2 + 2)
    assert merged.drugs.cells == {6: CellState(2, 0, True)}
    gone = change(merged, [], [0], WIDE)
    assert gone.operations == ((0, -256), (8, -256))


def test_a_wallet_held_during_a_merge_has_its_old_spend_and_the_reports_that_came_since() -> None:
    before = change(PatientWallet(), [1], [], WIDE).wallet
    closed = closed_wallet(before, WIDE)
    assert closed.is_exhausted(WIDE)
    since = change(closed, [2], [], WIDE)
    assert (since.operations, since.blocked) == ((), 1)
    held = held_wallet(before, since.wallet)
    assert [(account.spent, account.operations) for account in accounts(held)] == [(256**2, 1)] * 3
    assert held.pairs.cells == {1: CellState(1, 256, True), 2: CellState(1, 0, False)}


@pytest.mark.parametrize("weights", [(1.5, 1.5), (1.5, 0.0)])
def test_what_is_over_the_wallet_after_a_merge_pays_nothing_more(weights: tuple[float, float]) -> None:
    kept, given_up = (PatientWallet(*[Account(int(each * each * 65536), 3)] * 3) for each in weights)
    merged = merged_wallet(kept, given_up)
    assert merged.is_exhausted(POLICY)
    assert change(merged, [5], [], POLICY).operations == ()
