"""Empirical Bayes geometric mean: the relative reporting ratio, shrunk by a prior learnt from all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, expit, gammainc, gammaincinv, gammaln

from detectors.empirical_bayes.gamma_mixture import GammaMixture
from detectors.interval import check_level
from detectors.measure import IntervalMeasure
from detectors.pair_arrays import PairArrays

__all__ = ["EmpiricalBayes"]

_Floats = NDArray[np.float64]


def _log_marginal(n: _Floats, expected: _Floats, alpha: float, beta: float) -> _Floats:
    """Log probability of each count under one component, but for what both share."""
    return np.asarray(
        gammaln(alpha + n) - gammaln(alpha) - alpha * np.log1p(expected / beta) - n * np.log(beta + expected)
    )


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

    def first_component(self, n: _Floats, expected: _Floats) -> _Floats:
        """Posterior weight of the prior's first component, for each row."""
        prior = self.prior
        odds = _log_marginal(n, expected, prior.alpha1, prior.beta1)
        odds = odds - _log_marginal(n, expected, prior.alpha2, prior.beta2)
        odds += np.log(prior.p) - np.log1p(-prior.p)
        return np.asarray(expit(odds))

    def _quantile(self, n: _Floats, expected: _Floats, share: _Floats, probability: float) -> _Floats:
        """Quantile of the posterior, to a relative 1e-9: Newton steps on its logarithm, kept inside a bracket."""
        prior = self.prior
        counts, position = np.unique(n, return_inverse=True)
        shapes = [prior.alpha1 + n, prior.alpha2 + n]
        rates = [prior.beta1 + expected, prior.beta2 + expected]
        edges = [
            np.log(gammaincinv(alpha + counts, probability)[position]) - np.log(rate)
            for alpha, rate in zip((prior.alpha1, prior.alpha2), rates, strict=True)
        ]
        low, high = np.minimum(*edges), np.maximum(*edges)
        result = share * edges[0] + (1 - share) * edges[1]
        norms = [gammaln(shape) for shape in shapes]
        active = np.arange(len(n))
        for _ in range(100):
            if not len(active):
                break
            y = result[active]
            total = np.full(len(active), -probability)
            slope = np.zeros(len(active))
            for part, shape, rate, norm in zip((share, 1 - share), shapes, rates, norms, strict=True):
                a, x = shape[active], rate[active] * np.exp(y)
                total += part[active] * gammainc(a, x)
                slope += part[active] * np.exp(a * np.log(x) - x - norm[active])
            low[active] = np.where(total < 0, y, low[active])
            high[active] = np.where(total > 0, y, high[active])
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                new = y - total / slope
            inside = (new >= low[active]) & (new <= high[active])
            new = np.where(inside, new, (low[active] + high[active]) / 2)
            result[active] = new
            active = active[np.abs(new - y) > 1e-10]
        return np.asarray(np.exp(result))

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """EBGM and the posterior's two quantiles of every row, shape (pairs, 3); NaN where the counts are no counts."""
        n, expected = np.asarray(arrays.n, dtype=np.float64), np.asarray(arrays.expected, dtype=np.float64)
        result = np.full((len(n), 3), np.nan)
        defined = (n >= 0) & (expected > 0) & np.isfinite(n) & np.isfinite(expected)
        n, expected = n[defined], expected[defined]
        prior = self.prior
        share = self.first_component(n, expected)
        point = share * (digamma(prior.alpha1 + n) - np.log(prior.beta1 + expected))
        point += (1 - share) * (digamma(prior.alpha2 + n) - np.log(prior.beta2 + expected))
        tail = (1 - self.level) / 2
        result[defined] = np.stack(
            [
                np.exp(point),
                self._quantile(n, expected, share, tail),
                self._quantile(n, expected, share, 1 - tail),
            ],
            axis=-1,
        )
        return result
