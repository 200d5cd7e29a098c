"""The shrinker on CAERS 2012, the data set of openEBGM, against what that package prints of it.

The printed scores are at the package's estimate on squashed data, rounded to two decimals, with quantiles by a
bisection that stops within one unit of the last decimal; ours are exact, and so is the check of them here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import gamma, nbinom

from detectors import CountTable, EmpiricalBayes, GammaMixture, PairArrays, fit_gamma_mixture
from detectors.empirical_bayes._likelihood import Likelihood

pytestmark = pytest.mark.shared_data

Rows = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def prior(a1: float, b1: float, a2: float, b2: float, p: float) -> GammaMixture:
    return GammaMixture(alpha1=a1, beta1=b1, alpha2=a2, beta2=b2, p=p)


def theta(of: GammaMixture) -> tuple[float, ...]:
    """Parameters in the package's order, the component of the larger mean first."""
    return of.alpha2, of.beta2, of.alpha1, of.beta1, 1 - of.p


FULL = prior(3.25596685, 0.39998994, 2.02376139, 1.90614108, 0.06530755)
SQUASHED_TWICE = prior(3.25374319, 0.39988512, 2.02611022, 1.90806892, 0.06534614)
SCORED = prior(3.25379356, 0.39988854, 2.02612692, 1.9080797, 0.06534557)
BY_EM = prior(3.1083, 0.3935, 2.0392, 1.9358, 0.0683)


@pytest.fixture(scope="module")
def caers(shared_data: Path) -> PairArrays:
    frame = pl.read_csv(shared_data / "caers" / "caers_2012_supplements.csv", infer_schema=False)
    return CountTable.from_reports(frame["id"], frame["var1"], frame["var2"]).arrays()


@pytest.fixture(scope="module")
def whole(caers: PairArrays) -> Rows:
    return caers.n.astype(np.float64), caers.expected, np.ones(len(caers))


def value(rows: Rows, of: GammaMixture) -> float:
    x = np.append(np.log([of.alpha1, of.beta1, of.alpha2, of.beta2]), np.log(of.p / (1 - of.p)))
    return Likelihood(*rows, truncation=1)(x)[0]


def squashed(rows: Rows, count: int, *, bin_size: int, keep: int) -> Rows:
    """Rows of `count` reports in bins of ascending expected counts, but for the `keep` largest."""
    n, expected, weight = rows
    found = np.flatnonzero(n == count)
    body = found[np.argsort(expected[found], kind="stable")][:-keep]
    bins = [body[start : start + bin_size] for start in range(0, len(body), bin_size)]
    rest = np.setdiff1d(np.arange(len(n)), body)
    return (
        np.append(n[rest], np.full(len(bins), float(count))),
        np.append(expected[rest], [expected[each].mean() for each in bins]),
        np.append(weight[rest], [weight[each].sum() for each in bins]),
    )


def test_the_fit_of_all_pairs(whole: Rows) -> None:
    assert value(whole, FULL) == pytest.approx(4162.45571037975, abs=5e-11)
    fit = fit_gamma_mixture(whole[0], whole[1])
    assert fit.negative_log_likelihood <= 4162.45571037975
    assert fit.negative_log_likelihood == pytest.approx(4162.45571037975, abs=1e-8)
    assert (fit.gradient_norm <= 1e-4, fit.starts_agreeing, fit.pairs) == (True, 5, 17189)
    np.testing.assert_allclose(theta(fit.prior), theta(FULL.ordered()), rtol=2e-5)  # alpha1 has an error of 2.29


def test_the_fits_of_squashed_pairs(whole: Rows) -> None:
    once = squashed(whole, 1, bin_size=50, keep=100)
    assert len(once[0]) == 1568
    fit = fit_gamma_mixture(once[0], once[1], weight=once[2])
    assert round(fit.negative_log_likelihood, 3) == 4162.496
    twice = squashed(once, 2, bin_size=10, keep=50)
    fit = fit_gamma_mixture(twice[0], twice[1], weight=twice[2])
    assert round(fit.negative_log_likelihood, 2) == 4161.93
    assert fit.negative_log_likelihood <= value(twice, SQUASHED_TWICE) <= fit.negative_log_likelihood + 1e-6
    np.testing.assert_allclose(theta(fit.prior), theta(SQUASHED_TWICE.ordered()), rtol=2e-5)


def test_the_estimate_by_expectation_maximisation_is_short_of_the_optimum(whole: Rows) -> None:
    fit = fit_gamma_mixture(whole[0], whole[1])
    assert 0 < value(whole, BY_EM) - fit.negative_log_likelihood < 0.01
    np.testing.assert_allclose(theta(fit.prior), theta(BY_EM.ordered()), rtol=0.05)


