"""Positions in a pair table with buckets: the hash, what a bucket costs a patient, and what margins make of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from cases.errors import ConfigurationError, ParameterError
from privacy.active_cells import ActiveCells, cells_beside
from privacy.patient_wallet import PatientWallet, charge
from privacy.protocol import SurveillanceProtocol
from privacy.residual_cells import ResidualCells
from privacy.table_layout import TableLayout
from privacy.wallet import Operation, WalletPolicy
from tests.privacy.examples import protocol, with_buckets

POLICY = WalletPolicy(capacity=1.5, operation_limit=16)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2**26 - 1), min_size=1, max_size=20), st.integers(1, 20), st.text("0123456789abcdef"))
def test_a_bucket_is_the_upper_bits_of_exact_arithmetic(cells: list[int], bits: int, seed: str) -> None:
    drawn = hashlib.sha256(f"kelsey.residual-buckets/1 {seed}".encode()).digest()
    a, b, c = (int.from_bytes(drawn[start : start + 8], "little") for start in (0, 8, 16))
    mixed = [((a | 1) * cell + b) % 2**64 for cell in cells]
    found = ResidualCells(np.array([0]), 1 << bits, seed).buckets_of(np.array(cells))
    assert found.tolist() == [((c | 1) * (word ^ word >> 32)) % 2**64 >> (64 - bits) for word in mixed]


def test_cells_spread_evenly_and_any_two_share_a_bucket_as_often_as_by_chance() -> None:
    cells = np.arange(3000 * 50)
    sizes = np.bincount(ResidualCells(np.array([0]), 1024, "spread").buckets_of(cells), minlength=1024)
    statistic = float(((sizes - cells.size / 1024) ** 2 / (cells.size / 1024)).sum())
    assert chi2.isf(1 - 1e-6, 1023) < statistic < chi2.isf(1e-6, 1023)
    pairs = np.array([[7, 8], [7, 15_007], [12, 44_999_999], [0, 1 << 25]])
    shared = np.zeros(len(pairs))
    for seed in range(4000):
        buckets = ResidualCells(np.array([0]), 16, str(seed)).buckets_of(pairs.ravel()).reshape(pairs.shape)
        shared += buckets[:, 0] == buckets[:, 1]
    assert np.all(np.abs(shared / 4000 - 1 / 16) < 5 * np.sqrt(15) / 16 / np.sqrt(4000))


@settings(max_examples=50)
@given(st.sets(st.integers(0, 59), min_size=1), st.integers(1, 6))
def test_every_cell_has_one_position_and_active_ones_their_own(active: set[int], bits: int) -> None:
    residual = ResidualCells(np.array(sorted(active)), 1 << bits, "any")
    layout = TableLayout(drugs=6, reactions=10, residual=residual)
    positions = list(layout.positions(range(60)))
    assert [positions[cell] for cell in layout.active.tolist()] == list(range(len(active)))
    others = [place for cell, place in enumerate(positions) if cell not in active]
    assert all(len(active) <= place < layout.cells for place in others)
    assert layout.cells == len(active) + (1 << bits) and layout.length == layout.cells + 16
    assert {layout.drug(cell) for cell in range(60)} == set(range(layout.cells, layout.cells + 6))


@pytest.mark.parametrize(
    ("active", "buckets", "message"),
    [
        ([], 4, "strictly rising"),
        ([3, 3], 4, "strictly rising"),
        ([-1, 3], 4, "strictly rising"),
        ([1], 1, "power of two"),
        ([1], 12, "power of two"),
        ([1], 1 << 21, "power of two"),
    ],
)
def test_what_is_no_such_table_is_refused(active: list[int], buckets: int, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        ResidualCells(np.array(active, dtype=np.int64), buckets, "any")


def _shared(layout: TableLayout) -> tuple[int, int]:
    """Two pairs of one bucket that share neither drug nor reaction."""
    positions = list(layout.positions(range(layout.drugs * layout.reactions)))
    for first, place in enumerate(positions):
        for second in range(first + 1, len(positions)):
            is_apart = first // layout.reactions != second // layout.reactions
            if place == positions[second] and is_apart and (first - second) % layout.reactions:
                return first, second
    raise AssertionError("no two pairs share a bucket")


def test_a_bucket_counts_a_patient_once_and_takes_the_weight_back_when_the_last_pair_goes() -> None:
    layout = with_buckets([0], drugs=5, reactions=6, buckets=2).layout
    one, two = _shared(layout)
    bucket = layout.positions([one])[0]
    rich = WalletPolicy(capacity=2.0, operation_limit=16)
    both = charge(PatientWallet(), added=[one, two], removed=[], policy=rich, layout=layout)
    assert [item for item in both.operations if item.cell < layout.cells] == [Operation(bucket, 256)]
    assert {item.cell for item in both.operations} == {bucket} | {
        place for cell in (one, two) for place in (layout.drug(cell), layout.reaction(cell))
    }
    assert both.wallet.pairs.operations == 1 and both.wallet.drugs.operations == 2
    first_gone = charge(both.wallet, added=[], removed=[one], policy=rich, layout=layout)
    assert first_gone.operations == ()
    gone = charge(first_gone.wallet, added=[], removed=[two], policy=rich, layout=layout)
    assert set(gone.operations) == {
        Operation(bucket, -256), Operation(layout.drug(two), -256), Operation(layout.reaction(two), -256),
    }  # fmt: skip


def test_a_pair_that_joins_a_counted_bucket_costs_nothing_and_brings_no_margin() -> None:
    layout = with_buckets([0], drugs=5, reactions=6, buckets=2).layout
    one, two = _shared(layout)
    first = charge(PatientWallet(), added=[one], removed=[], policy=POLICY, layout=layout)
    second = charge(first.wallet, added=[two], removed=[], policy=POLICY, layout=layout)
    assert second.operations == () and second.blocked == 0
    assert second.wallet.pairs.spent == first.wallet.pairs.spent


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 29), min_size=1, max_size=5, unique=True), min_size=1, max_size=6))
def test_where_no_pairs_share_a_bucket_margins_are_those_of_a_dense_table(reports: list[list[int]]) -> None:
    dense = TableLayout(drugs=5, reactions=6)
    sparse = with_buckets([3, 8, 20], drugs=5, reactions=6, buckets=1 << 16).layout
    assert len(set(sparse.positions(range(30)))) == 30
    outcomes = []
    for layout in (dense, sparse):
        wallet, found = PatientWallet(), []
        for cells in reports:
            outcome = charge(wallet, added=cells, removed=[], policy=POLICY, layout=layout)
            wallet, blocked = outcome.wallet, outcome.blocked
            margins = {
                item.cell - layout.cells: item.weight for item in outcome.operations if item.cell >= layout.cells
            }
            found.append((margins, sorted(item.weight for item in outcome.operations), blocked))
        outcomes.append(found)
    if sum(len(set(cells)) for cells in reports) <= POLICY.operation_limit:  # else which are chosen differs
        assert outcomes[0] == outcomes[1]


def test_a_protocol_is_bound_to_its_active_cells_from_the_file_beside_it(tmp_path: Path) -> None:
    made = with_buckets([1, 7, 11], drugs=3, reactions=4, buckets=8)
    artefact = ActiveCells.of(
        np.array([11, 1, 7]), drugs=made.drugs, reactions=made.reactions, source="chosen for a test"
    )
    made.dump(tmp_path / "protocol.json")
    with pytest.raises(ConfigurationError, match=r"protocol\.cells\.json"):
        SurveillanceProtocol.load(tmp_path / "protocol.json")
    artefact.dump(cells_beside(tmp_path / "protocol.json"))
    loaded = SurveillanceProtocol.load(tmp_path / "protocol.json")
    assert loaded.hash == made.hash and loaded.cell_count == 3
    assert loaded.layout.positions(list(range(12))) == made.layout.positions(list(range(12)))
    assert loaded.layout.lengths == {"pair": 11, "drug": 3, "reaction": 4}
    other = ActiveCells.of(np.array([1, 7]), drugs=made.drugs, reactions=made.reactions, source="chosen for a test")
    other.dump(tmp_path / "other.json")
    with pytest.raises(ConfigurationError, match="the protocol names"):
        SurveillanceProtocol.load(tmp_path / "protocol.json", cells_file=tmp_path / "other.json")
    with pytest.raises(ConfigurationError, match="not at hand"):
        _ = SurveillanceProtocol.decode(made.encode()).layout


def test_a_protocol_without_them_is_what_it_was() -> None:
    plain = protocol()
    assert b"active_cells" not in plain.encode() and b"residual_buckets" not in plain.encode()
    assert plain.layout == TableLayout(drugs=3, reactions=4) and plain.cell_count == 12
    cells = [3, 1, 1]
    assert plain.layout.positions(cells) is cells
    with pytest.raises(ConfigurationError, match="names no active cells"):
        plain.bind(ActiveCells.of(np.array([1]), drugs=plain.drugs, reactions=plain.reactions, source=""))


def test_the_protocol_says_what_does_not_fit() -> None:
    with pytest.raises(ParameterError, match="belong together"):
        protocol(active_cells="0" * 64)
    with pytest.raises(ParameterError, match="belong together"):
        protocol(residual_buckets=4)
    with pytest.raises(ParameterError, match="64 hexadecimal"):
        protocol(active_cells="0" * 63, residual_buckets=4)
    for buckets in (0, 1, 3, 1 << 21):
        with pytest.raises(ParameterError, match=f"power of two.*{buckets}"):
            protocol(active_cells="0" * 64, residual_buckets=buckets)
    wide = {"drugs": 4096, "reactions": 1025}
    with pytest.raises(ParameterError, match="at most 4194304 cells"):
        protocol(**wide)
    assert protocol(**wide, active_cells="0" * 64, residual_buckets=4).residual_buckets == 4
    with pytest.raises(ParameterError, match="at most 67108864 cells"):
        protocol(drugs=8193, reactions=8192, active_cells="0" * 64, residual_buckets=4)
    with pytest.raises(ConfigurationError, match="are more than 4194304"):
        with_buckets(range(1 << 22), drugs=4096, reactions=1025, buckets=2)
