"""Geometric mean and quantiles of many rows: from a table where that is close enough, solved one by one elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.empirical_bayes._posterior import Posterior
from detectors.empirical_bayes._quantile_table import QuantileTable, quantile_table
from detectors.empirical_bayes.gamma_mixture import GammaMixture

__all__ = ["log_scores"]

_Floats = NDArray[np.float64]


def log_scores(prior: GammaMixture, n: _Floats, expected: _Floats, probabilities: tuple[float, ...]) -> _Floats:
    """Logarithms of the geometric mean and of the quantiles of every row, shape (1 + probabilities, rows)."""
    scores = np.full((1 + len(probabilities), len(n)), np.nan)
    is_open = np.ones(scores.shape, dtype=np.bool_)
    scores[0] = Posterior(prior, n, expected).log_mean()
    covered = np.flatnonzero(QuantileTable.covers(n, expected))
    if len(covered):
        scores[1:, covered], is_smooth = quantile_table(prior, probabilities).quantiles(n[covered], expected[covered])
        is_open[1:, covered] = ~is_smooth
    for number, probability in enumerate(probabilities, start=1):
        left = np.flatnonzero(is_open[number])
        rest = Posterior(prior, n[left], expected[left])
        scores[number, left] = rest.log_quantile(probability, scores[number, left])
    return scores
