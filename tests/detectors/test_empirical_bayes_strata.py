"""EBGM and IC over strata: expected counts are summed over the strata, empty cells among them."""

from __future__ import annotations

import numpy as np

from detectors import CountTable, EmpiricalBayes, GammaMixture, InformationComponent, fit_gamma_mixture, score_all
from detectors.information_component import information_component

PRIOR = GammaMixture(alpha1=2.0, beta1=4.0, alpha2=0.2, beta2=0.1, p=2 / 3)


def confounded() -> CountTable:
    """In either stratum drug and reaction are independent, but both are frequent in one and rare in the other."""
    table = CountTable()
    for stratum, cells in {"old": (90, 60, 60, 40), "young": (1, 9, 99, 891), "other": (0, 0, 5, 20)}.items():
        names = (("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"))
        for (drug, reaction), count in zip(names, cells, strict=True):
            for _ in range(count):
                table.update([drug], [reaction], (stratum,))
    return table


def test_what_the_strata_explain_is_no_association() -> None:
    table = confounded()
    pairs = [("a", "x")]
    crude, stratified = table.arrays_of(pairs), table.arrays_of(pairs, stratified=True)
    assert stratified.expected[0] == 150 * 150 / 250 + 10 * 100 / 1000  # the third stratum has no report of the drug
    ebgm, ic = EmpiricalBayes(prior=PRIOR, level=0.9), InformationComponent(level=0.95)
    assert ebgm.score_many(crude)[0, 1] > 2
    assert ic.score_many(crude)[0, 1] > 0
    assert ebgm.score_many(stratified)[0, 1] < 1 < ebgm.score_many(stratified)[0, 2]
    assert ic.score_many(stratified)[0, 1] < 0 < ic.score_many(stratified)[0, 2]


def test_a_prior_is_fitted_to_the_stratified_expectation() -> None:
    random = np.random.default_rng(3)
    table = CountTable()
    for number in range(6000):
        stratum = ("even",) if number % 2 else ("odd",)
        drugs = [f"d{value}" for value in np.unique((random.gamma(0.7, 12, 2)).astype(int))]
        reactions = [f"r{value}" for value in np.unique((random.gamma(0.7, 14 if number % 2 else 7, 2)).astype(int))]
        if "d3" in drugs and random.random() < 0.5:
            reactions.append("r40")
        table.update(drugs, reactions, stratum)
    arrays = table.arrays(stratified=True)
    assert not np.allclose(arrays.expected, table.arrays().expected)
    scores = score_all(arrays, names=["ic", "ebgm"])
    fit = fit_gamma_mixture(arrays.n, arrays.expected)
    expected = EmpiricalBayes(prior=fit.prior, level=0.9).score_many(arrays)
    np.testing.assert_array_equal(np.stack([scores[name] for name in ("ebgm", "eb05", "eb95")], axis=-1), expected)
    gamma = information_component(arrays.n, arrays.expected, level=0.95)
    np.testing.assert_array_equal(scores["ic_lower"], gamma[:, 1])
    best = int(np.argmax(scores["eb05"]))
    assert (arrays.drug[best], arrays.reaction[best]) == ("d3", "r40")
