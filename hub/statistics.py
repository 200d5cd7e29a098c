"""Disproportionality of noisy counts, with the noise inside every interval.

Treating noisy counts as counts gives more than 100,000 false alarms in 500,000 null pairs; inflating a delta-method
variance still gives 90,000. The score test inverted, as here, keeps its level at any expected count.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cases import ParameterError
from detectors import GammaMixture
from detectors.multiplicity import benjamini_hochberg
from detectors.noisy import NoisyShrinkage, load_public_prior
from hub.noisy_totals import NoisyTotals
from hub.pair_state import detectable_excess
from hub.score_interval import cell_count_interval
from hub.tail_score import tail_chance, tail_score

__all__ = ["ScoreState", "noisy_scores"]

_IC_PRIOR = GammaMixture(alpha1=0.5, beta1=0.5, alpha2=0.5, beta2=0.5, p=0.5)  # one gamma distribution, in fact


class ScoreState(IntEnum):
    """How much a pair's noisy counts say."""

    INFORMATIVE = 0
    NOISE_DOMINATED = 1  # the count cannot be told from zero: no point estimates, the upper bounds still hold
    UNDETERMINED = 2  # a margin cannot be told from zero, or nothing fits: no figures at all


def noisy_scores(
    totals: NoisyTotals,
    *,
    level: float = 0.95,
    prior: GammaMixture | None = None,
    weight_ratio: float = 1.0,
    looks: int = 1,
) -> dict[str, NDArray[np.float64]]:
    r"""All measures of all pairs that have a count of their own, in the order of `NoisyTotals.pair`.

    Parameters
    ----------
    totals
        Noisy counts with their noise.
    level
        Two-sided coverage of the intervals, in (0, 1).
    prior
        Of EBGM; by default the public one that comes with Kelsey.
    weight_ratio
        Sum of squared weights over sum of weights of the contributions, in (0, 1]: the sampling variance of a count of
        1. No release tells it; 1 is never too small, and too wide where patients have many pairs.
    looks
        How often the era is looked at, this look among them; at least 1.

    Returns
    -------
    dict
        Arrays over all cells: ``n`` (may be negative: it is noisy), ``n_sd``, ``n_lower`` (`n` less `z` standard
        deviations of noise), ``expected``, and ``prr``, ``ror``, ``rrr``, ``ic``, each with ``_lower`` and
        ``_upper``, ``ebgm`` with ``eb05`` and ``eb95`` (whatever the level), ``z`` (score test of no association),
        ``z_tail`` (`tail_score`), ``q_value`` and ``q_value_era`` (see below), ``detectable_excess``
        (`hub.pair_state`) and ``state`` (`ScoreState`).
        NaN is "not enough information", never 0; an upper bound is infinite where nothing is too large.

    Notes
    -----
    - ROR, PRR, RRR (observed over expected): Cornfield's interval with the noise of cell and margins in the variance.
    - IC, EBGM: posterior by the likelihood of count plus noise, margins included (`detectors.noisy`).
    - :math:`z = (y - E)/\sqrt{E + s^2 + v_E}`.
    - ``q_value``: Benjamini and Hochberg's adjusted `tail_chance` of ``z_tail``. The family is every pair whose margins
      are known, also those at or below expectation, with chance 1: all of them were looked at. Which they are depends
      on margins alone, not on what the pair itself shows.
    - ``q_value_era``: `looks` times as much, at most 1. What is raised at any look is at least as much as at each of
      them, so that the false share of all that was ever raised is at most the sum of the shares of the looks.
    - Counts, expected counts and noise are analysed in units of `weight_ratio` (quasi-Poisson), and given as they are.
    """
    if not 0 < level < 1:
        raise ParameterError(f"level must lie in (0, 1), not {level!r}")
    if not 0 < weight_ratio <= 1:
        raise ParameterError(f"weight_ratio must lie in (0, 1], not {weight_ratio!r}")
    if not looks >= 1:
        raise ParameterError(f"looks must be at least 1, not {looks!r}")
    prior = load_public_prior().prior if prior is None else prior
    scores = _scores(totals.divided(weight_ratio), level=level, prior=prior)
    scores["q_value_era"] = np.minimum(looks * scores["q_value"], 1.0)
    for name in ("n", "n_sd", "n_lower", "expected", "detectable_excess"):
        scores[name] = scores[name] * weight_ratio
    return scores


