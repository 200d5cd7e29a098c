"""Shrinkage of noisy counts against the exact mixture, another integration, and what must hold of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from benchmarks.noisy_mixture import exact_mixture
from benchmarks.public_prior import faers_prior
from cases import ConfigurationError, ParameterError
from detectors import CountTable, EmpiricalBayes, GammaMixture
from detectors.noisy import NoisyShrinkage, load_public_prior, parse_public_prior

PUBLIC = load_public_prior().prior
OFTEN_USED = GammaMixture(alpha1=0.2, beta1=0.1, alpha2=2.0, beta2=4.0, p=1 / 3)
HALF = GammaMixture(alpha1=0.5, beta1=0.5, alpha2=0.5, beta2=0.5, p=0.5)
LIMITS = (0.025, 0.05, 0.95, 0.975)
TOLERANCE = 0.02  # in log2 units


def error(got: NDArray[np.float64], log_expected: NDArray[np.float64]) -> float:
    """Largest difference in log2 units; NaN where one is not a number."""
    return float(np.max(np.abs(np.log(got) - log_expected)) / np.log(2))


def wide(random: np.random.Generator, size: int, sd: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts from far below to far above what is expected, which is from a thousandth to a hundred thousand."""
    expected = 10 ** random.uniform(-3, 5, size)
    score = np.where(random.random(size) < 0.5, random.uniform(-6, 8, size), 10 ** random.uniform(0, 3, size))
    return np.minimum(expected + score * np.sqrt(expected + sd * sd), 3e4), expected


@pytest.mark.parametrize("prior", [PUBLIC, OFTEN_USED, HALF], ids=["public", "often used", "information component"])
@pytest.mark.parametrize("sd", [0.5, 0.99, 1.0, 3.0, 30.0, 500.0])
def test_it_is_the_exact_mixture(prior: GammaMixture, sd: float) -> None:
    count, expected = wide(np.random.default_rng(round(100 * sd)), 8, sd)
    got = NoisyShrinkage(prior=prior, probabilities=LIMITS).score_many(count, expected, sd=sd)
    for row in range(len(count)):
        exact = exact_mixture(count[row], expected[row], sd=sd, prior=prior, probabilities=LIMITS)
        assert error(got[row], exact) <= TOLERANCE, (count[row], expected[row])


@pytest.mark.parametrize("sd", [1.0, 6.5, 100.0])
def test_many_cells_at_once_are_what_each_is_alone(sd: float) -> None:
    random = np.random.default_rng(round(sd))
    size = 150_000
    expected, noise = 10 ** random.uniform(-2, 3.5, size), random.uniform(0, 0.7, size)
    count = expected + random.normal(0, 1.5, size) * np.sqrt(expected + sd * sd + (noise * expected) ** 2)
    for prior, limits in ((PUBLIC, (0.05, 0.95)), (HALF, (0.025, 0.975))):
        shrinkage = NoisyShrinkage(prior=prior, probabilities=limits)
        got = shrinkage.score_many(count, expected, sd=sd, expected_ratio_sd=noise)
        chosen = random.choice(size, 1500, replace=False)
        alone = shrinkage.score_many(count[chosen], expected[chosen], sd=sd, expected_ratio_sd=noise[chosen])
        worst = np.abs(np.log2(got[chosen]) - np.log2(alone)).max(axis=0)
        assert worst.max() > 0  # they are interpolated
        assert np.all(worst[:2] <= TOLERANCE), worst
        assert worst[3] <= TOLERANCE
        assert worst[2] <= 2 * TOLERANCE  # the lower quantile, of counts below what is expected
        assert np.quantile(np.abs(np.log2(got[chosen]) - np.log2(alone)), 0.99) < 0.01


