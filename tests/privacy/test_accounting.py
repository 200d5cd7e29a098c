from collections.abc import Callable
from math import ceil, exp, sqrt
from typing import Any

import numpy as np
import opendp.prelude as dp
import pytest
from dp_accounting.pld import privacy_loss_distribution
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from cases.errors import ParameterError
from privacy.accounting import delta_from_mu, epsilon_from_mu, mu_from_epsilon_delta
from privacy.release_spec import MICRO, ReleaseSpec
from tests.privacy.examples import protocol
from tests.privacy.strategies import ARTEFACTS, counting_with

dp.enable_features("contrib")

# analytic Gaussian, noise for L2 sensitivity 1 (Balle and Wang 2018, algorithm 1)
SIGMAS = [
    (1e-6, [8.058, 4.225, 2.230, 1.544, 0.980, 0.653]),
    (1e-8, [9.864, 5.100, 2.653, 1.819, 1.139, 0.748]),
]


@pytest.mark.parametrize(("delta", "sigmas"), SIGMAS)
def test_sigma_of_the_analytic_gaussian(delta: float, sigmas: list[float]) -> None:
    ours = [1 / mu_from_epsilon_delta(epsilon, delta) for epsilon in (0.5, 1, 2, 3, 5, 8)]
    assert [round(sigma, 3) for sigma in ours] == sigmas


@pytest.mark.parametrize(("mu", "epsilon"), [(0.2, 0.5), (1.0, 1.0), (1.0, 3.0), (3.0, 4.0)])
def test_delta_is_the_integral_it_stands_for(mu: float, epsilon: float) -> None:
    def excess(x: float) -> float:
        return max(0.0, float(norm.pdf(x, mu)) - exp(epsilon) * float(norm.pdf(x)))

    crossing = epsilon / mu + mu / 2
    integral, _ = quad(excess, crossing, crossing + 40, epsabs=1e-14)
    assert delta_from_mu(mu, epsilon) == pytest.approx(integral, rel=1e-7)


@given(st.floats(0.05, 50), st.floats(1e-12, 1e-3))
def test_the_conversions_are_inverse_and_never_promise_too_much(epsilon: float, delta: float) -> None:
    mu = mu_from_epsilon_delta(epsilon, delta)
    assert delta_from_mu(mu, epsilon) <= delta
    assert delta_from_mu(mu * (1 + 1e-9), epsilon) > delta * (1 - 1e-6)
    assert epsilon_from_mu(mu, delta) == pytest.approx(epsilon, rel=1e-6)
    assert delta_from_mu(mu, epsilon_from_mu(mu, delta)) <= delta


def test_a_tiny_loss_needs_no_epsilon_at_all() -> None:
    assert epsilon_from_mu(1e-3, 0.01) == 0.0


def test_wrong_values_are_refused() -> None:
    nan = float("nan")
    calls: list[Callable[[], float]] = [
        lambda: delta_from_mu(0, 1),
        lambda: delta_from_mu(nan, 1),
        lambda: delta_from_mu(1, nan),
        lambda: epsilon_from_mu(1, 0),
        lambda: mu_from_epsilon_delta(0, 1e-6),
        lambda: mu_from_epsilon_delta(1, 1),
        lambda: mu_from_epsilon_delta(nan, 1e-6),
    ]
    for call in calls:
        with pytest.raises(ParameterError):
            call()


