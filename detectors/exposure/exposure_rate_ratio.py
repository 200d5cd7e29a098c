"""Reporting rate of a drug against that of all other drugs whose exposure is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from detectors.exposure._by_drug import exposure_by_drug
from detectors.interval import Interval, check_level
from detectors.pair_arrays import PairArrays
from detectors.table import CountTable

__all__ = ["ExposureRateRatio", "exposure_rate_ratio"]


def exposure_rate_ratio(
    n: ArrayLike, exposure: ArrayLike, n_other: ArrayLike, exposure_other: ArrayLike, *, level: float
) -> NDArray[np.float64]:
    """Ratio of two rates, lower and upper limit (conditional binomial), shape (counts, 3).

    NaN where a count is below 0 or not finite, an exposure is not above 0 and finite, and where both counts are 0; with
    `n_other` 0 the ratio and its upper limit are infinite.
    """
    check_level(level)
    numbers = (np.asarray(each, dtype=np.float64) for each in (n, n_other, exposure, exposure_other))
    x, y, amount, other = np.broadcast_arrays(*numbers)
    defined = (x >= 0) & (y >= 0) & (x + y > 0) & np.isfinite(x + y)
    defined &= (amount > 0) & (other > 0) & np.isfinite(amount) & np.isfinite(other)
    x, y = np.where(defined, x, np.nan), np.where(defined, y, np.nan)
    scale = np.where(defined, other, np.nan) / amount
    tail = (1 - level) / 2
    with np.errstate(divide="ignore"):
        lower = _odds(x, y + 1, tail)  # of x of all x + y, from below
        upper = 1 / _odds(y, x + 1, tail)
        limits: NDArray[np.float64] = np.stack([x / y, lower, upper], axis=-1) * scale[..., np.newaxis]
    return limits


def _odds(a: NDArray[np.float64], b: NDArray[np.float64], probability: float) -> NDArray[np.float64]:
    """Odds at a quantile of the beta distribution; 0 where `a` is, and exact at both ends."""
    shape = np.where(a == 0, 1, a)
    odds = betaincinv(shape, b, probability) / betaincinv(b, shape, 1 - probability)
    return np.where(a == 0, 0.0, odds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureRateRatio:
    r"""Reports per exposure of a drug over those of all other drugs, :math:`\frac{n / T}{n' / T'}`, exact limits.

    Given the sum :math:`n + n'`, :math:`n` is binomial with odds of ratio times :math:`T / T'`, which gives limits
    (Clopper and Pearson) that hold for any count.

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1), at least.

    Notes
    -----
    The others are the drugs whose exposure is given: :math:`n'` adds up their reports with the reaction, so that a
    report of two of them counts for each, as their exposures do. Where many reports name the drug and another the two
    counts are not independent, and the limits do not hold. Drugs differ in who takes them and in how readily their
    reactions are reported; a ratio of rates adjusts for neither.

    Examples
    --------
    >>> table = CountTable.from_counts([("mmr", "fever", 12), ("dtp", "fever", 40), ("dtp", "rash", 3)])
    >>> exposure = {"mmr": 2.5, "dtp": 4}
    >>> ExposureRateRatio(level=0.95).score_one(table, "mmr", "fever", exposure).round(2)
    Interval(point=0.48, lower=0.23, upper=0.93, level=0.95)

    References
    ----------
    Przyborowski J, Wilenski H (1940), Biometrika 31:313-323, doi:10.1093/biomet/31.3-4.313; Clopper CJ, Pearson ES
    (1934), Biometrika 26:404-413, doi:10.1093/biomet/26.4.404
    """

    columns: ClassVar[tuple[str, ...]] = ("rate_ratio", "rate_ratio_lower", "rate_ratio_upper")
    variant: ClassVar[str] = "conditional binomial limits"

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def score_many(self, arrays: PairArrays, exposure: Mapping[str, float]) -> NDArray[np.float64]:
        """Ratio, lower and upper limit of every row of a whole table, shape (pairs, 3).

        NaN where the drug has no exposure given or no other has. Raises like `ReportingRate.score_many`.
        """
        by_drug = exposure_by_drug(arrays, exposure)
        known = np.isfinite(by_drug)
        counted = np.where(known[arrays.drug_index], arrays.n, 0)
        of_reaction = np.bincount(arrays.reaction_index, weights=counted, minlength=len(arrays.reaction_names))
        amount = by_drug[arrays.drug_index]
        n_other = of_reaction[arrays.reaction_index] - arrays.n
        return exposure_rate_ratio(arrays.n, amount, n_other, _others(by_drug)[arrays.drug_index], level=self.level)

    def score_one(self, table: CountTable, drug: str, reaction: str, exposure: Mapping[str, float]) -> Interval:
        """The same for one pair, reported together or not; raises `UnknownTermError` for unknown names as well."""
        n = table.pair(drug, reaction).n
        arrays = table.arrays()
        by_drug = exposure_by_drug(arrays, exposure)
        number = arrays.drug_names.index(drug)
        is_other = (arrays.reaction_index == arrays.reaction_names.index(reaction)) & (arrays.drug_index != number)
        is_other &= np.isfinite(by_drug[arrays.drug_index])
        others = arrays.n[is_other].sum()
        scores = exposure_rate_ratio(n, by_drug[number], others, _others(by_drug)[number], level=self.level)
        point, lower, upper = scores.tolist()
        return Interval(point, lower, upper, self.level)


def _others(by_drug: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exposure of all other drugs, by drug; 0 where no other has any."""
    known = np.nan_to_num(by_drug)
    before = np.concatenate([[0.0], np.cumsum(known)[:-1]])
    after = np.concatenate([np.cumsum(known[::-1])[::-1][1:], [0.0]])
    others: NDArray[np.float64] = before + after  # the sum less one's own would leave a rest where there is no other
    return others
