"""The test of Page and Hinkley for many series, against what their season lets one expect."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError
from detectors.online.rate_test import RateTest

__all__ = ["PageHinkleyTest"]


class PageHinkleyTest(RateTest):
    r"""Rises and falls of a rate, whatever their size.

    :math:`x_t = 2\sqrt{n_t + 3/8} - 2\sqrt{E_t + 3/8}` has a variance of about 1. The test adds up how far :math:`x`
    lies above (and, apart from that, below) 0 by more than `tolerance` and raises an alarm when a sum passes
    `threshold`. `ReportingRateDrift` is the same test against the mean so far.

    Parameters
    ----------
    tolerance
        Change of no interest, in standard deviations of a count, at least 0.
    threshold
        Sum that raises the alarm, in the same unit, above 0.

    References
    ----------
    Page ES (1954), Biometrika 41:100-115, doi:10.1093/biomet/41.1-2.100.
    Anscombe FJ (1948), Biometrika 35:246-254, doi:10.1093/biomet/35.3-4.246
    """

    NAME: ClassVar[str] = "page-hinkley"

    def __init__(self, *, tolerance: float = 0.5, threshold: float = 10.0) -> None:
        if not 0 <= tolerance < math.inf:
            raise ParameterError(f"tolerance must lie in [0, infinity), not {tolerance!r}")
        if not 0 < threshold < math.inf:
            raise ParameterError(f"threshold must lie in (0, infinity), not {threshold!r}")
        super().__init__(["above", "below"])
        self.tolerance = tolerance
        self.threshold = threshold

    def update(
        self, counts: NDArray[np.float64], expected: NDArray[np.float64], is_judged: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Add the period to both sums of each series."""
        moved = 2.0 * (np.sqrt(counts[is_judged] + 0.375) - np.sqrt(expected[is_judged] + 0.375))
        above, below = self.columns["above"], self.columns["below"]
        above[is_judged] = np.maximum(0.0, above[is_judged] + moved - self.tolerance)
        below[is_judged] = np.maximum(0.0, below[is_judged] - moved - self.tolerance)
        return is_judged & (np.maximum(above, below) > self.threshold)

    def settings(self) -> dict[str, float]:
        """Tolerance and threshold."""
        return {"tolerance": self.tolerance, "threshold": self.threshold}
