"""How large the largest log likelihood ratio of a drug, or of a class of drugs, gets by chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from cases import ParameterError, UnknownTermError
from detectors.likelihood_ratio.log_likelihood_ratio import log_likelihood_ratio
from detectors.pair_arrays import PairArrays

__all__ = ["LikelihoodRatioTest", "likelihood_ratio_test"]

_Floats = NDArray[np.float64]
_BLOCK = 1 << 18  # cells drawn at once: what the caches hold


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodRatioTest:
    """Result of `likelihood_ratio_test`.

    Parameters
    ----------
    llr, p
        Log likelihood ratio of every row, and the chance that the largest of its class is no less; shape (pairs,).
    statistic, statistic_p
        The largest ratio of each class, and its chance, by the class's name.
    zero_inflation
        Share of a drug's reactions that cannot be reported with it, by drug; empty for the Poisson model.
    bootstraps
        Tables drawn.
    """

    llr: _Floats
    p: _Floats
    statistic: Mapping[str, float]
    statistic_p: Mapping[str, float]
    zero_inflation: Mapping[str, float]
    bootstraps: int


def _zero_inflation(expected: _Floats, is_reported: NDArray[np.bool_]) -> float:
    """Most likely share of cells that are structurally zero, of one drug's cells."""
    zero = expected[~is_reported]
    reported = int(is_reported.sum())
    if not len(zero):
        return 0.0

    def slope(logit: float) -> float:  # of the log likelihood by the share
        share = float(expit(logit))
        by_zero = -np.expm1(-zero) / (share + (1 - share) * np.exp(-zero))
        return float(by_zero.sum() - reported / float(expit(-logit)))

    if slope(-40.0) <= 0:  # best without any
        return 0.0
    return float(expit(brentq(slope, -40.0, 40.0, xtol=1e-12))) if reported else 1.0


