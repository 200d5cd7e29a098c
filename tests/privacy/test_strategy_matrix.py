"""What every strategy matrix owes, whatever it is made of; kinds are found, not listed."""

from __future__ import annotations

import itertools
from fractions import Fraction
from inspect import isabstract
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.errors import ParameterError
from privacy.buffered_toeplitz import BufferedToeplitzFactorisation
from privacy.dense_factorisation import DenseFactorisation
from privacy.secure_sum import encode_sum
from privacy.strategy_matrix import StrategyMatrix, check_condition_s
from tests.privacy.strategies import BY_NAME, DENSE, EPOCHS, in_full

every = pytest.mark.parametrize("name", BY_NAME)


def kinds(base: type[StrategyMatrix]) -> set[type[StrategyMatrix]]:
    """All concrete classes below `base`."""
    return {
        found
        for child in base.__subclasses__()
        for found in ({*kinds(child)} | (set() if isabstract(child) else {child}))
    }


def test_every_kind_is_tested() -> None:
    assert {type(strategy) for strategy in BY_NAME.values()} == kinds(StrategyMatrix)  # type: ignore[type-abstract]  # asks, makes none


@every
def test_rows_obey_condition_s(name: str) -> None:
    for t in range(EPOCHS):
        row = BY_NAME[name].row(t).tolist()
        assert len(row) == t + 1
        assert row == sorted(row)
        assert row[0] >= 0
        assert row[-1] > 0
    check_condition_s(in_full(BY_NAME[name]))


@every
def test_norms_and_error_factors_are_those_of_the_matrix(name: str) -> None:
    strategy = BY_NAME[name]
    c = in_full(strategy)
    assert strategy.column_norm_squared == max(sum(value**2 for value in column) for column in c.T.tolist())
    assert strategy.column_norm == pytest.approx(sqrt(strategy.column_norm_squared) / 2**strategy.coefficient_bits)
    assert strategy.largest_coefficient == c.max()
    totals = np.tril(np.ones((EPOCHS, EPOCHS))) @ np.linalg.inv(c.astype(float))
    for t in range(EPOCHS):
        assert np.allclose(strategy.total_weights(t), totals[t, : t + 1], rtol=1e-9, atol=1e-15)
        expected = sqrt(strategy.column_norm_squared) * float(np.linalg.norm(totals[t]))
        assert strategy.error_factor(t) == pytest.approx(expected, rel=1e-9)


@every
@settings(deadline=None, max_examples=25)
@given(epochs=st.integers(1, EPOCHS), seed=st.integers(0, 2**32 - 1))
def test_decoding_undoes_encoding(name: str, epochs: int, seed: int) -> None:
    strategy = BY_NAME[name]
    increments = np.random.default_rng(seed).integers(-(2**20), 2**20, (epochs, 5))
    encoded = strategy.encode(increments)
    assert encoded.dtype == np.int64
    exact = in_full(strategy)[:epochs, :epochs].astype(object) @ increments.astype(object)
    assert (encoded == exact).all()
    decoded = strategy.decode(encoded)
    assert np.abs(decoded - increments).max() < 1e-5
    assert (np.rint(decoded) == increments).all()
    assert np.abs(strategy.running_total(encoded) - increments.sum(axis=0)).max() < 1e-4


@every
def test_shares_encode_by_the_rows_alone_modulo_two_to_the_64(name: str) -> None:
    strategy, random = BY_NAME[name], np.random.default_rng(5)
    increments = random.integers(-1000, 1000, (EPOCHS, 6))
    mask = random.integers(0, 2**64, (EPOCHS, 6), dtype=np.uint64)
    shares = mask, increments.astype(np.uint64) - mask
    for t in (0, 7, EPOCHS - 1):
        row = strategy.row(t).astype(np.uint64)
        joined = sum((row @ share[: t + 1] for share in shares), np.zeros(6, dtype=np.uint64))
        assert joined.astype(np.int64).tolist() == strategy.encode(increments)[t].tolist()
        ours = [
            encode_sum(
                dict(enumerate(strategy.row(t).tolist())),
                enumerate(share[: t + 1]),
                np.zeros(6, dtype=np.uint64),
            )
            for share in shares
        ]
        assert (ours[0] + ours[1] == joined).all()


@every
def test_noise_of_running_totals_has_the_predicted_sd(name: str) -> None:
    strategy, draws = BY_NAME[name], 20_000
    noise = np.random.default_rng(3).normal(0, 1000.0, (EPOCHS, draws))
    for t in (5, EPOCHS - 1):
        predicted = 1000.0 * strategy.error_factor(t) / sqrt(strategy.column_norm_squared)
        ratio = strategy.running_total(noise[: t + 1]).std() / predicted
        assert abs(ratio - 1) < 4 / sqrt(2 * draws)  # four standard errors


