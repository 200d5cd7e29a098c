"""Theorems 1 and 2 of docs/privacy.md, against the wallet as it is, in every small world there is.

A world has three drugs' and two reactions' worth of cells at most, a few epochs, and one patient whose reports come and
go. Every stream of moves up to a length is walked (a depth-first search over the real `contribute`), and at each point
the patient's encoded difference is compared with the sensitivity the noise is scaled to, in exact integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.errors import ParameterError
from privacy.dense_factorisation import DenseFactorisation
from privacy.epoch_vector import EpochVector
from privacy.factorisation import SquareRootFactorisation
from privacy.release_spec import ReleaseSpec
from privacy.strategy_matrix import StrategyMatrix, check_condition_s
from privacy.trust_mode import PerSite
from privacy.wallet import Account, Operation, WalletPolicy, contribute
from tests.privacy.examples import protocol
from tests.privacy.strategies import ARTEFACTS, counting_with


@dataclass
class World:
    """Epochs, cells and a wallet; `worst` collects the largest squared norms seen, as (pair, both margins)."""

    policy: WalletPolicy
    drugs: int
    reactions: int
    epochs: int
    moves: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    strategy: StrategyMatrix | None = None
    rows: list[list[int]] = field(default_factory=list)
    worst: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self.strategy = self.strategy or SquareRootFactorisation(self.epochs, 8)
        self.rows = [self.strategy.row(epoch).tolist() for epoch in range(self.epochs)]

    def measure(self, operations: list[tuple[int, Operation]]) -> None:
        """Squared norm of C x for one patient's stream, in the pair table and in both margins together."""
        encoded = [[0] * (self.drugs * self.reactions) for _ in range(self.epochs)]
        for epoch, (cell, weight) in operations:
            for later in range(epoch, self.epochs):
                encoded[later][cell] += self.rows[later][epoch] * weight
        pair = sum(value * value for row in encoded for value in row)
        margins = 0
        for row in encoded:
            for drug in range(self.drugs):
                margins += sum(row[drug * self.reactions : (drug + 1) * self.reactions]) ** 2
            for reaction in range(self.reactions):
                margins += sum(row[reaction :: self.reactions]) ** 2
        self.worst = [max(self.worst[0], pair), max(self.worst[1], margins)]

    def walk(self, depth: int, account: Account, epoch: int, operations: list[tuple[int, Operation]]) -> int:
        """All streams of at most `depth` more moves; gives their number."""
        if depth == 0:
            return 1
        count = 1
        if epoch + 1 < self.epochs:
            count += self.walk(depth - 1, account, epoch + 1, operations)
        for added, removed in self.moves:
            if any(cell not in account.cells or not account.cells[cell].reports for cell in removed):
                continue
            outcome = contribute(account, added=added, removed=removed, policy=self.policy)
            longer = operations + [(epoch, operation) for operation in outcome.operations]
            if outcome.operations:
                self.measure(longer)
            count += self.walk(depth - 1, outcome.account, epoch, longer)
        return count

    def bounds(self) -> list[int]:
        """The squared sensitivities of Theorem 1 and Theorem 2."""
        assert self.strategy is not None
        pair = self.policy.capacity_squared * self.strategy.column_norm_squared
        return [pair, pair * (self.policy.operation_limit + 1)]


def single_cell_moves(cells: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    added: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((cell,), ()) for cell in range(cells)]
    return (*added, *(((), (cell,)) for cell in range(cells)))


@pytest.mark.parametrize(
    ("capacity", "limit", "moves", "depth"),
    [
        (1.0, 4, single_cell_moves(4), 6),
        (1.5, 2, single_cell_moves(4), 6),
        (0.5, 8, (((0,), ()), ((), (0,))), 10),  # one cell, coming and going
        (1.0, 2, (((0, 1), ()), ((0, 2), ()), ((), (0,)), ((3,), (0,)), ((1,), (0, 2))), 7),  # stars and corrections
    ],
)
def test_no_stream_exceeds_the_sensitivity(
    capacity: float,
    limit: int,
    moves: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...],
    depth: int,
) -> None:
    world = World(WalletPolicy(capacity, limit), drugs=2, reactions=2, epochs=3, moves=moves)
    assert world.walk(depth, Account(), 0, []) > 1_000
    assert world.worst[0] <= world.bounds()[0]
    assert world.worst[1] <= world.bounds()[1]


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
        world.walk(depth, Account(), 0, [])
        assert 0.9 * world.bounds()[0] < world.worst[0] <= world.bounds()[0]
        assert world.worst[1] <= world.bounds()[1]


