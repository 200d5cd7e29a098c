"""The optimiser: published optima, an independent optimiser, and a lower bound that is one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from cases.errors import ParameterError
from privacy.dense_factorisation import DenseFactorisation
from privacy.error_factors import ErrorFactors
from privacy.factorisation import SquareRootFactorisation
from privacy.fitted_buffers import fitted_buffers
from privacy.optimal_strategy import OptimiserStep, optimal_strategy


def factors(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """F by epoch from the definition, for a matrix with any columns."""
    totals = np.tril(np.ones(matrix.shape)) @ np.linalg.inv(matrix)
    result: NDArray[np.float64] = np.linalg.norm(matrix, axis=0).max() * np.linalg.norm(totals, axis=1)
    return result


# largest and root mean square error factor of the mean-square optimum, as found with another program
PUBLISHED = [(4, 1.42, 1.31), (12, 1.77, 1.61), (52, 2.28, 2.04)]


@pytest.mark.parametrize(("epochs", "largest", "rms"), PUBLISHED)
def test_the_published_optima_are_reached(epochs: int, largest: float, rms: float) -> None:
    best = optimal_strategy(np.ones(epochs), objective="mean-square")
    rounded = ErrorFactors.of(DenseFactorisation.project(best.matrix, 12))
    assert best.step.gap_ratio < 1e-4
    assert round(best.step.objective, 2) == rms == round(rounded.rms, 2)
    assert rounded.worst < largest + 0.005  # flat optimum: equal mean squares, last epochs a hair apart


@pytest.mark.parametrize("emphasis", [[1.0, 1, 1, 1], [1.0, 3, 1, 6]])
def test_a_general_optimiser_finds_the_same_minimum(emphasis: list[float]) -> None:
    weights = np.array(emphasis)

    def loss(point: NDArray[np.float64]) -> float:
        matrix = np.zeros((4, 4))
        matrix[np.tril_indices(4)] = point
        matrix /= np.linalg.norm(matrix, axis=0)
        return float(np.mean((weights * factors(matrix)) ** 2))

    theirs = minimize(loss, np.tril(np.ones((4, 4)))[np.tril_indices(4)] / 2 + 0.3, method="BFGS").fun
    ours = optimal_strategy(weights, objective="mean-square", tolerance=1e-8)
    assert ours.step.objective**2 == pytest.approx(theirs, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), epochs=st.integers(1, 9))
def test_no_matrix_is_below_the_bound(seed: int, epochs: int) -> None:
    random = np.random.default_rng(seed)
    emphasis = random.uniform(1, 4, epochs)
    some = np.tril(random.uniform(0, 1, (epochs, epochs))) + np.eye(epochs)
    errors = emphasis * factors(some / np.linalg.norm(some, axis=0))
    worst = optimal_strategy(emphasis, objective="worst", tolerance=1e-3)
    mean = optimal_strategy(emphasis, objective="mean-square", tolerance=1e-3)
    assert worst.step.gap_ratio < 1e-3 > mean.step.gap_ratio
    assert worst.step.bound <= errors.max()
    assert mean.step.bound <= np.sqrt(np.mean(errors**2))
    assert mean.step.bound <= worst.step.objective
    assert (emphasis * factors(worst.matrix)).max() == pytest.approx(worst.step.objective, rel=1e-9)


@pytest.mark.parametrize(("epochs", "worst"), [(12, 1.62), (52, 2.05)])
def test_the_worst_objective_spares_no_epoch(epochs: int, worst: float) -> None:
    best = optimal_strategy(np.ones(epochs), objective="worst")
    rounded = ErrorFactors.of(DenseFactorisation.project(best.matrix, 12))
    assert round(rounded.worst, 2) == worst
    assert rounded.worst < best.step.bound * 1.0005
    assert rounded.worst < 0.9 * ErrorFactors.of(SquareRootFactorisation(epochs, 8)).worst


def test_emphasis_moves_precision_to_the_epochs_that_are_read() -> None:
    emphasis = np.ones(52)
    emphasis[12::13] = 1.45
    best = optimal_strategy(emphasis, objective="worst")
    errors = factors(best.matrix)
    assert errors[12::13].max() * 1.45 == pytest.approx(best.step.objective, rel=1e-3)
    assert errors.max() == pytest.approx(best.step.objective, rel=1e-3)


def test_steps_are_told_and_the_bound_never_falls() -> None:
    steps: list[OptimiserStep] = []
    best = optimal_strategy(np.ones(30), objective="worst", progress=steps.append)
    assert [step.number for step in steps] == list(range(len(steps)))
    assert all(late.bound >= early.bound for early, late in pairwise(steps))
    assert all(late.objective <= early.objective for early, late in pairwise(steps))
    assert steps[-1] == best.step
    assert steps[-1].gradient < 0.01 < steps[0].gradient
    again = optimal_strategy(np.ones(30), objective="worst")
    assert np.array_equal(again.matrix, best.matrix)


def test_wrong_parameters_are_refused() -> None:
    for emphasis in ([], [1.0, 0.0], [1.0, float("nan")], [[1.0]]):
        with pytest.raises(ParameterError, match="emphasis"):
            optimal_strategy(np.array(emphasis), objective="worst")
        with pytest.raises(ParameterError, match="emphasis"):
            fitted_buffers(np.array(emphasis), buffers=2, objective="worst", coefficient_bits=12)
    with pytest.raises(ParameterError, match="tolerance"):
        optimal_strategy(np.ones(3), objective="worst", tolerance=float("nan"))
    with pytest.raises(ParameterError, match="maximum_steps"):
        optimal_strategy(np.ones(3), objective="worst", maximum_steps=0)
    with pytest.raises(ParameterError, match="buffers"):
        fitted_buffers(np.ones(3), buffers=0, objective="worst", coefficient_bits=12)


@pytest.mark.parametrize(("epochs", "published"), [(365, 2.945), (3652, 3.694)])
def test_three_buffers_are_as_good_as_published(epochs: int, published: float) -> None:
    strategy = fitted_buffers(np.ones(epochs), buffers=3, objective="worst", coefficient_bits=12)
    assert strategy.error_factor(epochs - 1) == pytest.approx(published, abs=0.001)


def test_more_buffers_are_never_worse_and_none_beats_the_bound() -> None:
    bound = optimal_strategy(np.ones(60), objective="mean-square").step.bound
    fits = [fitted_buffers(np.ones(60), buffers=n, objective="mean-square", coefficient_bits=16) for n in (1, 2, 3)]
    rms = [ErrorFactors.of(strategy).rms for strategy in fits]
    assert rms[0] > rms[1] >= rms[2] - 1e-4 > bound
    assert rms[2] < ErrorFactors.of(SquareRootFactorisation(60, 16)).rms
