"""What makes the shrinker fast and must not change it: second derivatives, warm fits, and quantiles from tables."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import gammaincinv

from benchmarks.pair_tables import reported_pairs
from detectors import GammaMixture, fit_gamma_mixture
from detectors.empirical_bayes._likelihood import Likelihood
from detectors.empirical_bayes._posterior import Posterior
from detectors.empirical_bayes._quantile_table import QuantileTable
from detectors.information_component import information_component, information_component_quantile

Floats = NDArray[np.float64]

PRIORS = {
    "vaers": GammaMixture(alpha1=1e-6, beta1=0.0956, alpha2=1.4288, beta2=1.4429, p=0.1188),
    "national": GammaMixture(alpha1=2.88, beta1=3.89, alpha2=0.4486, beta2=0.2133, p=0.752),
    "caers": GammaMixture(alpha1=3.25596685, beta1=0.39998994, alpha2=2.02376139, beta2=1.90614108, p=0.06530755),
    "narrow": GammaMixture(alpha1=0.855, beta1=1.1367, alpha2=398.0, beta2=184.0, p=0.8876),
    "far apart": GammaMixture(alpha1=0.5, beta1=0.5, alpha2=20.0, beta2=0.5, p=0.9),
}
every_prior = pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
TAILS = (0.05, 0.95)


def some_rows(seed: int, size: int = 4_000) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    return random.integers(1, 41, size).astype(np.float64), np.exp(random.normal(-1, 3, size))


@pytest.mark.parametrize("truncation", [0, 1, 2, 3])
def test_first_and_second_derivatives_are_those_of_differences(truncation: int) -> None:
    n, expected = some_rows(1, 500)
    n, expected = n + truncation, np.maximum(expected, 0.01)  # the chance of 3 or more loses digits where E is tiny
    random = np.random.default_rng(2)
    likelihood = Likelihood(n, expected, random.uniform(0.5, 3, len(n)), truncation=truncation)
    step = 1e-5
    for x in (np.array([-1.0, 0.3, 0.7, 0.5, -0.8]), np.array([-6.0, -2.0, 0.3, 0.3, 2.0])):
        _, gradient, matrix = likelihood(x)
        ahead, behind = ([likelihood(x + sign * step * unit) for unit in np.eye(5)] for sign in (1, -1))
        by_value = np.array([(more[0] - less[0]) / (2 * step) for more, less in zip(ahead, behind, strict=True)])
        by_gradient = np.array([(more[1] - less[1]) / (2 * step) for more, less in zip(ahead, behind, strict=True)])
        np.testing.assert_allclose(gradient, by_value, atol=1e-6 * np.abs(gradient).max())
        np.testing.assert_allclose(matrix, by_gradient, atol=1e-6 * np.abs(matrix).max())
        np.testing.assert_array_equal(matrix, matrix.T)


def test_a_warm_fit_is_as_likely_as_a_cold_one() -> None:
    arrays = reported_pairs(np.random.default_rng(11))
    order = np.random.default_rng(12).permutation(len(arrays))
    fit = fit_gamma_mixture(arrays.n[order[:8_000]], arrays.expected[order[:8_000]])
    for size in (10_000, 20_000, len(order)):  # more data, and twice as much, and five times
        n, expected = arrays.n[order[:size]], arrays.expected[order[:size]]
        warm, cold = fit.refit(n, expected), fit_gamma_mixture(n, expected)
        assert warm.negative_log_likelihood == pytest.approx(cold.negative_log_likelihood, abs=1e-3)
        assert warm.gradient_norm <= 1e-3
        assert (warm.starts, cold.starts) == (1, 5)
        fit = warm


@every_prior
def test_quantiles_from_the_table_are_the_solved_ones(prior: GammaMixture) -> None:
    n, expected = some_rows(3)
    found, is_close = QuantileTable(prior, TAILS).quantiles(n, expected)
    posterior = Posterior(prior, n, expected)
    for values, close, probability in zip(found, is_close, TAILS, strict=True):
        np.testing.assert_allclose(values[close], posterior.log_quantile(probability)[close], rtol=0, atol=1e-7)
        assert close.mean() > 0.3


def test_where_components_part_the_table_says_that_it_is_not_close_enough() -> None:
    n, expected = some_rows(3)
    found, is_close = QuantileTable(PRIORS["far apart"], TAILS).quantiles(n, expected)
    solved = Posterior(PRIORS["far apart"], n, expected).log_quantile(TAILS[0])
    is_wrong = np.abs(found[0] - solved) > 1e-6
    assert is_wrong.any()
    assert not (is_wrong & is_close[0]).any()


@every_prior
def test_a_table_answers_the_same_whatever_it_was_asked_before(prior: GammaMixture) -> None:
    n, expected = some_rows(4, 300)
    grown = QuantileTable(prior, TAILS)
    for row in np.random.default_rng(5).permutation(len(n))[:40]:
        grown.quantiles(n[[row]], expected[[row]])
    for one, other in zip(
        grown.quantiles(n, expected), QuantileTable(prior, TAILS).quantiles(n, expected), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_what_a_table_covers() -> None:
    n = np.array([0, 1, 2.5, 40, 41, 3, 3, 3, 3])
    expected = np.array([1, 1, 1, 1, 1, 1e-300, 1e200, 1e-12, 1e12])
    assert QuantileTable.covers(n, expected).tolist() == [True, True, False, True, False, False, False, True, True]


def test_limits_of_the_information_component_are_those_without_a_table() -> None:
    n = np.array([0, 1, 0.3, 7, 1022, 1023, 1024, 5000.5, 1e9, -1, np.nan, np.inf])
    for probability in (0.025, 0.9):
        with np.errstate(invalid="ignore"):
            shape = np.where((n >= 0) & np.isfinite(n), n + 0.5, np.nan)
        wanted = np.log2(gammaincinv(shape, probability)) - np.log2(2.5)
        found = information_component_quantile(n, 2.0, probability=probability)
        np.testing.assert_array_equal(found, wanted)
        one = information_component_quantile(7, 2.0, probability=probability)
        assert (one.shape, float(one)) == ((), float(wanted[3]))
    assert information_component(n.reshape(3, 4), 2.0, level=0.95).shape == (3, 4, 3)
