"""The Poisson CUSUM for many series whose expected counts differ and change with the season."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError
from detectors.online.poisson_cusum import PoissonCusum
from detectors.online.rate_test import RateTest

__all__ = ["CusumTest"]

_LOWEST, _HIGHEST = 0.01, 1000.0  # means that thresholds are made for; outside them the nearest is used
_STEPS_PER_OCTAVE = 8


class CusumTest(RateTest):
    r"""Rises of a rate by a stated ratio, with a stated mean time between false alarms.

    With :math:`E_t` the expected count of the period and :math:`k_t = E_t(\rho - 1)/\ln\rho`,
    :math:`S_t = \max(0, S_{t-1} + (n_t - k_t) / h(E_t))` raises an alarm at 1. :math:`h(E)` is the threshold of
    `PoissonCusum.design` for a constant mean :math:`E`, so that periods of different expectation add up in one sum.

    Parameters
    ----------
    ratio
        Rise that is to be found, in [1.1, 100].
    run_length
        Mean number of periods between false alarms of one series, in (1, 1e9].
    min_reports
        Fewest reports an alarm can rest on, at least 1. It matters for rare pairs, where one report can be more
        than chance brings in a lifetime, and no reason to be called.

    Notes
    -----
    Exact where the expectation is known and constant; with a season of ten to one and an estimated expectation see the
    measured run lengths in docs/online-models.md.

    References
    ----------
    Lucas JM (1985), Technometrics 27:129-144, doi:10.1080/00401706.1985.10488030. Rogerson PA, Yamada I (2004),
    MMWR Supplement 53:79-85 (thresholds that follow the expectation)
    """

    NAME: ClassVar[str] = "cusum"

    def __init__(self, *, ratio: float = 2.0, run_length: float = 10_000.0, min_reports: float = 3) -> None:
        if not 1.1 <= ratio <= 100:
            raise ParameterError(f"ratio must lie in [1.1, 100], not {ratio!r}")
        if not 1 < run_length <= 1e9:
            raise ParameterError(f"run_length must lie in (1, 1e9], not {run_length!r}")
        if not 1 <= min_reports < math.inf:
            raise ParameterError(f"min_reports must lie in [1, infinity), not {min_reports!r}")
        super().__init__(["sum"])
        self.ratio = ratio
        self.run_length = run_length
        self.min_reports = min_reports

    def update(
        self, counts: NDArray[np.float64], expected: NDArray[np.float64], is_judged: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Add the period to each sum."""
        total = self.columns["sum"]
        per_expected = (self.ratio - 1) / math.log(self.ratio)
        mean = expected[is_judged]
        added = (counts[is_judged] - per_expected * mean) / self.thresholds(mean)
        total[is_judged] = np.maximum(0.0, total[is_judged] + added)
        return is_judged & (total >= 1.0)

    def thresholds(self, expected: NDArray[np.float64]) -> NDArray[np.float64]:
        """The threshold in reports for each expected count (above 0)."""
        steps = np.log2(np.clip(expected, _LOWEST, _HIGHEST) / _LOWEST) * _STEPS_PER_OCTAVE
        below = np.floor(steps).astype(np.int64)
        found = np.zeros(int(below.max(initial=0)) + 2)
        for step in {near for one in np.flatnonzero(np.bincount(below)).tolist() for near in (one, one + 1)}:
            found[step] = _threshold(step, self.ratio, self.run_length)
        # the higher neighbour: thresholds first rise and then fall with the mean
        higher = np.maximum(found[below], found[below + 1])
        return np.asarray(np.maximum(higher, self.min_reports - 1 + 1e-9), dtype=np.float64)

    def settings(self) -> dict[str, float]:
        """Ratio, run length and fewest reports."""
        return {"ratio": self.ratio, "run_length": self.run_length, "min_reports": self.min_reports}


@lru_cache(maxsize=4096)
def _threshold(step: int, ratio: float, run_length: float) -> float:
    mean = _LOWEST * 2 ** (step / _STEPS_PER_OCTAVE)
    return float(PoissonCusum.design(mean=mean, ratio=ratio, run_length=run_length).threshold)