def integrated(
    count: float, expected: float, ratio_sd: float, *, sd: float, prior: GammaMixture, probabilities: Sequence[float]
) -> NDArray[np.float64]:
    """Posterior with an uncertain expected count, summed over true counts and a fine grid of ratios."""
    shape = ratio_sd**-2
    log_ratio = np.linspace(-60, 8, 6000)
    mean = expected * np.exp(log_ratio)
    a = np.arange(max(0, int(count - 12 * sd)), int(max(count, 0) + 12 * sd) + 30)
    of_count = gammaln(a + shape) - gammaln(a + 1) - 0.5 * ((count - a) / sd) ** 2
    density = -shape * np.log1p(mean / shape)
    density += [logsumexp(of_count + a * odds) for odds in np.log(mean / (shape + mean))]
    parts = [
        np.log(share) + alpha * (np.log(beta) + log_ratio) - beta * np.exp(log_ratio) - gammaln(alpha)
        for share, alpha, beta in ((prior.p, prior.alpha1, prior.beta1), (1 - prior.p, prior.alpha2, prior.beta2))
    ]
    density += np.logaddexp(*parts)
    weight = np.exp(density - logsumexp(density))
    moments = [np.log(np.sum(weight * np.exp(log_ratio))), np.sum(weight * log_ratio)]
    cumulated = np.cumsum(weight) - 0.5 * weight
    return np.array([*moments, *np.interp(probabilities, cumulated, log_ratio)])


@pytest.mark.parametrize("sd", [0.6, 3.0, 10.0])
def test_noise_of_the_expected_count_is_integrated_over(sd: float) -> None:
    random = np.random.default_rng(5)
    shrinkage = NoisyShrinkage(prior=PUBLIC, probabilities=(0.05, 0.95))
    for _ in range(3):
        expected, noise = 10 ** random.uniform(-1, 2.5), random.uniform(0.05, 0.7)
        spread = np.sqrt(expected + sd * sd + (noise * expected) ** 2)
        count = max(expected + random.uniform(-2, 6) * spread, -4 * sd)
        got = shrinkage.score_many([count], [expected], sd=sd, expected_ratio_sd=noise)[0]
        exact = integrated(count, expected, noise, sd=sd, prior=PUBLIC, probabilities=(0.05, 0.95))
        assert error(got, exact) <= TOLERANCE, (count, expected, noise)


def test_without_noise_it_is_the_shrinker_of_exact_counts() -> None:
    table = CountTable.from_counts([("rofecoxib", "infarction", 30), ("rofecoxib", "rash", 70),
                                    ("paracetamol", "infarction", 20), ("paracetamol", "rash", 880)])  # fmt: skip
    arrays = table.arrays()
    known = EmpiricalBayes(prior=PUBLIC, level=0.90).score_many(arrays)
    got = NoisyShrinkage(prior=PUBLIC, probabilities=(0.05, 0.95)).score_many(arrays.n, arrays.expected, sd=0.0)
    np.testing.assert_allclose(got[:, 1:], known, rtol=2e-3)
    mean = NoisyShrinkage(prior=HALF, probabilities=()).score_many(arrays.n, arrays.expected, sd=0.0)
    np.testing.assert_allclose(mean[:, 0], (arrays.n + 0.5) / (arrays.expected + 0.5), rtol=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    count=st.floats(-300, 3000), expected=st.floats(0.01, 1000), sd=st.floats(0, 100), noise=st.floats(0, 0.7),
    more=st.floats(0.5, 100),
)  # fmt: skip
def test_it_is_ordered_and_rises_with_the_count(
    count: float, expected: float, sd: float, noise: float, more: float
) -> None:
    shrinkage = NoisyShrinkage(prior=PUBLIC, probabilities=LIMITS)
    one, two = shrinkage.score_many([count, count + more], [expected] * 2, sd=sd, expected_ratio_sd=noise)
    assert np.all(np.isfinite(one))
    assert np.all(one > 0)
    assert np.all(np.diff(one[2:]) > 0)
    assert one[1] < one[0]  # geometric below arithmetic mean
    assert np.all(two > one * (1 - 0.02))


