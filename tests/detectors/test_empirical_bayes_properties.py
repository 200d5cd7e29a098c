"""What must hold of the shrinker whatever the data: limits, monotony, scale, order, truncation, and its known traps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import nbinom

from benchmarks.pair_tables import reported_pairs
from cases import ParameterError
from detectors import CountTable, EmpiricalBayes, GammaMixture, GammaMixtureFit, PairArrays, fit_gamma_mixture
from detectors.empirical_bayes._likelihood import Likelihood
from detectors.empirical_bayes.fit import _expectation_maximisation

Floats = NDArray[np.float64]

PRIORS = {
    "caers": GammaMixture(alpha1=3.25596685, beta1=0.39998994, alpha2=2.02376139, beta2=1.90614108, p=0.06530755),
    "narrow": GammaMixture(alpha1=1e4, beta1=1e4, alpha2=0.05, beta2=0.001, p=0.9),
    "shape near 0": GammaMixture(alpha1=1e-3, beta1=1e-3, alpha2=2.0, beta2=2.0, p=0.5),
    "far apart": GammaMixture(alpha1=1e-6, beta1=1e-6, alpha2=1e-6, beta2=1e6, p=0.5),
}
every_prior = pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
COUNTS = np.array([0, 0.3, 1, 2, 2.5, 3, 39, 40, 41, 100, 1e4, 1e6, 1e9, 1e12])
MEANS = np.array([1e-300, 1e-12, 1e-6, 0.01, 0.1, 1, 100, 1e6, 1e12, 1e200])


def rows(n: Floats, expected: Floats) -> PairArrays:
    index = np.arange(len(n), dtype=np.int64)
    counts: NDArray[np.int64] = n  # type: ignore[assignment]  # fractional ones too
    return PairArrays(("a",), ("b",), index, index, counts, index, index, index, expected)


def scores(prior: GammaMixture, n: Floats, expected: Floats) -> Floats:
    return EmpiricalBayes(prior=prior, level=0.9).score_many(rows(n, expected))


def taken(arrays: PairArrays, chosen: NDArray[np.int64]) -> PairArrays:
    columns = ("drug_index", "reaction_index", "n", "n_drug", "n_reaction", "n_total", "expected")
    return replace(arrays, **{name: getattr(arrays, name)[chosen] for name in columns})


def swapped(prior: GammaMixture) -> GammaMixture:
    return GammaMixture(alpha1=prior.alpha2, beta1=prior.beta2, alpha2=prior.alpha1, beta2=prior.beta1, p=1 - prior.p)


@pytest.fixture(scope="module")
def national() -> PairArrays:
    """102,483 pairs, as many as the largest table that peers publish times of."""
    return reported_pairs(np.random.default_rng(20261124))


@pytest.fixture(scope="module")
def fitted(national: PairArrays) -> GammaMixtureFit:
    return fit_gamma_mixture(national.n, national.expected)


@every_prior
def test_scores_are_finite_ordered_and_monotone_up_to_both_infinities(prior: GammaMixture) -> None:
    n, expected = np.meshgrid(COUNTS, MEANS)
    found = scores(prior, n.ravel(), expected.ravel())
    assert np.isfinite(found).all()
    assert (found[:, 1] <= found[:, 2]).all()
    found[found < 1e-250] = 0  # a quantile of a shape near 0 that leaves what a float holds
    table = found.reshape(len(MEANS), len(COUNTS), 3)
    assert (table[:, 1:] >= table[:, :-1] * (1 - 1e-9)).all()  # more reports never lower a score
    assert (table[1:] <= table[:-1] * (1 + 1e-9)).all()  # nor does a smaller expectation


def test_limits_of_many_reports_and_of_none_expected() -> None:
    prior = PRIORS["caers"]
    many = scores(prior, np.array([1e8, 1e12]), np.array([1e8 / 7, 1e12 / 7]))
    np.testing.assert_allclose(many[0], 7, rtol=5e-4)
    np.testing.assert_allclose(many[1], 7, rtol=5e-6)
    rare = scores(prior, np.full(3, 2.0), np.array([1e-300, 1e-30, 1e-12]))
    np.testing.assert_allclose(rare, rare[[0, 0, 0]], rtol=1e-9)  # the prior alone decides, and it is not infinite


@every_prior
def test_the_order_of_the_components_is_irrelevant(prior: GammaMixture) -> None:
    n, expected = np.repeat(COUNTS, len(MEANS)), np.tile(MEANS, len(COUNTS))
    np.testing.assert_allclose(scores(swapped(prior), n, expected), scores(prior, n, expected), rtol=1e-9)
    assert swapped(prior).ordered() == prior.ordered() or prior.p == 0.5


def test_scores_follow_the_scale_of_the_expected_counts(national: PairArrays, fitted: GammaMixtureFit) -> None:
    prior, few = fitted.prior, taken(national, np.arange(0, len(national), 97))
    scaled = replace(prior, beta1=prior.beta1 * 5, beta2=prior.beta2 * 5)
    np.testing.assert_allclose(
        scores(scaled, few.n.astype(float), few.expected * 5) * 5, scores(prior, few.n.astype(float), few.expected),
        rtol=1e-8,
    )  # fmt: skip
    refitted = fit_gamma_mixture(national.n, national.expected * 5)
    assert refitted.negative_log_likelihood == pytest.approx(fitted.negative_log_likelihood, abs=1e-6)
    assert refitted.prior.beta1 == pytest.approx(5 * prior.beta1, rel=1e-5)
    assert refitted.prior.alpha2 == pytest.approx(prior.alpha2, rel=1e-5)


def test_a_row_has_the_same_digits_alone_and_among_all(national: PairArrays, fitted: GammaMixtureFit) -> None:
    measure = EmpiricalBayes(prior=fitted.prior, level=0.9)
    every = measure.score_many(national)
    random = np.random.default_rng(4)
    for size in (1, 3, 700):
        chosen = random.choice(len(national), size, replace=False)
        np.testing.assert_array_equal(measure.score_many(taken(national, chosen)), every[chosen])


def test_twenty_starts_find_nothing_better(national: PairArrays, fitted: GammaMixtureFit) -> None:
    random = np.random.default_rng(8)
    best = np.inf
    for _ in range(20):
        a1, b1, a2, b2 = np.exp(random.normal(0, 1.2, 4)).tolist()
        start = GammaMixture(alpha1=a1, beta1=b1, alpha2=a2, beta2=b2, p=random.uniform(0.05, 0.95))
        try:
            best = min(best, fit_gamma_mixture(national.n, national.expected, starts=[start]).negative_log_likelihood)
        except ParameterError:
            continue  # a start that ends nowhere finds nothing better
    assert np.isfinite(best)
    assert fitted.negative_log_likelihood <= best + 1e-3
    assert fitted.starts_agreeing >= 2
    assert fitted.gradient_norm <= 1e-3


def test_an_independent_optimiser_finds_nothing_better(national: PairArrays) -> None:
    few = taken(national, np.arange(0, len(national), 10))
    ours = fit_gamma_mixture(few.n, few.expected)

    def value(x: Floats) -> float:
        parts = []
        for alpha, beta, odds in ((x[0], x[1], x[4]), (x[2], x[3], -x[4])):
            of = nbinom(np.exp(alpha), np.exp(beta) / (np.exp(beta) + few.expected))
            parts.append(of.logpmf(few.n) - np.log(of.sf(0)) - np.logaddexp(0, -odds))
        return -float(np.logaddexp(*parts).sum())

    found = minimize(value, np.array([0.0, 0.0, 1.0, 1.0, 0.0]), method="Nelder-Mead", options={"maxiter": 400})
    assert ours.negative_log_likelihood <= found.fun + 1e-3
    prior = ours.prior
    x = np.log([prior.alpha1, prior.beta1, prior.alpha2, prior.beta2, prior.p / (1 - prior.p)])
    assert value(x) == pytest.approx(ours.negative_log_likelihood, rel=1e-10)


def test_rows_may_come_in_any_order_and_as_weights(national: PairArrays, fitted: GammaMixtureFit) -> None:
    few = taken(national, np.arange(0, len(national), 20))
    once = fit_gamma_mixture(few.n, few.expected)
    order = np.random.default_rng(1).permutation(len(few))
    shuffled = fit_gamma_mixture(few.n[order], few.expected[order])
    assert shuffled.negative_log_likelihood == pytest.approx(once.negative_log_likelihood, abs=1e-7)
    twice = fit_gamma_mixture(np.tile(few.n, 2), np.tile(few.expected, 2))
    weighted = fit_gamma_mixture(few.n, few.expected, weight=2)
    for other in (twice, weighted):
        assert other.negative_log_likelihood == pytest.approx(2 * once.negative_log_likelihood, rel=1e-9)
        assert other.prior.alpha1 == pytest.approx(once.prior.alpha1, rel=1e-4)


def test_each_component_is_truncated_by_itself_and_nothing_is_added() -> None:
    """By scipy's negative binomial; truncating the mixture as a whole gives another number."""
    random = np.random.default_rng(6)
    n = random.integers(2, 60, 300).astype(float)
    expected = np.exp(random.normal(-3, 4, 300))  # some counts have a chance below the least positive float
    prior = PRIORS["caers"]
    x = np.log([prior.alpha1, prior.beta1, prior.alpha2, prior.beta2, prior.p / (1 - prior.p)])
    for truncation in (1, 2):
        parts, cut = [], []
        for alpha, beta, p in ((prior.alpha1, prior.beta1, prior.p), (prior.alpha2, prior.beta2, 1 - prior.p)):
            of = nbinom(alpha, beta / (beta + expected))
            parts.append(np.log(p) + of.logpmf(n))
            cut.append(of.logsf(truncation - 1))
        by_component = -np.logaddexp(parts[0] - cut[0], parts[1] - cut[1]).sum()
        whole = -(np.logaddexp(*parts) - np.logaddexp(np.log(prior.p) + cut[0], np.log1p(-prior.p) + cut[1])).sum()
        value = Likelihood(n, expected, np.ones(300), truncation=truncation)(x)[0]
        assert value == pytest.approx(by_component, rel=1e-9)
        assert abs(value - whole) > 1
    assert Likelihood(np.array([400.0]), np.array([1e-9]), np.ones(1), truncation=0)(x)[0] > 5000  # no floor


