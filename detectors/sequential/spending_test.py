"""Alpha spending that runs: each period is a look, whenever it comes and however large it is."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from cases import ParameterError
from detectors.sequential._surveillance import Surveillance, check_events, check_share
from detectors.sequential.prospective_expectation import ProspectiveExpectation
from detectors.sequential.running_test import RunningTest
from detectors.sequential.spending_boundary import SpendingBoundary, SpendingLook
from detectors.sequential.spending_function import SpendingFunction

__all__ = ["BinomialSpendingTest", "PoissonSpendingTest", "SpendingStatus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingStatus:
    """Where a test by alpha spending stands after its last look."""

    day: date | None
    """Last day counted; None before the first period."""
    observed: int
    """Events so far."""
    expected: float
    """Events expected so far under the null."""
    look: SpendingLook
    """What the last look asked for and cost."""
    signalled_on: date | None
    """Last day of the period that first signalled; None as long as none has."""

    @property
    def is_signal(self) -> bool:
        """Whether the test has signalled, now or before."""
        return self.signalled_on is not None


class _SpendingTest(RunningTest[SpendingStatus]):
    def __init__(self, expectation: ProspectiveExpectation, boundary: SpendingBoundary) -> None:
        super().__init__(expectation)
        self.boundary = boundary

    @abstractmethod
    def _size(self, counts: Surveillance) -> float:
        """How far the surveillance is, in the unit of its length."""

    def _check(self, before: Surveillance, counts: Surveillance) -> None:
        self.boundary.check_size(self._size(counts) - self._size(before))

    def _look(self, before: Surveillance, counts: Surveillance) -> bool:
        limit = self.boundary.look(self._size(counts) - self._size(before)).signal_count
        return limit is not None and counts.observed >= limit

    @property
    def status(self) -> SpendingStatus:
        """Counts, last look and first signal."""
        counts = self._counts
        return SpendingStatus(
            day=counts.last_day, observed=counts.observed, expected=counts.expected, look=self.boundary.last,
            signalled_on=self.signalled_on,
        )  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        spending = self.boundary.spending
        return {
            "alpha": self.boundary.alpha, "length": self.boundary.length, "family": spending.family,
            "rho": spending.rho, "minimum_events": self.boundary.minimum_events,
        }  # fmt: skip

    def _state(self) -> dict[str, Any]:
        return {"sizes": list(self.boundary.sizes)}

    def _restore_state(self, state: Mapping[str, Any]) -> None:
        for size in state["sizes"]:
            self.boundary.look(size)
        if not math.isclose(self.boundary.last.size, self._size(self._counts), rel_tol=1e-9, abs_tol=1e-12):
            raise ParameterError("the looks do not add up to the counts")


class PoissonSpendingTest(_SpendingTest):
    """Poisson counts against an expectation, with looks that need no plan.

    Parameters: `expectation`, those of `SpendingBoundary`, and of `SpendingFunction`. The length is in expected events.
    State grows by one number a look.

    Examples
    --------
    >>> history = ProspectiveExpectation.from_history(events=40, exposure=20_000, last_day=date(2024, 12, 31))
    >>> test = PoissonSpendingTest(expectation=history, alpha=0.05, length=20, family="pocock")
    >>> status = test.update(date(2025, 1, 31), observed=3, exposure=1_000)
    >>> status.look.signal_count, status.is_signal
    (7, False)
    >>> test.update(date(2025, 2, 3), observed=6, exposure=150).is_signal
    True

    References
    ----------
    Silva IR (2018), Methodology and Computing in Applied Probability 20:739-750, doi:10.1007/s11009-017-9586-z
    """

    schema: ClassVar[str] = "kelsey.poisson-spending-test"

    def __init__(
        self, *, expectation: ProspectiveExpectation, alpha: float, length: float, family: str, rho: float = 1.0,
        minimum_events: int = 1,
    ) -> None:  # fmt: skip
        spending = SpendingFunction(family=family, rho=rho)
        boundary = SpendingBoundary(alpha=alpha, length=length, spending=spending, minimum_events=minimum_events)
        super().__init__(expectation, boundary)

    def _size(self, counts: Surveillance) -> float:
        return counts.expected


class BinomialSpendingTest(_SpendingTest):
    """Exposed among events of both groups, which exposure counts; the length is in such events.

    Parameters as `PoissonSpendingTest`; the expectation's rate is the share of the exposed, below 1.
    """

    schema: ClassVar[str] = "kelsey.binomial-spending-test"

    def __init__(
        self, *, expectation: ProspectiveExpectation, alpha: float, length: float, family: str, rho: float = 1.0,
        minimum_events: int = 1,
    ) -> None:  # fmt: skip
        check_share(expectation)
        boundary = SpendingBoundary(
            alpha=alpha, length=length, spending=SpendingFunction(family=family, rho=rho), chance=expectation.rate,
            minimum_events=minimum_events,
        )  # fmt: skip
        super().__init__(expectation, boundary)

    def _check(self, before: Surveillance, counts: Surveillance) -> None:
        check_events(before, counts)
        super()._check(before, counts)

    def _size(self, counts: Surveillance) -> float:
        return counts.exposure
