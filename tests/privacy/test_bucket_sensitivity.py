"""Theorem 1 and 2 of docs/privacy.md with buckets that a patient's pairs share, in every small world there is.

All streams of moves up to a length are walked through the real `charge`; the patient's encoded part of each table is
compared, in exact integers, with the sensitivity that the noise is scaled to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from privacy.factorisation import SquareRootFactorisation
from privacy.patient_wallet import PatientWallet, charge
from privacy.table_layout import TableLayout
from privacy.wallet import Operation, WalletPolicy
from tests.privacy.examples import with_buckets

Moves = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


@dataclass
class World:
    """One patient, a few epochs; `worst` collects the largest squared norms of pair table and both margins."""

    policy: WalletPolicy
    layout: TableLayout
    moves: Moves
    epochs: int = 3
    worst: list[int] = field(default_factory=lambda: [0, 0])
    shared: int = 0

    def __post_init__(self) -> None:
        self.strategy = SquareRootFactorisation(self.epochs, 8)
        self.rows = [self.strategy.row(epoch).tolist() for epoch in range(self.epochs)]

    def measure(self, operations: list[tuple[int, Operation]]) -> None:
        encoded = [[0] * self.layout.length for _ in range(self.epochs)]
        for epoch, (place, weight) in operations:
            for later in range(epoch, self.epochs):
                encoded[later][place] += self.rows[later][epoch] * weight
        cells = self.layout.cells
        squares = (sum(x * x for row in encoded for x in row[part]) for part in (slice(cells), slice(cells, None)))
        self.worst = [max(pair) for pair in zip(self.worst, squares, strict=True)]

    def walk(
        self,
        depth: int,
        wallet: PatientWallet,
        epoch: int,
        held: tuple[int, ...],
        operations: list[tuple[int, Operation]],
    ) -> int:
        """All streams of at most `depth` more moves; gives their number."""
        count = 1
        positions = self.layout.positions(sorted(set(held)))
        self.shared += len(set(positions)) < len(positions)
        if depth == 0:
            return count
        if epoch + 1 < self.epochs:
            count += self.walk(depth - 1, wallet, epoch + 1, held, operations)
        for added, removed in self.moves:
            if any(cell not in held for cell in removed):
                continue
            outcome = charge(wallet, added=added, removed=removed, policy=self.policy, layout=self.layout)
            longer = operations + [(epoch, operation) for operation in outcome.operations]
            if outcome.operations:
                self.measure(longer)
            left = [*held, *added]
            for cell in removed:
                left.remove(cell)
            count += self.walk(depth - 1, outcome.wallet, epoch, tuple(left), longer)
        return count

    @property
    def bound(self) -> int:
        return self.policy.capacity_squared * self.strategy.column_norm_squared


def crowded() -> TableLayout:
    """Two drugs, three reactions, one active pair; the other five share two buckets, three of them one."""
    layout = with_buckets([0], drugs=2, reactions=3, buckets=2).layout
    sizes = sorted(list(layout.positions(range(1, 6))).count(place) for place in (1, 2))
    assert sizes in ([1, 4], [2, 3])
    return layout


def meeting() -> list[int]:
    """Pairs of the fuller bucket."""
    places = list(crowded().positions(range(6)))
    fuller = max((1, 2), key=places.count)
    return [cell for cell, place in enumerate(places) if place == fuller]


def one_by_one(*cells: int) -> Moves:
    added: Moves = tuple(((cell,), ()) for cell in cells)
    removed: Moves = tuple(((), (cell,)) for cell in cells)
    return added + removed


@pytest.mark.parametrize(
    ("capacity", "limit", "moves", "depth"),
    [
        (1.0, 4, one_by_one(0, *meeting()[:3]), 5),
        (0.5, 8, one_by_one(*meeting()[:2]), 7),
        (1.0, 3, (((1, 2, 3), ()), ((4, 5), (1,)), ((), (2, 3)), ((0, 1), (4,)), ((), (5,)), ((2,), (3,))), 7),
    ],
)
def test_no_stream_exceeds_the_sensitivity(capacity: float, limit: int, moves: Moves, depth: int) -> None:
    world = World(WalletPolicy(capacity, limit), crowded(), moves)
    assert world.walk(depth, PatientWallet(), 0, (), []) > 1_000
    assert world.shared > 100  # pairs did meet in a bucket
    assert 0.9 * world.bound < world.worst[0] <= world.bound
    assert 0.9 * 2 * world.bound < world.worst[1] <= 2 * world.bound


def test_counting_every_pair_of_a_bucket_would_break_the_bound() -> None:
    """The test above can fail: two pairs that share a coordinate add up there, not in squares."""
    layout = crowded()
    world = World(WalletPolicy(1.0, 4), layout, ())
    place = layout.positions(meeting())[0]
    weight = 181  # of two pairs, by the wallet's rule: 2 x 181^2 <= 256^2
    world.measure([(0, Operation(place, weight)), (0, Operation(place, weight))])
    assert world.worst[0] > 1.9 * world.bound