@pytest.mark.shared_data
def test_a_shape_that_is_weakly_determined_moves_neither_likelihood_nor_scores(shared_data: Path) -> None:
    frame = pl.read_csv(shared_data / "caers" / "caers_2012_supplements.csv", infer_schema=False)
    arrays = CountTable.from_reports(frame["id"], frame["var1"], frame["var2"]).arrays()
    n = arrays.n.astype(np.float64)
    fit = fit_gamma_mixture(n, arrays.expected)
    likelihood = Likelihood(n, arrays.expected, np.ones(len(n)), truncation=1)
    high = fit.prior.alpha2 * 1.4  # the component of the larger mean; its standard error is 2.29
    others = np.array([0, 1, 3, 4])

    def profile(free: Floats) -> tuple[float, Floats]:
        value, gradient, _ = likelihood(np.insert(free, 2, np.log(high)))
        return value, gradient[others]

    prior = fit.prior
    start = np.log([prior.alpha1, prior.beta1, prior.beta2 * 1.4, prior.p / (1 - prior.p)])
    found = minimize(profile, start, jac=True, method="L-BFGS-B")
    assert 0 < found.fun - fit.negative_log_likelihood < 0.5
    a1, b1, b2, odds = np.exp(found.x).tolist()
    other = GammaMixture(alpha1=a1, beta1=b1, alpha2=high, beta2=b2, p=odds / (1 + odds))
    mine, theirs = (EmpiricalBayes(prior=each, level=0.9).score_many(arrays) for each in (prior, other))
    assert np.quantile(np.abs(np.log(theirs[:, 0] / mine[:, 0])), 0.99) < 0.1
    assert abs(int((theirs[:, 1] >= 2).sum()) - 131) <= 3