@every
def test_no_alternating_stream_passes_theorem_one(name: str) -> None:
    """Every subset of nine epochs, signs alternating: encoded energy at most operations times the column norm."""
    strategy = BY_NAME[name]
    c, epochs = in_full(strategy), (0, 1, 2, 5, 6, 11, 12, 22, 23)
    for size in range(1, len(epochs) + 1):
        for chosen in itertools.combinations(epochs, size):
            signs = np.array([(-1) ** number for number in range(size)])
            energy = int(((c[:, chosen] @ signs) ** 2).sum())
            assert energy <= size * strategy.column_norm_squared


@every
def test_what_could_overflow_and_what_does_not_fit_is_refused(name: str) -> None:
    strategy = BY_NAME[name]
    safe = 2**62 // strategy.largest_coefficient // 4
    strategy.encode(np.full((3, 1), safe))
    with pytest.raises(ParameterError, match="63 bits"):
        strategy.encode(np.full((3, 1), 2 * safe))
    with pytest.raises(ParameterError, match="63 bits"):
        strategy.encode(np.array([[-(2**63)], [1]]))
    for rows in (np.zeros(3), np.zeros((EPOCHS + 1, 1)), np.zeros((0, 1))):
        with pytest.raises(ParameterError, match="epochs by cells"):
            strategy.decode(rows)
    for epoch in (-1, EPOCHS):
        for call in (strategy.row, strategy.total_weights, strategy.error_factor):
            with pytest.raises(ParameterError, match=r"epoch must lie in \[0, 23\]"):
                call(epoch)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.__setitem__((9, 3), c[9, 4] + 1), "condition"),  # rises with lag
        (lambda c: c.__setitem__((9, 9), 0), "positive diagonal"),
        (lambda c: c.__setitem__((3, 9), 1), "lower triangular"),
    ],
)
def test_a_planted_violation_is_refused(change: object, message: str) -> None:
    entries = DENSE.entries.copy()
    DenseFactorisation(entries.copy(), 12)
    change(entries)  # type: ignore[operator]  # one of the lambdas above
    with pytest.raises(ParameterError, match=message):
        DenseFactorisation(entries, 12)


def test_negative_entries_are_refused() -> None:
    with pytest.raises(ParameterError, match="condition"):
        check_condition_s(np.array([[4, 0], [-1, 4]]))
    with pytest.raises(ParameterError, match="square"):
        check_condition_s(np.zeros((2, 3), dtype=np.int64))


@settings(max_examples=50)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.integers(4, 16))
def test_any_matrix_projects_to_one_that_obeys(size: int, seed: int, bits: int) -> None:
    matrix = np.random.default_rng(seed).normal(0, 1, (size, size))
    np.fill_diagonal(matrix, 1.0)
    projected = DenseFactorisation.project(matrix, bits)
    check_condition_s(in_full(projected))
    already = np.tril(in_full(projected)) / 2.0**bits
    again = DenseFactorisation.project(already, bits)
    assert np.array_equal(again.entries, projected.entries), "what obeys already is not moved"


def test_dense_matrices_of_the_wrong_kind_are_refused() -> None:
    good = np.array([[16]], dtype=np.uint16)
    with pytest.raises(ParameterError, match="uint16"):
        DenseFactorisation(good.astype(np.int64), 8)
    with pytest.raises(ParameterError, match="coefficient_bits"):
        DenseFactorisation(good, 17)
    with pytest.raises(ParameterError, match="epochs"):
        DenseFactorisation(np.zeros((0, 0), dtype=np.uint16), 8)
    with pytest.raises(ParameterError, match="finite"):
        DenseFactorisation.project(np.array([[np.nan]]), 8)


@pytest.mark.parametrize(
    ("buffers", "message"),
    [
        ((), "pairs"),
        (((0, 5),), "above 0"),
        (((5, 1 << 32),), "strictly between"),
        (((1 << 31, 5), (1 << 32, 5)), "add up"),
    ],
)
def test_wrong_buffers_are_refused(buffers: tuple[tuple[int, int], ...], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        BufferedToeplitzFactorisation(12, 8, buffers)


def test_buffered_coefficients_are_the_rounded_exponentials() -> None:
    buffers = ((1_500_000_000, 4_000_000_000), (700_000_000, 1_234_567_890))
    ours = BufferedToeplitzFactorisation(40, 16, buffers).coefficients.tolist()
    one = 1 << 32
    exact = [
        sum(Fraction(scale, one) * Fraction(decay, one) ** (lag - 1) for scale, decay in buffers)
        for lag in range(1, 40)
    ]
    assert ours == [1 << 16, *(int(value * (1 << 16) + Fraction(1, 2)) for value in exact)]
