"""Every number of docs/privacy.md that the code can compute is the one the code computes."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy.optimize import brentq

from privacy.accounting import epsilon_from_mu, mu_from_epsilon_delta
from privacy.chosen_strategy import built_in_artefact
from privacy.dense_factorisation import DenseFactorisation
from privacy.error_factors import ErrorFactors
from privacy.factorisation import SquareRootFactorisation
from privacy.fitted_buffers import fitted_buffers
from privacy.optimal_strategy import Objective, optimal_strategy
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.strategy_matrix import StrategyMatrix
from tests.privacy.examples import protocol

TEXT = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text("utf-8")
LINES = TEXT.splitlines()


def spec(epsilon: float, epochs: int) -> ReleaseSpec:
    return ReleaseSpec.of(protocol(epsilon=epsilon, epochs=epochs))


@pytest.mark.parametrize("epsilon", [0.5, 1, 3])
def test_loss_of_patients_at_several_sites(epsilon: float) -> None:
    mu = mu_from_epsilon_delta(epsilon, 1e-6)
    cells = [
        f"{epsilon_from_mu(mu * sites, 1e-6):.2f} / {epsilon_from_mu(mu * sqrt(sites), 1e-6):.2f}"
        for sites in (2, 3, 5)
    ]
    assert f"| {epsilon:g} | {' | '.join(cells)} |" in LINES


@pytest.mark.parametrize("epsilon", [0.5, 1, 3])
def test_noise_by_protocol(epsilon: float) -> None:
    for table, name, digits in (("pair", "pair", 2), ("drug", "margins", 1)):
        cells = [
            f"{spec(epsilon, epochs).running_total_sd(table, epochs - 1):.{digits}f}"
            for epochs in (1, 12, 52, 365, 1826)
        ]
        assert f"| {epsilon:g} | {name} | {' | '.join(cells)} |" in LINES


@pytest.mark.parametrize("epsilon", [1, 3])
@pytest.mark.parametrize(("epochs", "name"), [(1, "single"), (12, "12 months"), (365, "365 days")])
def test_what_can_be_seen(epsilon: float, epochs: int, name: str) -> None:
    cells = [
        f"{spec(epsilon, epochs).minimum_detectable_excess(epochs - 1, sites=sites):.0f}" for sites in (1, 3, 10, 100)
    ]
    assert f"| {epsilon:g} | {name} | {' | '.join(cells)} |" in LINES


def test_error_factors() -> None:
    said = [f"{spec(1, epochs).factorisation.error_factor(epochs - 1):.2f} after {epochs}" for epochs in (12, 52, 365)]
    assert all(sentence in TEXT for sentence in said)


def test_error_factors_by_factorisation() -> None:
    year = built_in_artefact("daily-year")
    rows: dict[str, StrategyMatrix] = {
        "square root": SquareRootFactorisation(365, 8),
        "buffered Toeplitz, 3 buffers": fitted_buffers(np.ones(365), buffers=3, objective="worst", coefficient_bits=12),
        "dense, `daily-year` (built in)": year.strategy,
    }
    for name, strategy in rows.items():
        factors = ErrorFactors.of(strategy, year.workload.read_epochs)
        cells = [f"{value:.2f}" for value in (factors.worst, factors.rms, factors.read_worst, factors.read_rms)]
        assert f"| {name} | {' | '.join(cells)} |" in LINES


@pytest.mark.parametrize(("cadence", "epochs"), [("quarterly", 4), ("monthly", 12), ("weekly", 52)])
def test_error_factors_by_cadence(cadence: str, epochs: int) -> None:
    root = ErrorFactors.of(SquareRootFactorisation(epochs, 8))
    found = [f"{sqrt(epochs):.2f}", f"{root.worst:.2f} / {root.rms:.2f}"]
    objectives: tuple[Objective, ...] = ("worst", "mean-square")
    for objective in objectives:
        best = optimal_strategy(np.ones(epochs), objective=objective)
        factors = ErrorFactors.of(DenseFactorisation.project(best.matrix, 12))
        found.append(f"{factors.worst:.2f} / {factors.rms:.2f}")
    assert f"| {cadence}, T = {epochs} | {' | '.join(found)} |" in LINES


def test_every_field_of_the_protocol_is_named() -> None:
    assert [field.name for field in msgspec.structs.fields(SurveillanceProtocol) if f"`{field.name}`" not in TEXT] == []


def test_what_zero_concentrated_privacy_would_claim() -> None:
    def delta(rho: float, epsilon: float) -> float:
        """Canonne, Kamath, Steinke (2020), Corollary 13, the best order searched."""
        orders = 1 + np.exp(np.linspace(-3, 6, 20_000))
        logs = (orders - 1) * (orders * rho - epsilon) - np.log(orders - 1) + orders * np.log1p(-1 / orders)
        return float(np.exp(logs.min()))

    found = []
    for epsilon in (1.0, 3.0):
        rho = mu_from_epsilon_delta(epsilon, 1e-6) ** 2 / 2
        found.append(brentq(lambda value, rho=rho: delta(rho, value) - 1e-6, epsilon, 2 * epsilon))
    assert f"claim epsilon {found[0]:.2f} for 1, {found[1]:.2f} for 3" in TEXT


def test_discrete_noise_is_rounded_continuous_noise() -> None:
    """Lemma 3 with a rounding of variance r^2: the deviation is what Poisson summation says, and no larger."""
    for variance, bound in ((0.25, 4 * np.exp(-2 * np.pi**2 * 0.25)), (1.0, 4 * np.exp(-2 * np.pi**2))):
        sigma, x = 4.0, np.arange(-60, 61)
        y = np.linspace(-60, 60, 120 * 512 + 1)  # the trapezoidal rule is exact here to the last digits
        rounding = np.exp(-((x[:, None] - y) ** 2) / (2 * variance))
        rounding /= rounding.sum(axis=0)
        density = np.exp(-(y**2) / (2 * (sigma**2 - variance)))
        rounded = rounding @ density
        discrete = np.exp(-(x**2) / (2 * sigma**2))
        middle = np.abs(x) <= 20
        ratio = (rounded / rounded.sum())[middle] / (discrete / discrete.sum())[middle]
        assert np.abs(ratio - 1).max() < bound
    assert np.log2(4) - 2 * np.pi**2 * 16 / np.log(2) < -450  # r = 4, as in the lemma
    assert 16 / (2 * 1e4**2) < 1e-7  # "less than a part in ten million"
