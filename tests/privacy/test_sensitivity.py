"""Theorems 1 and 2 of docs/privacy.md, against the wallet as it is, in every small world there is.

A world has three drugs' and two reactions' worth of cells at most, a few epochs, and one patient whose reports come and
go. Every stream of moves up to a length is walked (a depth-first search over the real `charge`), and at each point the
patient's encoded difference is compared, table by table, with the sensitivity that noise is scaled to, in integers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.errors import ParameterError
from privacy.dense_factorisation import DenseFactorisation
from privacy.epoch_vector import EpochVector
from privacy.factorisation import SquareRootFactorisation
from privacy.patient_wallet import PatientWallet, charge
from privacy.release_spec import ReleaseSpec
from privacy.strategy_matrix import StrategyMatrix, check_condition_s
from privacy.table_layout import TableLayout
from privacy.trust_mode import PerSite
from privacy.wallet import Operation, WalletPolicy
from privacy.wallet_merge import merged_wallet
from tests.privacy.examples import protocol
from tests.privacy.strategies import ARTEFACTS, counting_with

Move = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass
class World:
    """Epochs, cells and a wallet; `worst` has the largest squared norms: pair, drug, reaction, both margins."""

    policy: WalletPolicy
    drugs: int
    reactions: int
    epochs: int
    moves: tuple[Move, ...] = ()
    strategy: StrategyMatrix | None = None
    rows: list[list[int]] = field(default_factory=list)
    worst: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def __post_init__(self) -> None:
        self.strategy = self.strategy or SquareRootFactorisation(self.epochs, 8)
        self.rows = [self.strategy.row(epoch).tolist() for epoch in range(self.epochs)]
        self.layout = TableLayout(drugs=self.drugs, reactions=self.reactions)

    def measure(self, operations: list[tuple[int, Operation]]) -> None:
        """Squared norm of C x for one patient's stream, in each table and in both margins together."""
        encoded = [[0] * self.layout.length for _ in range(self.epochs)]
        for epoch, (place, weight) in operations:
            for later in range(epoch, self.epochs):
                encoded[later][place] += self.rows[later][epoch] * weight
        ends = [0, self.layout.cells, self.layout.cells + self.drugs, self.layout.length]
        norms = [
            sum(value * value for row in encoded for value in row[start:end]) for start, end in itertools.pairwise(ends)
        ]
        found = [*norms, norms[1] + norms[2]]
        self.worst = [max(pair) for pair in zip(self.worst, found, strict=True)]

    def walk(self, depth: int, wallet: PatientWallet, epoch: int, operations: list[tuple[int, Operation]]) -> int:
        """All streams of at most `depth` more moves; gives their number."""
        if depth == 0:
            return 1
        count = 1
        if epoch + 1 < self.epochs:
            count += self.walk(depth - 1, wallet, epoch + 1, operations)
        held = wallet.pairs.cells
        for added, removed in self.moves:
            if any(cell not in held or not held[cell].reports for cell in removed):
                continue
            outcome = charge(wallet, added=added, removed=removed, policy=self.policy, layout=self.layout)
            longer = operations + [(epoch, operation) for operation in outcome.operations]
            if outcome.operations:
                self.measure(longer)
            count += self.walk(depth - 1, outcome.wallet, epoch, longer)
        return count

    def bounds(self) -> list[int]:
        """The squared sensitivities of Theorem 1, for each table, and of Theorem 2, for both margins."""
        assert self.strategy is not None
        one = self.policy.capacity_squared * self.strategy.column_norm_squared
        return [one, one, one, 2 * one]

    def is_within_bounds(self) -> bool:
        return all(worst <= bound for worst, bound in zip(self.worst, self.bounds(), strict=True))


def single_cell_moves(cells: int) -> tuple[Move, ...]:
    added: list[Move] = [((cell,), ()) for cell in range(cells)]
    return (*added, *(((), (cell,)) for cell in range(cells)))


# a pair of weight 1 goes, and its drug and reaction come back with three new pairs, which pay less than 1
FOUNDED_ANEW: tuple[Move, ...] = (((0,), ()), ((), (0,)), ((1, 3, 5), ()), ((), (1, 3)), ((0, 5), (1,)))


@pytest.mark.parametrize(
    ("capacity", "limit", "moves", "depth"),
    [
        (1.0, 4, single_cell_moves(4), 6),
        (1.5, 2, single_cell_moves(4), 6),
        (0.5, 8, (((0,), ()), ((), (0,))), 10),  # one cell, coming and going
        (1.0, 2, (((0, 1), ()), ((0, 2), ()), ((), (0,)), ((3,), (0,)), ((1,), (0, 2))), 7),  # stars and corrections
        (2.0, 16, FOUNDED_ANEW, 7),
    ],
)
def test_no_stream_exceeds_the_sensitivity(capacity: float, limit: int, moves: tuple[Move, ...], depth: int) -> None:
    world = World(WalletPolicy(capacity, limit), drugs=3, reactions=2, epochs=3, moves=moves)
    assert world.walk(depth, PatientWallet(), 0, []) > 1_000
    assert world.is_within_bounds()
    assert world.worst[0] > 0.8 * world.bounds()[0]


