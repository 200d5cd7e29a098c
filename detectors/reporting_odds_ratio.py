"""Reporting odds ratio: the odds of a reaction among a drug's reports against its odds among all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors._contingency import cells, log_interval
from detectors.interval import check_level
from detectors.measure import IntervalMeasure
from detectors.pair_arrays import PairArrays

__all__ = ["ReportingOddsRatio", "reporting_odds_ratio"]


def reporting_odds_ratio(
    n: ArrayLike, n_drug: ArrayLike, n_reaction: ArrayLike, n_total: ArrayLike, *, level: float
) -> NDArray[np.float64]:
    """Point, lower and upper limit of each pair, shape (pairs, 3); the counts may be noisy.

    NaN where the counts make no two-by-two table: a cell below 0, a count that is not finite, no reports.
    """
    a, b, c, d = cells(n, n_drug, n_reaction, n_total, has_correction=True)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a noisy cell next to 0
        point = (a / b) * (d / c)
        variance = 1 / a + 1 / b + 1 / c + 1 / d
    return log_interval(point, variance, level)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingOddsRatio(IntervalMeasure):
    r"""Reporting odds ratio, :math:`ad / bc`, with Woolf's interval.

    The interval is :math:`\exp(\ln ROR \pm z s)` with :math:`s^2 = 1/a + 1/b + 1/c + 1/d`. If any of the four cells is
    0, 0.5 is added to all four (Haldane-Anscombe). `ExactReportingOddsRatio` is the slower variant without
    approximation.

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1). Higher is wider; the usual choice is 0.95.

    Notes
    -----
    Unstable for small counts like the proportional reporting ratio, and as crude: a stratified expected count does not
    change it.

    Examples
    --------
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_counts([("rofecoxib", "infarction", 30), ("rofecoxib", "rash", 70),
    ...                                 ("paracetamol", "infarction", 20), ("paracetamol", "rash", 880)])
    >>> ReportingOddsRatio(level=0.95).score_one(table, "rofecoxib", "infarction").round(2)
    Interval(point=18.86, lower=10.19, upper=34.91, level=0.95)

    References
    ----------
    Woolf B (1955), Annals of Human Genetics 19:251-253, doi:10.1111/j.1469-1809.1955.tb01348.x
    """

    columns: ClassVar[tuple[str, ...]] = ("ror", "ror_lower", "ror_upper")
    variant: ClassVar[str] = "Woolf interval, Haldane-Anscombe correction"

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Ratio, lower and upper limit of every row, shape (pairs, 3)."""
        return reporting_odds_ratio(arrays.n, arrays.n_drug, arrays.n_reaction, arrays.n_total, level=self.level)
