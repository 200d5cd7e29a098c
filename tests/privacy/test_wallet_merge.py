"""Two identities become one patient: whatever both did before and after, the one patient stays within C and M."""

from collections import Counter
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.factorisation import SquareRootFactorisation
from privacy.wallet import Account, CellState, Operation, WalletPolicy, contribute, decode_account, encode_account
from privacy.wallet_merge import closed_account, merged_account

POLICY = WalletPolicy(capacity=1.5, operation_limit=16)

Step = tuple[int, bool, list[int]]
steps = st.lists(
    st.tuples(st.integers(0, 1), st.booleans(), st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True)),
    max_size=14,
)
policies = st.builds(WalletPolicy, st.sampled_from([0.5, 1.5, 2.75, 6.0]), st.integers(1, 20))


def play(account: Account, live: Counter[int], step: Step, policy: WalletPolicy) -> tuple[Account, list[Operation]]:
    _, is_removal, cells = step
    cells = [cell for cell in cells if live[cell] > 0] if is_removal else cells
    added, removed = ([], cells) if is_removal else (cells, [])
    live.update(added)
    live.subtract(removed)
    outcome = contribute(account, added=added, removed=removed, policy=policy)
    return outcome.account, list(outcome.operations)


def encoded_energy(stream: list[list[Operation]]) -> float:
    """Squared length, relative to the squared column norm, of what the matrix makes of operations, an epoch a step."""
    matrix = SquareRootFactorisation(len(stream) or 1, 8)
    rows = np.array([[*matrix.row(t), *[0] * (len(stream) - t - 1)] for t in range(len(stream))], dtype=float)
    table = np.zeros((len(stream), 5))
    for epoch, operations in enumerate(stream):
        for cell, weight in operations:
            table[epoch, cell] += weight
    column = float((rows**2).sum(axis=0).max()) if stream else 1.0
    return float(((rows @ table) ** 2).sum()) / column if stream else 0.0


@settings(max_examples=250, deadline=None)
@given(steps, steps, policies)
def test_one_patient_of_two_identities_stays_within_the_wallet(
    before: list[Step], after: list[Step], policy: WalletPolicy
) -> None:
    accounts, live = [Account(), Account()], [Counter[int](), Counter[int]()]
    stream: list[list[Operation]] = []
    for step in before:
        who = step[0]
        accounts[who], paid = play(accounts[who], live[who], step, policy)
        stream.append(paid)
    kept, given_up = accounts
    merged = merged_account(kept, given_up)
    assert decode_account(encode_account(merged)) == merged
    assert merged.spent >= kept.spent + given_up.spent
    assert merged.operations == kept.operations + given_up.operations
    at_merge = (sqrt(kept.spent) + sqrt(given_up.spent)) ** 2
    closed = closed_account(given_up, policy)
    doubled = {cell for cell, state in merged.cells.items() if state.is_counted and not state.weight}
    value = Counter[int]()
    for operations in stream:
        for cell, weight in operations:
            value[cell] += weight
    for step in after:
        who = step[0]
        if who == 1:  # what still comes under the identity that was given up
            closed, paid = play(closed, live[1], step, policy)
            assert paid == []
        else:
            merged, paid = play(merged, live[0], step, policy)
        for cell, weight in paid:
            assert cell not in doubled
            assert value[cell] == (0 if weight > 0 else -weight)  # R1 goes on across the merge
            value[cell] += weight
        stream.append(paid)
    every = [weight for operations in stream for _, weight in operations]
    gained = sum(len(operations) for operations in stream[len(before) :])
    if gained:
        assert merged.spent <= policy.capacity_squared
        assert sum(weight**2 for weight in every) <= policy.capacity_squared
        assert len(every) <= policy.operation_limit
    bound = max(policy.capacity_squared, at_merge)
    assert encoded_energy(stream) <= bound * (1 + 1e-9)


def test_a_patient_counts_once_after_the_merge_and_can_be_taken_back() -> None:
    policy = WalletPolicy(capacity=3.0, operation_limit=16)
    kept = contribute(Account(), added=[1], removed=[], policy=policy).account
    given_up = contribute(Account(), added=[2], removed=[], policy=policy).account
    merged = merged_account(kept, given_up)
    assert merged == Account(2 * 256**2, 2, {1: CellState(1, 256, True), 2: CellState(0, 256, True)})
    again = contribute(merged, added=[2], removed=[], policy=policy)  # the case comes anew under the surviving identity
    assert (again.operations, again.blocked) == ((), 0)
    gone = contribute(again.account, added=[], removed=[2], policy=policy)
    assert gone.operations == ((2, -256),)


def test_a_cell_that_both_identities_paid_for_is_frozen() -> None:
    policy = WalletPolicy(capacity=3.0, operation_limit=16)
    one = contribute(Account(), added=[1], removed=[], policy=policy).account
    merged = merged_account(one, one)
    assert merged.spent in range(4 * 256**2, 4 * 256**2 + 2)  # lengths add up: (1 + 1) squared
    assert merged.cells == {1: CellState(1, 0, True)}
    gone = contribute(merged, added=[], removed=[1], policy=policy)
    assert (gone.operations, gone.blocked) == ((), 1)
    third = merged_account(gone.account, one)
    assert third.cells == {1: CellState(0, 0, True)}


@pytest.mark.parametrize("weights", [(1.5, 1.5), (1.5, 0.0)])
def test_what_is_over_the_wallet_after_a_merge_pays_nothing_more(weights: tuple[float, float]) -> None:
    kept, given_up = (Account(int(each * each * 65536), 3) for each in weights)
    merged = merged_account(kept, given_up)
    assert merged.is_exhausted(POLICY)
    assert contribute(merged, added=[9], removed=[], policy=POLICY).operations == ()