def test_a_drug_founded_anew_is_walked_with_a_weight_that_its_pair_does_not_have() -> None:
    """The world above does reach what it is for: coordinates of a margin with another weight than any pair there."""
    policy, layout = WalletPolicy(2.0, 16), TableLayout(drugs=3, reactions=2)
    wallet = PatientWallet()
    for added, removed in FOUNDED_ANEW[:3]:
        outcome = charge(wallet, added=added, removed=removed, policy=policy, layout=layout)
        wallet = outcome.wallet
    assert dict(outcome.operations) == {1: 209, 3: 209, 5: 209, 6: 256, 7: 209, 10: 209}


@pytest.mark.parametrize(
    "rows",
    [
        [[3000, 0, 0], [1500, 3500, 0], [1200, 1800, 4096]],  # as an optimiser makes them
        [[1, 0, 0], [1, 9, 0], [0, 0, 1]],  # the second column is the longest
        [[7, 0, 0], [7, 7, 0], [7, 7, 7]],
    ],
)
def test_no_stream_exceeds_the_sensitivity_of_a_dense_matrix(rows: list[list[int]]) -> None:
    strategy = DenseFactorisation(np.array(rows, dtype=np.uint16), 12)
    for policy, moves, depth in (
        (WalletPolicy(1.0, 4), single_cell_moves(4), 5),
        (WalletPolicy(1.0, 2), (((0, 1), ()), ((0, 2), ()), ((), (0,)), ((1,), (0, 2))), 7),
    ):
        world = World(policy, drugs=2, reactions=2, epochs=3, moves=moves, strategy=strategy)
        world.walk(depth, PatientWallet(), 0, [])
        assert 0.9 * world.bounds()[0] < world.worst[0]
        assert world.is_within_bounds()


def test_without_condition_s_the_bound_would_break() -> None:
    """Why matrices are refused: three operations in one cell, paid for three times, carry more energy than that."""
    for rows, longest in (([[1], [0, 1], [9, 0, 9]], 82), ([[1], [-9, 9], [9, -9, 9]], 163)):
        with pytest.raises(ParameterError, match="condition"):
            check_condition_s(np.array([[*row, 0, 0][:3] for row in rows]))
        world = World(WalletPolicy(1.0, 3), drugs=1, reactions=1, epochs=3)
        world.rows = rows
        signs = (1, -1, 1)
        world.measure([(epoch, Operation(0, sign * 100)) for epoch, sign in enumerate(signs)])
        assert world.worst[0] > 3 * 100**2 * longest


@pytest.mark.parametrize(("capacity", "pairs"), [(1.0, 1), (1.5, 9), (2.0, 4), (3.0, 16)])
def test_a_matching_attains_all_bounds_so_no_smaller_noise_would_do(capacity: float, pairs: int) -> None:
    """Pairs that share neither drug nor reaction: weights with squares that sum to C squared exactly."""
    cells = tuple(number * (pairs + 1) for number in range(pairs))
    world = World(WalletPolicy(capacity, pairs), drugs=pairs, reactions=pairs, epochs=3, moves=((cells, ()),))
    world.walk(1, PatientWallet(), 0, [])
    assert world.worst == world.bounds()


def test_a_star_loses_less_than_a_matching() -> None:
    """Pairs of one drug: it counts once, so the most conspicuous patient of a sum over pairs is none of a margin."""
    star = World(WalletPolicy(1.0, 4), drugs=1, reactions=4, epochs=3, moves=(((0, 1, 2, 3), ()),))
    star.walk(1, PatientWallet(), 0, [])
    one = star.bounds()[0]
    assert star.worst == [one, one // 4, one, one + one // 4]


def test_without_alternation_the_bound_would_break() -> None:
    """The tests above can fail: a + repeated on neighbouring epochs carries more energy than the wallet paid."""
    world = World(WalletPolicy(1.0, 4), drugs=1, reactions=1, epochs=4)
    world.measure([(epoch, Operation(place, 128)) for epoch in range(4) for place in range(3)])  # 4 x 0.25: the wallet
    assert all(worst > bound for worst, bound in zip(world.worst, world.bounds(), strict=True))


def test_a_margin_summed_over_pairs_would_break_its_bound() -> None:
    """What the account of drugs is for: the same four pairs of one drug, each adding its weight to the margin."""
    world = World(WalletPolicy(1.0, 4), drugs=1, reactions=4, epochs=3)
    pairs = [Operation(cell, 128) for cell in range(4)]
    summed = [Operation(world.layout.drug(cell), weight) for cell, weight in pairs]
    world.measure([(0, operation) for operation in pairs + summed])
    assert world.worst[0] == world.bounds()[0]
    assert world.worst[1] == 4 * world.bounds()[1]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([1.0, 1.5, 2.5]), st.integers(2, 16))
