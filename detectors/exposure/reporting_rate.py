"""Reporting rate: reports of a pair for each unit of the drug's exposure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv

from detectors.exposure._by_drug import exposure_by_drug
from detectors.interval import Interval, check_level
from detectors.pair_arrays import PairArrays
from detectors.table import CountTable

__all__ = ["ReportingRate", "reporting_rate"]


def reporting_rate(n: ArrayLike, exposure: ArrayLike, *, level: float) -> NDArray[np.float64]:
    """Rate, lower and upper limit (exact Poisson) of each count, shape (counts, 3).

    NaN where `n` is below 0 or not finite, and where `exposure` is not above 0 and finite.
    """
    check_level(level)
    counts, amount = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(exposure, dtype=np.float64))
    defined = (counts >= 0) & np.isfinite(counts) & (amount > 0) & np.isfinite(amount)
    counts, amount = np.where(defined, counts, np.nan), np.where(defined, amount, np.nan)
    shape = np.where(counts == 0, 1, counts)  # the quantile at 0 is 0, not undefined
    lower = np.where(counts == 0, 0.0, gammaincinv(shape, (1 - level) / 2))
    upper = gammaincinv(counts + 1, (1 + level) / 2)
    rates: NDArray[np.float64] = np.stack([counts, lower, upper], axis=-1) / amount[..., np.newaxis]
    return rates


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingRate:
    r"""Reports of a pair per unit of exposure of the drug, :math:`n / T`, with exact Poisson limits (Garwood).

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1), at least: the limits are exact, and so too wide for most true rates.

    Notes
    -----
    Not an incidence: only what is reported counts, and how much that is differs between drugs and over time. The
    exposure is taken as known without error; it must be that of the population and period of the reports, in one unit
    for all drugs (doses, packages, person-years).

    Examples
    --------
    >>> table = CountTable.from_counts([("mmr", "fever", 12), ("mmr", "rash", 30), ("dtp", "fever", 40)])
    >>> rate = ReportingRate(level=0.95).score_one(table, "mmr", "fever", {"mmr": 2.5, "dtp": 4})  # millions of doses
    >>> rate.round(2)
    Interval(point=4.8, lower=2.48, upper=8.38, level=0.95)

    References
    ----------
    Garwood F (1936), Biometrika 28:437-442, doi:10.1093/biomet/28.3-4.437
    """

    columns: ClassVar[tuple[str, ...]] = ("rate", "rate_lower", "rate_upper")
    variant: ClassVar[str] = "exact Poisson limits"

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def score_many(self, arrays: PairArrays, exposure: Mapping[str, float]) -> NDArray[np.float64]:
        """Rate, lower and upper limit of every row, shape (pairs, 3); NaN where the drug has no exposure given.

        Raises `ParameterError` for an exposure that is not above 0 and finite, and `UnknownTermError` for a drug that
        the arrays have no name for.
        """
        return reporting_rate(arrays.n, exposure_by_drug(arrays, exposure)[arrays.drug_index], level=self.level)

    def score_one(self, table: CountTable, drug: str, reaction: str, exposure: Mapping[str, float]) -> Interval:
        """The same for one pair, reported together or not; raises `UnknownTermError` for unknown names as well."""
        n = table.pair(drug, reaction).n
        exposure_by_drug(table.arrays(), exposure)
        point, lower, upper = reporting_rate(n, exposure.get(drug, np.nan), level=self.level).tolist()
        return Interval(point, lower, upper, self.level)
