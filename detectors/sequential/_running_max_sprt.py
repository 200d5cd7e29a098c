"""What the running MaxSPRTs have in common: when a look counts, and what is left of the planned surveillance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from cases import ParameterError
from detectors.sequential._statistic import TIE
from detectors.sequential._surveillance import Surveillance
from detectors.sequential.critical_value import CriticalValue
from detectors.sequential.max_sprt_status import MaxSprtStatus
from detectors.sequential.prospective_expectation import ProspectiveExpectation
from detectors.sequential.running_test import RunningTest

__all__ = ["RunningMaxSprt"]


class RunningMaxSprt(RunningTest[MaxSprtStatus]):
    """The part that knows no statistic; subclasses say how far a surveillance is, and what its counts' ratio is."""

    def __init__(
        self, expectation: ProspectiveExpectation, boundary: CriticalValue, *, length: float, minimum_events: int,
        delay: float, groups: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(expectation)
        self.boundary = boundary
        self.length = length
        self.minimum_events = minimum_events
        self.delay = delay
        self.groups = None if groups is None else tuple(float(size) for size in groups)
        self._looks = None if groups is None else np.cumsum(groups)

    @abstractmethod
    def _size(self, counts: Surveillance) -> float:
        """How far the surveillance is, in the unit of its length."""

    @abstractmethod
    def _ratio(self, counts: Surveillance) -> float:
        """Log likelihood ratio of the counts, some of which are not 0."""

    def _is_at(self, size: float, look: float) -> bool:
        return abs(size - look) <= 1e-9 * self.length

    def _check_plan(self, before: Surveillance, counts: Surveillance) -> None:
        if self._looks is None:
            return
        begin, end = self._size(before), self._size(counts)
        for look in self._looks:
            if begin < look < end and not (self._is_at(begin, look) or self._is_at(end, look)):
                raise ParameterError(
                    f"a period must not pass the planned look at {look:g}: it goes from {begin:g} to {end:g}",
                    hint="split the period, or use a test whose looks need no plan",
                )

    def _look(self, before: Surveillance, counts: Surveillance) -> bool:
        size = self._size(counts)
        if self._looks is not None and not any(self._is_at(size, look) for look in self._looks):
            return False
        slack = 1e-9 * self.length
        is_open = self.delay - slack <= size <= self.length + slack
        return is_open and counts.observed >= self.minimum_events and self._signals(counts)

    def _signals(self, counts: Surveillance) -> bool:
        return self._ratio(counts) >= self.boundary.critical_value - TIE

    @property
    def status(self) -> MaxSprtStatus:
        """Counts, statistic, first signal and what is left."""
        counts = self._counts
        left = self.length - self._size(counts)
        return MaxSprtStatus(
            day=counts.last_day, observed=counts.observed, expected=counts.expected,
            llr=self._ratio(counts) if counts.observed else 0.0, critical_value=self.boundary.critical_value,
            signalled_on=self.signalled_on, remaining=left if left > 1e-9 * self.length else 0.0,
        )  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        return {
            "alpha": self.boundary.alpha, "length": self.length, "minimum_events": self.minimum_events,
            "delay": self.delay, "groups": None if self.groups is None else list(self.groups),
        }  # fmt: skip
