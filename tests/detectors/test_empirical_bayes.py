"""The gamma-Poisson shrinker against published numbers, numerical integration and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cases import ParameterError
from detectors import PairArrays
from detectors.empirical_bayes import EmpiricalBayes, GammaMixture, fit_gamma_mixture
from detectors.empirical_bayes._likelihood import Likelihood

TINY = np.array([0.125874, 0.13587, 1.24578, 3.01587])
CAERS = GammaMixture(alpha1=3.25596685, beta1=0.39998994, alpha2=2.02376139, beta2=1.90614108, p=0.06530755)


def at(prior: np.ndarray, p: float) -> np.ndarray:
    return np.append(np.log(prior), np.log(p / (1 - p)))


def rows(n: np.ndarray, expected: np.ndarray) -> PairArrays:
    index = np.arange(len(n), dtype=np.int64)
    names = tuple(map(str, index))
    total = np.full(len(n), 10**6, dtype=np.int64)
    return PairArrays(names, names, index, index, np.asarray(n), total, total, total, np.asarray(expected, dtype=float))


@pytest.fixture(scope="module")
def simulated() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(11)
    expected = np.exp(random.normal(-1, 2, 30_000))
    ratio = np.where(
        random.random(30_000) < 0.3, random.gamma(0.6, 1 / 0.15, 30_000), random.gamma(3.0, 1 / 4.0, 30_000)
    )
    n = random.poisson(ratio * expected)
    return n[n >= 1], expected[n >= 1]


def test_the_printed_likelihoods_of_a_tiny_table() -> None:
    n = np.repeat([0.0, 1, 2, 3], [5, 4, 6, 2])
    squashed = np.repeat([0.0, 1, 2, 3], [3, 2, 3, 2])
    e, es, x = np.arange(1.0, 18), np.arange(1.0, 11), at(TINY, 0.05)
    assert Likelihood(n, e, np.ones(17), truncation=0)(x)[0] == pytest.approx(28.7087780396826, abs=1e-10)
    assert Likelihood(squashed, es, np.full(10, 0.1), truncation=0)(x)[0] == pytest.approx(1.49302419353023, abs=1e-10)
    kept, kept_squashed = n >= 2, squashed >= 2
    value = Likelihood(n[kept], e[kept], np.ones(kept.sum()), truncation=2)(x)[0]
    assert value == pytest.approx(15.4920073198737, abs=1e-10)
    weight = np.full(kept_squashed.sum(), 0.1)
    value = Likelihood(squashed[kept_squashed], es[kept_squashed], weight, truncation=2)(x)[0]
    assert value == pytest.approx(0.768338481698764, abs=1e-10)


@pytest.mark.parametrize("truncation", [0, 1, 2, 3])
def test_the_gradient_is_that_of_finite_differences(truncation: int) -> None:
    random = np.random.default_rng(3)
    n, e = random.integers(truncation, 30, 200).astype(float), np.exp(random.normal(0, 2, 200))
    likelihood, x = Likelihood(n, e, np.ones(200), truncation=truncation), at(TINY, 0.3)
    step = 1e-5
    numerical = [(likelihood(x + step * u)[0] - likelihood(x - step * u)[0]) / (2 * step) for u in np.eye(5)]
    np.testing.assert_allclose(likelihood(x)[1], numerical, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("n", "expected"), [(0, 0.001), (1, 0.01), (3, 2.0), (40, 3.0), (900, 1000.0)])
def test_scores_are_those_of_numerical_integration(n: int, expected: float) -> None:
    point, low, high = EmpiricalBayes(prior=CAERS, level=0.9).score_many(rows(np.array([n]), np.array([expected])))[0]
    parts = [
        (CAERS.p, stats.gamma(CAERS.alpha1, scale=1 / CAERS.beta1)),
        (1 - CAERS.p, stats.gamma(CAERS.alpha2, scale=1 / CAERS.beta2)),
    ]

    y = np.linspace(-40, 8, 400_001)  # of ln ratio: the sum over so fine a grid is exact where both ends vanish
    prior = sum(w * g.pdf(np.exp(y)) for w, g in parts)
    density = prior * stats.poisson(np.exp(y) * expected).pmf(n) * np.exp(y)
    density /= density.sum()
    assert np.log(point) == pytest.approx(y @ density, abs=1e-8)
    for value, probability in ((low, 0.05), (high, 0.95)):
        below = np.interp(np.log(value), y + (y[1] - y[0]) / 2, np.cumsum(density))
        assert below == pytest.approx(probability, abs=1e-7)


def test_a_fit_is_converged_and_no_start_does_better(simulated: tuple[np.ndarray, np.ndarray]) -> None:
    fit = fit_gamma_mixture(*simulated)
    random = np.random.default_rng(1)
    others = [
        GammaMixture(**dict(zip(("alpha1", "beta1", "alpha2", "beta2"), v, strict=True)), p=0.4)
        for v in np.exp(random.normal(0, 1, (6, 4))).tolist()
    ]
    assert fit.gradient_norm <= 1e-3
    assert fit.starts_agreeing >= 2
    assert fit.negative_log_likelihood <= fit_gamma_mixture(*simulated, starts=others).negative_log_likelihood + 1e-3
    warm = fit.refit(*simulated)
    assert (warm.starts, warm.pairs, warm.truncation) == (1, fit.pairs, fit.truncation)
    assert warm.negative_log_likelihood == pytest.approx(fit.negative_log_likelihood, abs=1e-6)
    means = fit.prior.alpha1 / fit.prior.beta1, fit.prior.alpha2 / fit.prior.beta2
    assert means[0] < means[1]


@pytest.mark.parametrize("kind", ["one value", "one report each", "all independent", "far too rare"])
def test_a_table_that_determines_no_mixture_is_an_error(kind: str) -> None:
    random = np.random.default_rng(2)
    expected = np.exp(random.normal(0, 1, 3000))
    n, e = {
        "one value": (np.full(40, 5), np.full(40, 5.0)),
        "one report each": (np.ones(3000), expected),
        "all independent": (random.poisson(expected), expected),
        "far too rare": (np.ones(3000), 1e-6 * expected),
    }[kind]
    with pytest.raises(ParameterError, match="no prior of two components"):
        fit_gamma_mixture(n[n > 0], e[n > 0])


def test_a_background_without_variation_ends_at_the_bound_of_its_shape() -> None:
    random = np.random.default_rng(0)
    expected = np.exp(random.normal(0, 1, 8000))
    n = random.poisson(expected * np.where(random.random(8000) < 0.1, random.gamma(2, 4, 8000), 0.8))
    fit = fit_gamma_mixture(n[n > 0], expected[n > 0])
    assert fit.is_shape_at_bound
    assert fit.prior.alpha1 == pytest.approx(1e4)
    assert fit.prior.alpha1 / fit.prior.beta1 == pytest.approx(0.8, abs=0.05)
    assert fit.prior.p == pytest.approx(0.9, abs=0.04)


def test_counts_in_the_millions_still_converge() -> None:
    """Rounding of the likelihood is then larger than what its last steps gain."""
    random = np.random.default_rng(0)
    expected = 1e6 * np.exp(random.normal(0, 1, 4000))
    n = random.poisson(
        expected * np.where(random.random(4000) < 0.2, random.gamma(2, 4, 4000), random.gamma(4, 0.2, 4000))
    )
    fit = fit_gamma_mixture(n, expected)
    assert fit.gradient_norm <= 1e-3
    assert fit.prior.alpha1 == pytest.approx(4, abs=0.5)


def test_rows_that_are_no_counts_are_named() -> None:
    with pytest.raises(ParameterError, match="row 3"):
        fit_gamma_mixture([1, 1, 1, 0, *[2] * 10], 1.0)


def test_noisy_rows_are_undefined_and_the_others_stay() -> None:
    scores = EmpiricalBayes(prior=CAERS, level=0.9).score_many(
        rows(np.array([-3.0, 4.0, np.nan, 2.0]), np.array([1.0, 2.0, 1.0, 0.0]))
    )
    assert np.isnan(scores).all(axis=1).tolist() == [True, False, True, True]


def test_a_snapshot_gives_the_same_prior() -> None:
    assert GammaMixture.restore(CAERS.snapshot()) == CAERS
