"""Proportional reporting ratio: a reaction's share of a drug's reports against its share of all other reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors._contingency import cells, log_interval
from detectors.interval import check_level
from detectors.measure import IntervalMeasure
from detectors.pair_arrays import PairArrays

__all__ = ["ProportionalReportingRatio", "proportional_reporting_ratio"]


def proportional_reporting_ratio(
    n: ArrayLike, n_drug: ArrayLike, n_reaction: ArrayLike, n_total: ArrayLike, *, level: float
) -> NDArray[np.float64]:
    """Point, lower and upper limit of each pair, shape (pairs, 3); the counts may be noisy.

    NaN where the counts make no two-by-two table: a cell below 0, a count that is not finite, no reports.
    """
    a, b, c, d = cells(n, n_drug, n_reaction, n_total, has_correction=True)
    with np.errstate(over="ignore", invalid="ignore"):  # a noisy cell next to 0
        point = (a / (a + b)) / (c / (c + d))
        variance = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    return log_interval(point, variance, level)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProportionalReportingRatio(IntervalMeasure):
    r"""Proportional reporting ratio, :math:`\frac{a / (a + b)}{c / (c + d)}`.

    The interval is :math:`\exp(\ln PRR \pm z s)` with :math:`s^2 = 1/a - 1/(a+b) + 1/c - 1/(c+d)`. If any of the four
    cells is 0, 0.5 is added to all four (Haldane-Anscombe).

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1). Higher is wider; the usual choice is 0.95.

    Notes
    -----
    A pair reported once, whose reaction no other drug has (c = 0), gets a huge ratio from a single report: read it with
    `n`, never rank by the ratio alone. It is crude: a stratified expected count does not change it.

    Examples
    --------
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_counts([("rofecoxib", "infarction", 30), ("rofecoxib", "rash", 70),
    ...                                 ("paracetamol", "infarction", 20), ("paracetamol", "rash", 880)])
    >>> ProportionalReportingRatio(level=0.95).score_one(table, "rofecoxib", "infarction").round(2)
    Interval(point=13.5, lower=7.97, upper=22.86, level=0.95)

    References
    ----------
    Evans SJW, Waller PC, Davis S (2001), Pharmacoepidemiology and Drug Safety 10:483-486, doi:10.1002/pds.677
    """

    columns: ClassVar[tuple[str, ...]] = ("prr", "prr_lower", "prr_upper")
    variant: ClassVar[str] = "log-normal interval, Haldane-Anscombe correction"

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Ratio, lower and upper limit of every row, shape (pairs, 3)."""
        return proportional_reporting_ratio(
            arrays.n, arrays.n_drug, arrays.n_reaction, arrays.n_total, level=self.level
        )