@settings(max_examples=30, deadline=None)
@given(expected=st.floats(0.1, 300), sd=st.floats(1, 40), score=st.floats(2.5, 8))
def test_more_noise_is_more_shrinkage_of_what_stands_out(expected: float, sd: float, score: float) -> None:
    count = [expected + score * np.sqrt(expected + sd * sd)]
    shrinkage = NoisyShrinkage(prior=PUBLIC, probabilities=(0.05,))
    lower = [float(shrinkage.score_many(count, [expected], sd=each)[0, 2]) for each in (sd, 1.5 * sd, 3 * sd)]
    assert lower[0] > lower[1] > lower[2]


def test_the_lower_quantile_keeps_its_promise() -> None:
    """Ratios drawn from the prior lie below EB05 one time in twenty, whatever the noise of count and margins."""
    random = np.random.default_rng(11)
    size = 60_000
    first = random.random(size) < PUBLIC.p
    ratio = np.where(
        first, random.gamma(PUBLIC.alpha1, 1 / PUBLIC.beta1, size), random.gamma(PUBLIC.alpha2, 1 / PUBLIC.beta2, size)
    )
    expected, noise, sd = 10 ** random.uniform(-1, 2, size), random.uniform(0.02, 0.4, size), 6.5
    truly_expected = expected * random.gamma(noise**-2, noise**2)
    count = random.poisson(ratio * truly_expected) + random.normal(0, sd, size)
    got = NoisyShrinkage(prior=PUBLIC, probabilities=(0.05, 0.95)).score_many(
        count, expected, sd=sd, expected_ratio_sd=noise
    )
    # five standard errors of a share of 0.05 in 60,000
    assert abs(np.mean(ratio < got[:, 2]) - 0.05) < 0.0045
    assert abs(np.mean(ratio > got[:, 3]) - 0.05) < 0.0045


def test_what_is_no_count_has_no_figures() -> None:
    shrinkage = NoisyShrinkage(prior=PUBLIC, probabilities=(0.05,))
    got = shrinkage.score_many([np.nan, 5.0, 5.0, 5.0], [1.0, 0.0, np.nan, 1.0], sd=2.0)
    assert np.isnan(got[:3]).all()
    assert np.isfinite(got[3]).all()
    assert shrinkage.score_many([], [], sd=2.0).shape == (0, 3)


def test_parameters_outside_their_range_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"probabilities must lie in \(0, 1\), not nan"):
        NoisyShrinkage(prior=PUBLIC, probabilities=(0.05, float("nan")))
    shrinkage = NoisyShrinkage(prior=PUBLIC, probabilities=(0.05,))
    with pytest.raises(ParameterError, match="sd must be at least 0 and finite, not nan"):
        shrinkage.score_many([1.0], [1.0], sd=float("nan"))
    with pytest.raises(ParameterError, match=r"expected_ratio_sd must lie in \[0, 1\]"):
        shrinkage.score_many([1.0], [1.0], sd=1.0, expected_ratio_sd=1.5)


def test_a_prior_file_is_checked() -> None:
    text = (
        'version = "v"\nsource = "s"\nsource_date = 2022-09-30\nalpha1 = 1.0\nbeta1 = 1.0\nalpha2 = 1.0\nbeta2 = 1.0\n'
    )
    assert parse_public_prior(text + "p = 0.5").prior.p == 0.5
    with pytest.raises(ConfigurationError, match="missing required field `p`"):
        parse_public_prior(text)
    with pytest.raises(ConfigurationError, match="unknown field `q`"):
        parse_public_prior(text + "p = 0.5\nq = 1")
    with pytest.raises(ConfigurationError, match=r"p must lie in \(0, 1\), not 1.0"):
        parse_public_prior(text + "p = 1.0")
    with pytest.raises(ConfigurationError, match="not a public prior"):
        parse_public_prior("p =")


@pytest.mark.shared_data
def test_the_prior_that_ships_is_the_one_of_the_public_data(shared_data: object) -> None:
    prior, pairs = faers_prior()
    assert pairs == 332_989
    for name in ("alpha1", "beta1", "alpha2", "beta2", "p"):
        assert getattr(prior, name) == pytest.approx(getattr(PUBLIC, name), rel=1e-5)
