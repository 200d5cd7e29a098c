"""Information component of the Bayesian confidence propagation network with its normal approximation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, polygamma, psi

from detectors._contingency import cells
from detectors.interval import check_level
from detectors.measure import IntervalMeasure
from detectors.pair_arrays import PairArrays

__all__ = ["NormalInformationComponent", "normal_information_component"]


def normal_information_component(
    n: ArrayLike, n_drug: ArrayLike, n_reaction: ArrayLike, n_total: ArrayLike, *, level: float
) -> NDArray[np.float64]:
    """Point, lower and upper limit of each pair, shape (pairs, 3); the counts may be noisy.

    NaN where the counts make no two-by-two table: a cell below 0, a count that is not finite, no reports.
    """
    z = float(ndtri((1 + check_level(level)) / 2))
    a, b, c, d = cells(n, n_drug, n_reaction, n_total, has_correction=False)
    total = a + b + c + d
    drug, reaction, both = a + b + 1, a + c + 1, a + 1
    with np.errstate(over="ignore", invalid="ignore"):  # totals next to the largest float
        pseudo_total = total + (2 + total) / drug * ((2 + total) / reaction)
        point = psi(both) - psi(pseudo_total) - psi(drug) - psi(reaction) + 2 * psi(total + 2)
        variance = (
            polygamma(1, both)
            - polygamma(1, pseudo_total)
            + polygamma(1, drug)
            + polygamma(1, reaction)
            - 2 * polygamma(1, total + 2)
        )
        half_width = z * np.sqrt(variance)
    return np.stack([point, point - half_width, point + half_width], axis=-1) / math.log(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalInformationComponent(IntervalMeasure):
    r"""Posterior mean of :math:`\log_2 \frac{p_{dr}}{p_d p_r}` with normal limits, as the first BCPNN had them.

    The three probabilities have independent beta posteriors, with digamma means and trigamma variances of their
    logarithms: a prior of one report in two for each margin, and a prior for the pair that makes it independent.

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1). Higher is wider; the usual choice is 0.95.

    Notes
    -----
    For comparison with tools that print it: the posterior of a small count is skewed, which normal limits ignore. A
    stratified expected count does not change it. Prefer `InformationComponent`.

    Examples
    --------
    >>> normal_information_component(30, 100, 50, 1000, level=0.95).round(2)
    array([2.34, 1.64, 3.03])

    References
    ----------
    Bate A et al. (1998), European Journal of Clinical Pharmacology 54:315-321, doi:10.1007/s002280050466
    """

    columns: ClassVar[tuple[str, ...]] = ("ic_bcpnn", "ic_bcpnn_lower", "ic_bcpnn_upper")
    variant: ClassVar[str] = "BCPNN, normal limits"

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Component, lower and upper limit of every row, shape (pairs, 3)."""
        return normal_information_component(
            arrays.n, arrays.n_drug, arrays.n_reaction, arrays.n_total, level=self.level
        )