def test_expectation_maximisation_never_goes_uphill() -> None:
    random = np.random.default_rng(12)
    expected = np.exp(random.normal(0, 1.5, 3000))
    ratio = np.where(random.random(3000) < 0.2, random.gamma(1, 8, 3000), random.gamma(4, 0.25, 3000))
    n = random.poisson(ratio * expected).astype(float)
    n, expected = n[n > 0], expected[n > 0]
    likelihood = Likelihood(n, expected, np.ones(len(n)), truncation=1)
    x = np.array([-4.0, -4.0, 3.0, 3.0, 0.0])
    values = [likelihood(x)[0]]
    for _ in range(60):
        x = _expectation_maximisation(likelihood, x, rounds=1)
        values.append(likelihood(x)[0])
    assert (np.diff(values) <= 1e-9).all()
    assert values[-1] == pytest.approx(fit_gamma_mixture(n, expected).negative_log_likelihood, abs=1)


def test_a_noisy_count_beyond_all_reports_has_a_score_of_its_own_size() -> None:
    one = np.array([1])
    many, first = 270_000_000_000_000_000 * one, 0 * one
    arrays = PairArrays(("d",), ("r",), first, first, many, one, one, one, np.array([1.0]))
    prior = GammaMixture(alpha1=2.0, beta1=4.0, alpha2=0.2, beta2=0.1, p=0.7)
    point, lower, upper = EmpiricalBayes(prior=prior, level=0.9).score_many(arrays)[0]
    assert lower <= point <= upper
    assert upper == pytest.approx(2.7e17 / 1.1, rel=1e-6)