HEAD = {  # the first six pairs: posterior weight of the component of the larger mean, EBGM, EB05, EB95
    "weight": (0.2819737, 0.3409653, 0.3482317, 0.2819737, 0.2226356, 0.255667),
    "ebgm": (2.23, 2.58, 2.63, 2.23, 1.92, 2.09),
    "eb05": (0.49, 0.52, 0.52, 0.49, 0.47, 0.48),
    "eb95": (13.85, 15.78, 16.02, 13.85, 11.77, 12.95),
}
TOP = [
    ("REUMOFAN PLUS", "WEIGHT INCREASED", 16, 0.40643623, 15.68, 23.26, 33.48),
    ("HYDROXYCUT REGULAR RAPID RELEASE CAPLETS", "EMOTIONAL DISTRESS", 19, 0.89690107, 11.65, 16.78, 23.55),
    ("REUMOFAN PLUS", "IMMOBILE", 6, 0.07866508, 10.16, 18.28, 30.83),
    ("HYDROXYCUT HARDCORE CAPSULES", "CARDIO-RESPIRATORY DISTRESS", 8, 0.30482718, 9.0, 15.25, 24.52),
    ("HYDROXYCUT REGULAR RAPID RELEASE CAPLETS", "INJURY", 11, 0.56317044, 8.98, 14.28, 21.78),
]


def log_odds(n: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the two components, from the negative binomial distribution of each."""
    one = nbinom.logpmf(n, SCORED.alpha1, SCORED.beta1 / (SCORED.beta1 + expected))
    two = nbinom.logpmf(n, SCORED.alpha2, SCORED.beta2 / (SCORED.beta2 + expected))
    return np.asarray(one - two + np.log(SCORED.p / (1 - SCORED.p)))


def test_the_scores_of_the_first_pairs(caers: PairArrays) -> None:
    scores = EmpiricalBayes(prior=SCORED, level=0.9).score_many(caers)[:6]
    weight = expit(log_odds(caers.n[:6].astype(np.float64), caers.expected[:6]))
    assert weight.round(7).tolist() == list(HEAD["weight"])
    assert scores[:, 0].round(2).tolist() == list(HEAD["ebgm"])
    assert scores[:, 1].round(2).tolist() == list(HEAD["eb05"])
    np.testing.assert_allclose(scores[:, 2], HEAD["eb95"], atol=0.01)


def test_the_quantiles_of_all_pairs_are_exact(caers: PairArrays) -> None:
    scores = EmpiricalBayes(prior=SCORED, level=0.9).score_many(caers)
    weight = expit(log_odds(caers.n.astype(np.float64), caers.expected))
    one = gamma(SCORED.alpha1 + caers.n, scale=1 / (SCORED.beta1 + caers.expected))
    two = gamma(SCORED.alpha2 + caers.n, scale=1 / (SCORED.beta2 + caers.expected))
    for column, probability in ((1, 0.05), (2, 0.95)):
        below = weight * one.cdf(scores[:, column]) + (1 - weight) * two.cdf(scores[:, column])
        np.testing.assert_allclose(below, probability, atol=1e-9)


def test_the_pairs_that_stand_out(caers: PairArrays) -> None:
    for of in (FULL, SQUASHED_TWICE, SCORED):
        scores = EmpiricalBayes(prior=of, level=0.9).score_many(caers)
        assert int((scores[:, 1] >= 2).sum()) == 131
        assert int((scores[:, 0].round(2) > 3).sum()) == 556  # printed of rounded scores; one is 3.00...
        assert int((scores[:, 0] > 3).sum()) == 557
        order = np.argsort(-scores[:, 1])[:5]
        for row, (drug, reaction, n, expected, eb05, ebgm, eb95) in zip(order.tolist(), TOP, strict=True):
            assert (caers.drug[row], caers.reaction[row], int(caers.n[row])) == (drug, reaction, n)
            assert round(float(caers.expected[row]), 8) == expected
            np.testing.assert_allclose(scores[row], [ebgm, eb05, eb95], atol=0.01)
            assert round(float(scores[row, 0]), 2) == ebgm


def test_a_fit_of_the_larger_counts_alone_as_if_they_were_all_doubles_the_signals(caers: PairArrays) -> None:
    kept = caers.n >= 3
    assert int(kept.sum()) == 439
    untruncated = fit_gamma_mixture(caers.n[kept], caers.expected[kept], truncation=0)
    scores = EmpiricalBayes(prior=untruncated.prior, level=0.9).score_many(caers)
    assert int((scores[kept, 1] >= 2).sum()) == 258  # of 131
