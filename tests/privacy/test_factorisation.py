from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.errors import ParameterError
from privacy.factorisation import SquareRootFactorisation
from privacy.strategy_matrix import check_condition_s


def matrix(factorisation: SquareRootFactorisation) -> np.ndarray:
    """C in full, from its coefficients."""
    size = factorisation.epochs
    return np.array([[factorisation.coefficients[t - s] if s <= t else 0 for s in range(size)] for t in range(size)])


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_coefficients_are_the_rounded_binomials(bits: int) -> None:
    ours = SquareRootFactorisation(200, bits).coefficients
    exact = [(2 * comb(2 * k, k) * 2**bits + 4**k) // (2 * 4**k) for k in range(200)]
    assert ours.tolist() == exact


def test_c_is_the_square_root_of_the_matrix_of_ones_but_for_rounding() -> None:
    c = matrix(SquareRootFactorisation(50, 16)) / 2**16
    assert np.abs(c @ c - np.tril(np.ones((50, 50)))).max() < 1e-3


# noise of the running total relative to one release, as published and measured for the unrounded square root
ERROR_FACTORS = [(4, 1.49, 1.38), (12, 1.85, 1.70), (52, 2.32, 2.16), (365, 2.94, 2.78)]


@pytest.mark.parametrize(("epochs", "last", "mean"), ERROR_FACTORS)
def test_error_factors_are_the_published_ones(epochs: int, last: float, mean: float) -> None:
    factorisation = SquareRootFactorisation(epochs, 8)
    factors = [factorisation.error_factor(t) for t in range(epochs)]
    assert round(factors[-1], 2) == last == round(max(factors), 2)
    assert round(float(np.mean(factors)), 2) == mean


@pytest.mark.parametrize(("epochs", "factor"), [(1826, 3.46), (3652, 3.68), (7305, 3.90)])
def test_long_eras_stay_cheap_on_the_default_grid(epochs: int, factor: float) -> None:
    assert SquareRootFactorisation(epochs, 8).error_factor(epochs - 1) == pytest.approx(factor, abs=0.01)


def test_error_factor_and_column_norm_are_those_of_the_matrices() -> None:
    factorisation = SquareRootFactorisation(30, 8)
    c = matrix(factorisation).astype(float)
    rows = np.tril(np.ones((30, 30))) @ np.linalg.inv(c)
    norm = max(sqrt(column @ column) for column in c.T)
    assert sqrt(factorisation.column_norm_squared) == pytest.approx(norm, rel=1e-12)
    assert factorisation.column_norm == pytest.approx(norm / 256, rel=1e-12)
    for t in (0, 7, 29):
        assert factorisation.error_factor(t) == pytest.approx(norm * sqrt(rows[t] @ rows[t]), rel=1e-9)
        assert np.allclose(factorisation.total_weights(t), rows[t, : t + 1], rtol=1e-9)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_decoding_undoes_encoding_exactly(epochs: int, seed: int) -> None:
    increments = np.random.default_rng(seed).integers(-(2**20), 2**20, (epochs, 5))
    factorisation = SquareRootFactorisation(60, 8)
    encoded = factorisation.encode(increments)
    assert encoded.dtype == np.int64
    assert np.array_equal(encoded, matrix(factorisation)[:epochs, :epochs] @ increments)
    assert np.abs(factorisation.decode(encoded) - increments).max() < 1e-6
    assert np.abs(factorisation.running_total(encoded) - increments.sum(axis=0)).max() < 1e-5


def test_running_total_noise_has_the_predicted_sd() -> None:
    factorisation = SquareRootFactorisation(100, 8)
    noise = np.random.default_rng(1).normal(0, 1000.0, (100, 20_000))
    predicted = 1000.0 / sqrt(factorisation.column_norm_squared) * factorisation.error_factor(99)
    assert factorisation.running_total(noise).std() == pytest.approx(predicted, rel=0.02)


def test_encoding_refuses_what_could_overflow() -> None:
    factorisation = SquareRootFactorisation(3, 8)
    factorisation.encode(np.full((3, 1), 2**50))
    with pytest.raises(ParameterError, match="63 bits"):
        factorisation.encode(np.full((3, 1), 2**54))
    with pytest.raises(ParameterError, match="63 bits"):
        factorisation.encode(np.array([[-(2**63)], [1], [1]]))


@pytest.mark.parametrize("coefficients", [[], [0], [4, 5], [4, -1], [4, 2, 3], [-4]])
def test_condition_s_is_checked(coefficients: list[int]) -> None:
    with pytest.raises(ParameterError):
        check_condition_s(np.array(coefficients, dtype=np.int64))
    check_condition_s(np.array([4, 4, 2, 0], dtype=np.int64))


@pytest.mark.parametrize("bits", range(4, 17))
def test_condition_s_holds_on_every_grid(bits: int) -> None:
    check_condition_s(SquareRootFactorisation(10_000, bits).coefficients)


def test_wrong_shapes_and_sizes_are_refused() -> None:
    factorisation = SquareRootFactorisation(3, 8)
    for rows in (np.zeros(3, dtype=np.int64), np.zeros((4, 1), dtype=np.int64), np.zeros((0, 1), dtype=np.int64)):
        with pytest.raises(ParameterError, match="epochs by cells"):
            factorisation.decode(rows)
    with pytest.raises(ParameterError, match="epoch"):
        factorisation.error_factor(3)
    for epochs, bits in ((0, 8), (10_001, 8), (3, 3), (3, 17)):
        with pytest.raises(ParameterError):
            SquareRootFactorisation(epochs, bits)