@pytest.mark.parametrize(
    ("epsilon", "delta", "factorisation"),
    [
        *((epsilon, delta, "square-root") for epsilon, delta in ((0.5, 1e-6), (1.0, 1e-6), (3.0, 1e-6), (3.0, 1e-8))),
        *((epsilon, 1e-6, name) for epsilon in (0.5, 3.0) for name in (*ARTEFACTS, "daily-year")),
    ],
)
def test_the_claim_stands_up_to_the_privacy_loss_distribution(epsilon: float, delta: float, factorisation: str) -> None:
    """dp-accounting's exact composition of pair table and margins, on a lattice coarse enough to be quick."""
    if factorisation == "square-root":
        spec = ReleaseSpec.of(protocol(epsilon=epsilon, delta=delta, epochs=52))
    else:
        spec = ReleaseSpec.of(counting_with(factorisation, epsilon=epsilon, delta=delta))
    assert spec.mu**2 * MICRO <= spec.cost_micro_mu2 <= spec.cap_micro_mu2
    for is_pessimistic in (True, False):
        composed = None
        for name in ("pair", "drug"):
            table = spec.tables[name]
            loss = privacy_loss_distribution.from_discrete_gaussian_mechanism(
                500 / table.mu,
                sensitivity=500,
                value_discretization_interval=1e-4,
                pessimistic_estimate=is_pessimistic,
            )
            composed = loss if composed is None else composed.compose(loss)
        assert composed is not None
        theirs = composed.get_epsilon_for_delta(delta)
        if is_pessimistic:
            assert epsilon - 1e-3 < theirs < epsilon + 3e-4  # their upper bound is at most its own grid above ours
        else:
            assert theirs <= epsilon


@pytest.mark.slow
def test_the_claim_on_the_very_lattice_of_production() -> None:
    table = ReleaseSpec.of(protocol(epochs=96)).tables["pair"]
    loss = privacy_loss_distribution.from_discrete_gaussian_mechanism(
        table.sigma, sensitivity=ceil(table.sensitivity), value_discretization_interval=1e-3
    )
    assert loss.get_epsilon_for_delta(1e-6) == pytest.approx(epsilon_from_mu(table.mu, 1e-6), abs=6e-4)


def opendp_loss(measurement: Any, sensitivity: int) -> Any:
    return measurement.map(sensitivity)


def test_opendp_agrees_on_the_noise_of_every_table() -> None:
    """OpenDP on the same lattice: its rho is our mu^2 / 2, and its looser conversion is never below ours."""
    spec = ReleaseSpec.of(protocol())
    total = 0.0
    for name in ("pair", "drug"):
        table = spec.tables[name]
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="i64")
        rho = opendp_loss(dp.m.make_gaussian(*space, scale=float(table.sigma)), ceil(table.sensitivity))
        assert rho == pytest.approx(table.mu**2 / 2, rel=1e-4)
        total += rho
    assert sqrt(2 * total) == pytest.approx(spec.mu, rel=1e-4)
    approximate = dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*space, scale=1000 / spec.mu))
    converted = opendp_loss(approximate, 1000).epsilon(1e-6)
    assert spec.epsilon(1e-6) < converted < 1.12 * spec.epsilon(1e-6)


def test_the_discrete_curve_equals_the_continuous_one_on_the_lattice() -> None:
    """Canonne, Kamath and Steinke (2020), theorem 7, summed directly at the pair table's sigma and sensitivity."""
    table = ReleaseSpec.of(protocol(epochs=12)).tables["pair"]
    sigma, shift = float(table.sigma), ceil(table.sensitivity)
    x = np.arange(-12 * table.sigma, 12 * table.sigma + shift, dtype=np.int64)
    mass = np.exp(-(x.astype(float) ** 2) / (2 * sigma**2))
    mass /= mass.sum()
    moved = np.exp(-((x - shift).astype(float) ** 2) / (2 * sigma**2))
    moved /= moved.sum()
    for epsilon in (0.5, 1.0, 2.5):
        discrete = float(np.maximum(moved - exp(epsilon) * mass, 0).sum())
        assert discrete == pytest.approx(delta_from_mu(shift / sigma, epsilon), rel=1e-6)


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 1.0, 3.0, 10.0])
def test_the_ledger_cost_never_exceeds_the_cap(epsilon: float) -> None:
    for epochs in (1, 12, 365):
        spec = ReleaseSpec.of(protocol(epsilon=epsilon, epochs=epochs))
        assert 0.99 * spec.cap_micro_mu2 <= spec.cost_micro_mu2 <= spec.cap_micro_mu2
        assert spec.mu**2 * MICRO <= spec.cost_micro_mu2
        assert spec.epsilon(1e-6) <= epsilon