def _scores(totals: NoisyTotals, *, level: float, prior: GammaMixture) -> dict[str, NDArray[np.float64]]:
    quantile = float(ndtri(0.5 + 0.5 * level))
    n = np.ascontiguousarray(totals.pair, dtype=np.float64).ravel()
    n_drug, n_reaction = totals.margins()
    s2, v1, v2 = totals.pair_sd**2, totals.drug_sd**2, totals.reaction_sd**2
    known = (
        (n_drug > quantile * totals.drug_sd)
        & (n_reaction > quantile * totals.reaction_sd)
        & (totals.total > np.maximum(n_drug, n_reaction))
    )
    scores = _empty(n, totals.pair_sd, quantile)
    chosen = np.flatnonzero(known)
    y, d, r = n[chosen], n_drug[chosen], n_reaction[chosen]
    expected = d * r / totals.total
    ratio_variance = v1 / (d * d) + v2 / (r * r) + (totals.total_sd / totals.total) ** 2
    variance = s2 + expected * expected * ratio_variance

    measures: dict[str, NDArray[np.float64]] = {"expected": expected}
    measures["z"] = (y - expected) / np.sqrt(expected + variance)
    measures["z_tail"] = tail_score(y, expected, variance)
    measures["q_value"] = benjamini_hochberg(tail_chance(measures["z_tail"]))
    measures["detectable_excess"] = detectable_excess(expected, variance)
    low, high = cell_count_interval(
        y, d, r, totals.total, variances=(s2, v1, v2, totals.total_sd**2), quantile=quantile
    )
    for end, cell in (("", y), ("_lower", low), ("_upper", high)):
        measures["rrr" + end] = cell / expected
        measures["ror" + end], measures["prr" + end] = _ratios(cell, d, r, totals.total)
    noise = {"sd": totals.pair_sd, "expected_ratio_sd": np.minimum(np.sqrt(ratio_variance), 1.0)}
    measures |= _posteriors(y, expected, noise, level=level, prior=prior)

    state = np.full(chosen.size, ScoreState.INFORMATIVE, dtype=np.float64)
    dominated = y <= quantile * totals.pair_sd
    state[dominated] = ScoreState.NOISE_DOMINATED
    for name in ("rrr", "ror", "prr", "ic", "ebgm"):
        measures[name][dominated] = np.nan
    for name, values in measures.items():
        scores[name][chosen] = values
    scores["state"][chosen] = state
    return scores


def _posteriors(
    y: NDArray[np.float64], expected: NDArray[np.float64], noise: dict[str, Any], *, level: float, prior: GammaMixture
) -> dict[str, NDArray[np.float64]]:
    tail = 0.5 - 0.5 * level
    half = NoisyShrinkage(prior=_IC_PRIOR, probabilities=(tail, 1 - tail)).score_many(y, expected, **noise)
    shrunken = NoisyShrinkage(prior=prior, probabilities=(0.05, 0.95)).score_many(y, expected, **noise)
    measures = {name: np.log2(half[:, column]) for name, column in (("ic", 0), ("ic_lower", 2), ("ic_upper", 3))}
    return measures | {name: shrunken[:, column] for name, column in (("ebgm", 1), ("eb05", 2), ("eb95", 3))}


def _empty(n: NDArray[np.float64], sd: float, quantile: float) -> dict[str, NDArray[np.float64]]:
    names = ["expected", "z", "z_tail", "q_value", "detectable_excess", "ebgm", "eb05", "eb95"]
    names += [measure + end for measure in ("prr", "ror", "rrr", "ic") for end in ("", "_lower", "_upper")]
    scores = {name: np.full(n.size, np.nan) for name in names}
    scores |= {"n": n, "n_sd": np.full(n.size, sd), "n_lower": n - quantile * sd}
    scores["state"] = np.full(n.size, ScoreState.UNDETERMINED, dtype=np.float64)
    return scores


def _ratios(
    cell: NDArray[np.float64], n_drug: NDArray[np.float64], n_reaction: NDArray[np.float64], n_total: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Odds ratio and proportional ratio of tables with this cell and these margins; infinite at the edge."""
    b, c = n_drug - cell, n_reaction - cell
    d = n_total - n_drug - n_reaction + cell
    at_edge = np.where(np.isnan(cell), np.nan, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.where((b > 0) & (c > 0), cell * d / (b * c), at_edge)
        proportional = np.where(c > 0, cell * (n_total - n_drug) / (n_drug * c), at_edge)
    return odds, proportional
