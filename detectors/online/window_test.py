"""Adaptive windowing for many series of rare counts: the idea of ADWIN with a likelihood ratio for its bound.

docs/adr names what River's ADWIN lacks for counts of rare events, with measurements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cases import ParameterError
from detectors.online.rate_test import RateTest

__all__ = ["WindowTest"]

_BUCKETS_PER_SIZE = 4


class WindowTest(RateTest):
    r"""Rises and falls of a rate since any time in the past.

    The past of a series is kept in an exponential histogram: four sums each over 1, 2, 4, ... periods, the same for all
    series. Every boundary cuts it into an older part (:math:`n_0` reports where :math:`E_0` were expected) and a newer
    one. The alarm is raised when a cut has a log likelihood ratio of

    .. math:: n_0 \ln\frac{n_0}{E_0} + n_1 \ln\frac{n_1}{E_1} - (n_0 + n_1) \ln\frac{n_0 + n_1}{E_0 + E_1}

    above `threshold`. ADWIN compares the two means by a Hoeffding bound, which needs values of a bounded range and,
    where these are mostly 0, hundreds of periods more.

    Parameters
    ----------
    threshold
        Log likelihood ratio (natural) that raises the alarm, above 0.
    min_reports
        Fewest reports, old and new together, that are compared; at least 1.
    max_doublings
        Lengths of sums, at least 1: the window holds at least ``4 * (2 ** max_doublings - 1)`` periods less the
        sums that are just being merged.

    References
    ----------
    Bifet A, Gavalda R (2007), SIAM International Conference on Data Mining, 443-448,
    doi:10.1137/1.9781611972771.42
    """

    NAME: ClassVar[str] = "window"

    def __init__(self, *, threshold: float = 10.0, min_reports: float = 3, max_doublings: int = 7) -> None:
        if not 0 < threshold < math.inf:
            raise ParameterError(f"threshold must lie in (0, infinity), not {threshold!r}")
        if not 1 <= min_reports < math.inf:
            raise ParameterError(f"min_reports must lie in [1, infinity), not {min_reports!r}")
        if not 1 <= max_doublings <= 16:
            raise ParameterError(f"max_doublings must lie in [1, 16], not {max_doublings!r}")
        self._slots = _BUCKETS_PER_SIZE * max_doublings
        super().__init__([f"{kind}_{slot}" for kind in ("reports", "expected") for slot in range(self._slots)])
        self.updates = 0  # periods taken in; where the sums of every length begin follows from it
        self.threshold = threshold
        self.min_reports = min_reports
        self.max_doublings = max_doublings

    def update(
        self, counts: NDArray[np.float64], expected: NDArray[np.float64], is_judged: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Add the period to each window and look at every cut."""
        reports, hoped = self._windows()
        new = np.stack([np.where(is_judged, counts, 0.0), np.where(is_judged, expected, 0.0)])
        self._insert((reports, hoped), new, level=0, arrivals=self.updates)
        self.updates += 1
        is_far = (self.ratios() > self.threshold) & (reports.sum(axis=0) >= self.min_reports)
        return np.asarray(is_judged & is_far, dtype=np.bool_)

    def ratios(self) -> NDArray[np.float64]:
        """The largest log likelihood ratio of each series over its cuts, shape (series,); 0 where there is no cut."""
        reports, hoped = self._windows()
        all_n, all_e = reports.sum(axis=0), hoped.sum(axis=0)
        pooled, best = _log_likelihood(all_n, all_e), np.zeros(len(all_n))
        newer_n, newer_e = np.zeros(len(all_n)), np.zeros(len(all_n))
        for slot in range(self._slots):
            newer_n, newer_e = newer_n + reports[slot], newer_e + hoped[slot]
            older_e = all_e - newer_e
            gain = _log_likelihood(newer_n, newer_e) + _log_likelihood(all_n - newer_n, older_e) - pooled
            is_cut = (newer_e > 0) & (older_e > 1e-9 * all_e)
            best = np.where(is_cut, np.maximum(best, gain), best)
        return best

    def _windows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        last = self._slots - 1
        return self.columns.block("reports_0", f"reports_{last}"), self.columns.block("expected_0", f"expected_{last}")

    def _insert(
        self,
        windows: tuple[NDArray[np.float64], NDArray[np.float64]],
        new: NDArray[np.float64],
        *,
        level: int,
        arrivals: int,
    ) -> None:
        """Put the newest sum of a level in; two that are too many become one of the next level, or are forgotten."""
        first = level * _BUCKETS_PER_SIZE
        last = first + _BUCKETS_PER_SIZE - 1
        is_last = level == self.max_doublings - 1
        held = arrivals if arrivals <= _BUCKETS_PER_SIZE else _BUCKETS_PER_SIZE - arrivals % 2
        if held == _BUCKETS_PER_SIZE and not is_last:
            carried = np.stack([values[last - 1] + values[last] for values in windows])
            for values in windows:
                values[last - 1 : last + 1] = 0.0
            merged = max(0, (arrivals - _BUCKETS_PER_SIZE + 1) // 2)
            self._insert(windows, carried, level=level + 1, arrivals=merged)
        for values, added in zip(windows, new, strict=True):
            values[first + 1 : last + 1] = values[first:last].copy()
            values[first] = added

    def settings(self) -> dict[str, float]:
        """Threshold, fewest reports and lengths of sums."""
        return {"threshold": self.threshold, "min_reports": self.min_reports, "max_doublings": self.max_doublings}

    def snapshot(self) -> dict[str, Any]:
        """Name, settings, running values and how many periods were taken in."""
        return {**super().snapshot(), "updates": self.updates}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over running values; raises `IntegrityError` where they are another test's."""
        super().load(state)
        self.updates = int(state["updates"])


def _log_likelihood(reports: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reports times the logarithm of their ratio to what was expected; 0 without reports."""
    return np.asarray(special.xlogy(reports, reports / np.maximum(expected, 1e-300)), dtype=np.float64)