def _maxima(expected: _Floats, share: float, random: np.random.Generator, bootstraps: int) -> _Floats:
    """Largest ratio of one drug in each drawn table, given what is expected of each of its cells."""
    expected = expected[expected > 0]  # the others are always 0, with a ratio of 0
    if not len(expected):
        return np.zeros(bootstraps)
    block = max(1, _BLOCK // len(expected))
    largest = np.empty(bootstraps)
    for start in range(0, bootstraps, block):
        size = (min(block, bootstraps - start), len(expected))
        drawn = random.poisson(expected, size).astype(np.float64)
        if share:
            drawn *= random.random(size) >= share
        np.maximum(drawn, expected, out=drawn)  # no excess: a ratio of 0
        ratio = np.log(drawn / expected)  # in the very steps of `log_likelihood_ratio`, so that equal counts tie
        ratio *= drawn
        drawn -= expected
        ratio -= drawn
        largest[start : start + size[0]] = ratio.max(axis=1)
    return np.maximum(largest, 0.0)


def likelihood_ratio_test(
    arrays: PairArrays,
    *,
    random: np.random.Generator,
    bootstraps: int = 9_999,
    classes: Mapping[str, str] | None = None,
    zero_inflated: bool = False,
) -> LikelihoodRatioTest:
    r"""Parametric bootstrap of the largest log likelihood ratio over a class's drugs and all reactions.

    Under the hypothesis of no association each cell of the drug-reaction table, reported or not, is Poisson with its
    expected count :math:`E = n_{drug} n_{reaction} / N`, or, with `zero_inflated`, zero with a probability that is
    estimated for each drug and else Poisson. The chance of a row is :math:`(1 + \#\{max \ge llr\}) / (B + 1)`, so that
    it corrects for all the reactions that were looked at, and never is 0.

    Parameters
    ----------
    arrays
        The pairs of a whole table: its reactions and drugs are those with a row. Expected counts are crude.
    random
        Source of the draws; the same seed gives the same result.
    bootstraps
        Tables to draw, B, at least 1. Time and memory grow with B times the cells of the table: 47 reactions of 7 drugs
        drawn 10,000 times take a third of a second, a million cells 1,000 times about two minutes.
    classes
        Class of a drug by its name; a drug without one is its own.
    zero_inflated
        Whether cells may be structurally zero.

    Raises
    ------
    ParameterError
        `bootstraps` below 1, no row, or a row whose count is below 0 or above a margin.
    UnknownTermError
        A drug in `classes` that has no row.

    Notes
    -----
    When not to use: for a table of a whole database the largest of thousands of reactions makes the test blind to all
    but the strongest; choose the drugs and reactions in question first.

    Examples
    --------
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_counts([("rofecoxib", "infarction", 30), ("rofecoxib", "rash", 70),
    ...                                 ("paracetamol", "infarction", 20), ("paracetamol", "rash", 880)])
    >>> result = likelihood_ratio_test(table.arrays(), random=np.random.default_rng(1), bootstraps=999)
    >>> result.statistic_p["rofecoxib"]
    0.001

    References
    ----------
    Huang L, Zalkikar J, Tiwari RC (2011), doi:10.1198/jasa.2011.ap10243; Huang L, Zheng D, Zalkikar J, Tiwari R (2017),
    Statistical Methods in Medical Research 26:471-488, doi:10.1177/0962280214549590; Chakraborty S, Liu A, Ball R,
    Markatou M (2022), Statistics in Medicine 41:5395-5420, doi:10.1002/sim.9575
    """
    if not bootstraps >= 1:
        raise ParameterError(f"bootstraps must be at least 1, not {bootstraps!r}")
    if not len(arrays):
        raise ParameterError("a likelihood ratio test needs at least one pair")
    if not ((arrays.n >= 0) & (arrays.n <= np.minimum(arrays.n_drug, arrays.n_reaction))).all():
        raise ParameterError("every count must lie between 0 and its margins")
    drugs = np.unique(arrays.drug_index)
    names = [arrays.drug_names[number] for number in drugs.tolist()]
    for name in classes or {}:
        if name not in names:
            near = get_close_matches(name, names, n=3)
            hint = f"did you mean {', '.join(map(repr, near))}?" if near else ""
            raise UnknownTermError(f"no pair has the drug {name!r} of the classes", hint=hint)
    reactions, first = np.unique(arrays.reaction_index, return_index=True)
    share_of_reaction = arrays.n_reaction[first] / arrays.n_total[first]
    column = np.searchsorted(reactions, arrays.reaction_index)
    llr = log_likelihood_ratio(arrays.n, arrays.n_drug * share_of_reaction[column])

    maxima: dict[str, _Floats] = {}
    members: dict[str, list[NDArray[np.intp]]] = {}
    inflation: dict[str, float] = {}
    for number, name in zip(drugs.tolist(), names, strict=True):
        rows = np.flatnonzero(arrays.drug_index == number)
        expected = arrays.n_drug[rows[0]] * share_of_reaction
        if zero_inflated:
            is_reported = np.zeros(len(reactions), dtype=bool)
            is_reported[column[rows]] = arrays.n[rows] > 0
            inflation[name] = _zero_inflation(expected, is_reported)
        label = (classes or {}).get(name, name)
        drawn = _maxima(expected, inflation.get(name, 0.0), random, bootstraps)
        maxima[label] = np.maximum(maxima[label], drawn) if label in maxima else drawn
        members.setdefault(label, []).append(rows)

    p = np.empty(len(arrays))
    statistic, statistic_p = {}, {}
    for label, parts in members.items():
        rows = np.concatenate(parts)
        below = np.searchsorted(np.sort(maxima[label]), llr[rows], side="left")
        p[rows] = (1 + bootstraps - below) / (bootstraps + 1)
        statistic[label], statistic_p[label] = float(llr[rows].max()), float(p[rows].min())
    return LikelihoodRatioTest(
        llr=llr, p=p, statistic=statistic, statistic_p=statistic_p, zero_inflation=inflation, bootstraps=bootstraps
    )
