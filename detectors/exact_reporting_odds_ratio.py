"""Reporting odds ratio without approximation: for a few pairs whose counts are too small for Woolf's interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors._contingency import cells
from detectors.interval import check_level
from detectors.measure import IntervalMeasure
from detectors.pair_arrays import PairArrays

__all__ = ["ExactReportingOddsRatio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactReportingOddsRatio(IntervalMeasure):
    """Conditional maximum-likelihood odds ratio with the exact (Fisher) interval.

    The variant of DiAna; it needs no correction for empty cells, whose ratio is 0 or infinite.

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1). Higher is wider; the usual choice is 0.95.

    Notes
    -----
    It solves for every row: some milliseconds each among 20,000 reports, and more among more. NaN where a margin is 0
    and where a count is not a whole number, so noisy counts have no use for it.

    Examples
    --------
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_counts([("etanercept", "rash", 3), ("etanercept", "nausea", 97),
    ...                                 ("paracetamol", "rash", 47), ("paracetamol", "nausea", 19853)])
    >>> ExactReportingOddsRatio(level=0.95).score_one(table, "etanercept", "rash").round(2)
    Interval(point=13.06, lower=2.56, upper=41.68, level=0.95)

    References
    ----------
    Cornfield J (1956), A statistical problem arising from retrospective studies, Proceedings of the Third Berkeley
    Symposium on Mathematical Statistics and Probability 4:135-148
    """

    columns: ClassVar[tuple[str, ...]] = ("ror_exact", "ror_exact_lower", "ror_exact_upper")
    variant: ClassVar[str] = "conditional maximum likelihood, exact interval"

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Ratio, lower and upper limit of every row, shape (pairs, 3)."""
        from scipy.stats.contingency import odds_ratio  # half of what importing this package would take

        scores = np.full((len(arrays), 3), np.nan)
        table = cells(arrays.n, arrays.n_drug, arrays.n_reaction, arrays.n_total, has_correction=False)
        for row, (a, b, c, d) in enumerate(np.stack(table, axis=-1)):
            if min(a + b, c + d, a + c, b + d) > 0 and all(cell.is_integer() for cell in (a, b, c, d)):
                result = odds_ratio(np.array([[a, b], [c, d]], dtype=np.int64))
                interval = result.confidence_interval(self.level)
                scores[row] = result.statistic, interval.low, interval.high
        return scores