def test_two_identities_made_one_stay_within_the_sensitivity(data: st.DataObject, capacity: float, limit: int) -> None:
    """Before the merge each may spend; the one patient's whole stream stays within C, or within what both spent."""
    policy = WalletPolicy(capacity, limit)
    world = World(policy, drugs=3, reactions=2, epochs=6)
    cells = st.lists(st.integers(0, 5), max_size=3, unique=True).map(tuple)
    operations: list[tuple[int, Operation]] = []

    def play(wallet: PatientWallet, epoch: int) -> PatientWallet:
        added, removed = data.draw(cells), data.draw(cells)
        held = [cell for cell in removed if cell in wallet.pairs.cells and wallet.pairs.cells[cell].reports]
        outcome = charge(wallet, added=added, removed=held, policy=policy, layout=world.layout)
        operations.extend((epoch, operation) for operation in outcome.operations)
        return outcome.wallet

    wallets = [PatientWallet(), PatientWallet()]
    for epoch in range(3):
        wallets = [play(wallet, epoch) for wallet in wallets]
    one, other = wallets
    spends = [
        (one.pairs.spent, other.pairs.spent),
        (one.drugs.spent, other.drugs.spent),
        (one.reactions.spent, other.reactions.spent),
    ]
    merged = merged_wallet(one, other)
    for epoch in range(3, 6):
        merged = play(merged, epoch)
    world.measure(operations)
    assert world.strategy is not None
    for worst, both in zip(world.worst[:3], spends, strict=True):
        at_merge = (sqrt(both[0]) + sqrt(both[1])) ** 2
        limit_squared = max(policy.capacity_squared, at_merge * (1 + 1e-12))
        assert worst <= limit_squared * world.strategy.column_norm_squared


def streams() -> st.SearchStrategy[list[tuple[int, bool, list[int]]]]:
    cells = st.lists(st.integers(0, 11), min_size=1, max_size=6, unique=True)
    return st.lists(st.tuples(st.integers(0, 11), st.booleans(), cells), min_size=1, max_size=40)


def patient_history(stream: list[tuple[int, bool, list[int]]], spec: ReleaseSpec) -> dict[int, EpochVector]:
    wallet, by_epoch = PatientWallet(), dict[int, list[Operation]]()
    layout = TableLayout(drugs=spec.tables["drug"].length, reactions=spec.tables["reaction"].length)
    for epoch, is_removal, cells in sorted(stream, key=lambda move: move[0]):
        known = wallet.pairs.cells
        held = [cell for cell in cells if cell in known and known[cell].reports]
        added, removed = ([], held) if is_removal else (cells, [])
        outcome = charge(wallet, added=added, removed=removed, policy=spec.wallet, layout=layout)
        wallet = outcome.wallet
        by_epoch.setdefault(epoch, []).extend(outcome.operations)
    return {epoch: EpochVector.sum(operations) for epoch, operations in by_epoch.items()}


def same_bytes(size: int) -> bytes:
    return b"\x5a" * size


@settings(max_examples=60, deadline=None)
@given(streams(), st.sampled_from(["square-root", *ARTEFACTS]))
def test_two_neighbouring_histories_release_within_the_sensitivity(
    stream: list[tuple[int, bool, list[int]]], factorisation: str
) -> None:
    """The real release code, twice with the same noise: the difference is the patient, and small enough."""
    is_root = factorisation == "square-root"
    spec = ReleaseSpec.of(protocol(epochs=12) if is_root else counting_with(factorisation))
    others = {epoch: {epoch % 12: 256, (epoch * 5 + 1) % 12: 100, 12 + epoch % 7: 256} for epoch in range(12)}
    patient = patient_history(stream, spec)
    squares = dict.fromkeys(spec.tables, 0)
    for epoch in range(12):
        without: dict[int, EpochVector] = {s: EpochVector.of(others[s]) for s in range(epoch + 1)}
        both = {s: EpochVector.merge([without[s], patient.get(s, EpochVector.of({}))]) for s in range(epoch + 1)}
        one = PerSite().protect(spec, epoch, both, random_bytes=same_bytes)
        other = PerSite().protect(spec, epoch, without, random_bytes=same_bytes)
        for name in one:
            difference = one[name] - other[name]
            squares[name] += int(np.dot(difference, difference))
    bound, margins = spec.tables["pair"].sensitivity_squared, spec.tables["drug"].sensitivity_squared
    assert max(squares.values()) <= bound
    assert squares["drug"] + squares["reaction"] <= margins == spec.tables["reaction"].sensitivity_squared == 2 * bound