def test_without_condition_s_the_bound_would_break() -> None:
    """Why matrices are refused: three operations in one cell, paid for three times, carry more energy than that."""
    for rows, longest in (([[1], [0, 1], [9, 0, 9]], 82), ([[1], [-9, 9], [9, -9, 9]], 163)):
        with pytest.raises(ParameterError, match="condition"):
            check_condition_s(np.array([[*row, 0, 0][:3] for row in rows]))
        world = World(WalletPolicy(1.0, 3), drugs=1, reactions=1, epochs=3, moves=())
        world.rows = rows
        signs = (1, -1, 1)
        world.measure([(epoch, Operation(0, sign * 100)) for epoch, sign in enumerate(signs)])
        assert world.worst[0] > 3 * 100**2 * longest


def test_the_bounds_are_attained_so_no_smaller_noise_would_do() -> None:
    alone = World(WalletPolicy(1.0, 2), drugs=1, reactions=2, epochs=3, moves=(((0,), ()),))
    alone.walk(2, Account(), 0, [])
    assert alone.worst[0] == alone.bounds()[0]
    star = World(WalletPolicy(1.0, 2), drugs=1, reactions=2, epochs=3, moves=(((0, 1), ()),))
    star.walk(1, Account(), 0, [])
    assert 0.999 < star.worst[1] / star.bounds()[1] <= 1  # the weights are rounded down to 181/256


def test_without_alternation_the_bound_would_break() -> None:
    """The tests above can fail: a + repeated on neighbouring epochs carries more energy than the wallet paid."""
    world = World(WalletPolicy(1.0, 4), drugs=1, reactions=1, epochs=4, moves=())
    world.measure([(epoch, Operation(0, 128)) for epoch in range(4)])  # 4 x 0.25 = the whole wallet
    assert world.worst[0] > world.bounds()[0]


def streams() -> st.SearchStrategy[list[tuple[int, bool, list[int]]]]:
    cells = st.lists(st.integers(0, 11), min_size=1, max_size=6, unique=True)
    return st.lists(st.tuples(st.integers(0, 11), st.booleans(), cells), min_size=1, max_size=40)


def patient_history(stream: list[tuple[int, bool, list[int]]], policy: WalletPolicy) -> dict[int, EpochVector]:
    account, by_epoch = Account(), dict[int, list[Operation]]()
    for epoch, is_removal, cells in sorted(stream, key=lambda move: move[0]):
        held = [cell for cell in cells if cell in account.cells and account.cells[cell].reports]
        outcome = contribute(
            account, added=[] if is_removal else cells, removed=held if is_removal else [], policy=policy
        )
        account = outcome.account
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
    others = {epoch: {epoch % 12: 256, (epoch * 5 + 1) % 12: 100} for epoch in range(12)}
    patient = patient_history(stream, spec.wallet)
    squares = {"pair": 0, "margins": 0}
    for epoch in range(12):
        without: dict[int, EpochVector] = {s: EpochVector.of(others[s]) for s in range(epoch + 1)}
        both = {s: EpochVector.merge([without[s], patient.get(s, EpochVector.of({}))]) for s in range(epoch + 1)}
        one = PerSite().protect(spec, epoch, both, random_bytes=same_bytes)
        other = PerSite().protect(spec, epoch, without, random_bytes=same_bytes)
        for name in one:
            difference = one[name] - other[name]
            squares["pair" if name == "pair" else "margins"] += int(np.dot(difference, difference))
    assert squares["pair"] <= spec.tables["pair"].sensitivity_squared
    assert squares["margins"] <= spec.tables["drug"].sensitivity_squared == spec.tables["reaction"].sensitivity_squared
