"""What every measure of disproportionality has in common.

Measure
├── IntervalMeasure
│   ├── ProportionalReportingRatio
│   ├── ReportingOddsRatio
│   ├── ExactReportingOddsRatio
│   ├── InformationComponent
│   ├── ClosedFormInformationComponent
│   ├── NormalInformationComponent
│   └── EmpiricalBayes
├── ChiSquare                         plain numbers, as they have no interval
├── LogLikelihoodRatio
├── FisherExact
└── FisherMidP
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.interval import Interval
from detectors.pair_arrays import PairArrays
from detectors.table import CountTable

__all__ = ["IntervalMeasure", "Measure"]


class Measure(ABC):
    """Scores drug-reaction pairs by their counts alone; pure, and safe to share between threads.

    Measures order nothing: row i of the result is row i of the columns.
    """

    __slots__ = ()

    columns: ClassVar[tuple[str, ...]]
    """Names of the result's columns in `detectors.score.score_all`: point, lower and upper, or one."""
    variant: ClassVar[str]
    """Which of the published variants it is, as measures of one name disagree between variants."""

    @abstractmethod
    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Point, lower and upper limit of every row, shape (pairs, 3), or (pairs,) for a measure without interval.

        A row whose counts do not define the measure is NaN.
        """

    @abstractmethod
    def score_one(self, table: CountTable, drug: str, reaction: str) -> Interval | float:
        """The same for one pair, which need not have been reported together.

        Raises `UnknownTermError`, naming the nearest terms, if the table holds no report of the drug or the reaction.
        """


class IntervalMeasure(Measure):
    """A measure that comes with an interval; a subclass is a frozen dataclass with the field `level`."""

    __slots__ = ()

    level: float
    """Coverage of the interval, in (0, 1)."""

    def score_one(self, table: CountTable, drug: str, reaction: str) -> Interval:
        """Point and limits of one pair; raises `UnknownTermError` like `Measure.score_one`."""
        point, lower, upper = self.score_many(table.arrays_of([(drug, reaction)]))[0].tolist()
        return Interval(point, lower, upper, self.level)
