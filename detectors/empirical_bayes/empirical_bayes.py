"""Empirical Bayes geometric mean: the relative reporting ratio, shrunk by a prior learnt from all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.empirical_bayes._scores import log_scores
from detectors.empirical_bayes.gamma_mixture import GammaMixture
from detectors.interval import check_level
from detectors.measure import IntervalMeasure
from detectors.pair_arrays import PairArrays

__all__ = ["EmpiricalBayes"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmpiricalBayes(IntervalMeasure):
    r"""Geometric mean of the posterior of :math:`\lambda = \mu / E`, and quantiles of it: EBGM, EB05, EB95.

    The count is Poisson with mean :math:`\lambda E`, :math:`\lambda` has the mixture prior, so that the posterior is a
    mixture of gamma distributions with shapes :math:`\alpha_i + n` and rates :math:`\beta_i + E`.

    Parameters
    ----------
    prior
        Fitted by `fit_gamma_mixture`; scores between two fits use the current counts with the last prior.
    level
        Coverage of the interval, in (0, 1). The usual choice is 0.90, whose lower limit is EB05.

    Notes
    -----
    The prior is learnt from the table, so that values of two databases do not compare, and a table of few pairs has
    none: use `InformationComponent` there. Uses ``arrays.expected``, and so follows its strata.

    Examples
    --------
    >>> from detectors import CountTable
    >>> prior = GammaMixture(alpha1=2.0, beta1=4.0, alpha2=0.2, beta2=0.1, p=2 / 3)
    >>> table = CountTable.from_counts([("rofecoxib", "infarction", 30), ("rofecoxib", "rash", 70),
    ...                                 ("paracetamol", "infarction", 20), ("paracetamol", "rash", 880)])
    >>> interval = EmpiricalBayes(prior=prior, level=0.90).score_one(table, "rofecoxib", "infarction")
    >>> round(interval.point, 1), interval.lower > 3.9
    (5.8, True)

    References
    ----------
    DuMouchel W (1999), The American Statistician 53:177-190, doi:10.1080/00031305.1999.10474456
    """

    columns: ClassVar[tuple[str, ...]] = ("ebgm", "eb05", "eb95")
    variant: ClassVar[str] = "two-component gamma-Poisson shrinker"

    prior: GammaMixture
    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """EBGM and the posterior's two quantiles of every row, shape (pairs, 3); NaN where the counts are no counts."""
        n, expected = np.asarray(arrays.n, dtype=np.float64), np.asarray(arrays.expected, dtype=np.float64)
        result = np.full((len(n), 3), np.nan)
        defined = (n >= 0) & (expected > 0) & np.isfinite(n) & np.isfinite(expected)
        tail = (1 - self.level) / 2
        result[defined] = np.exp(log_scores(self.prior, n[defined], expected[defined], (tail, 1 - tail)).T)
        return result
