"""Anytime-valid tests that run: look, and stop, whenever you like; no planned end, no plan of looks."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from cases import ParameterError
from detectors.interval import Interval
from detectors.sequential._surveillance import Surveillance, check_events, check_share
from detectors.sequential.confidence_sequence import binomial_confidence, poisson_confidence
from detectors.sequential.e_value import binomial_log_e_value, check_concentration, poisson_log_e_value
from detectors.sequential.prospective_expectation import ProspectiveExpectation
from detectors.sequential.running_test import RunningTest

__all__ = ["BinomialEProcess", "EProcessStatus", "PoissonEProcess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EProcessStatus:
    """Where an anytime-valid test stands."""

    day: date | None
    """Last day counted; None before the first period."""
    observed: int
    """Events so far."""
    expected: float
    """Events expected so far under the null."""
    log_e_value: float
    """Natural logarithm of the evidence so far; it may fall again."""
    p_value: float
    """Anytime p value: one over the largest evidence at any look so far, at most 1."""
    signalled_on: date | None
    """Last day of the period in which the evidence first reached 1 / alpha; None as long as it has not."""
    ratio: Interval
    """Rate ratio with limits that hold at all looks at once, with chance at least 1 - alpha."""

    @property
    def is_signal(self) -> bool:
        """Whether the test has signalled, now or before."""
        return self.signalled_on is not None


class _EProcess(RunningTest[EProcessStatus]):
    def __init__(self, *, expectation: ProspectiveExpectation, alpha: float, concentration: float = 1.0) -> None:
        super().__init__(expectation)
        if not 0 < alpha < 1:
            raise ParameterError(f"alpha must lie in (0, 1), not {alpha!r}")
        check_concentration(concentration)
        self.alpha, self.concentration = alpha, concentration
        self._largest = 0.0  # logarithm; the evidence begins at 1

    @abstractmethod
    def _log_e_value(self, counts: Surveillance) -> float:
        """Logarithm of the evidence."""

    @abstractmethod
    def _ratio(self, counts: Surveillance) -> Interval:
        """Rate ratio with its limits."""

    def _look(self, before: Surveillance, counts: Surveillance) -> bool:
        log_e_value = self._log_e_value(counts)
        self._largest = max(self._largest, log_e_value)
        return log_e_value >= -math.log(self.alpha)

    @property
    def status(self) -> EProcessStatus:
        """Counts, evidence, anytime p value, first signal and limits."""
        counts = self._counts
        return EProcessStatus(
            day=counts.last_day, observed=counts.observed, expected=counts.expected,
            log_e_value=self._log_e_value(counts), p_value=math.exp(-self._largest),
            signalled_on=self.signalled_on, ratio=self._ratio(counts),
        )  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        return {"alpha": self.alpha, "concentration": self.concentration}

    def _state(self) -> dict[str, Any]:
        return {"largest_log_e_value": self._largest}

    def _restore_state(self, state: Mapping[str, Any]) -> None:
        largest = float(state["largest_log_e_value"])
        if not max(0.0, self._log_e_value(self._counts) - 1e-9) <= largest < math.inf:
            raise ParameterError(f"the largest evidence cannot have been {largest!r}")
        self._largest = largest


class PoissonEProcess(_EProcess):
    """Poisson counts against an expectation: evidence that the rate is above it, valid at every look.

    Parameters
    ----------
    expectation
        Rate known before the surveillance began.
    alpha
        Chance of ever signalling, over endless looks, where the true rate is at most the expected one; in (0, 1).
    concentration
        As in `poisson_log_e_value`.

    Notes
    -----
    A test with a planned end (`PoissonMaxSprt`) signals sooner within its length; this one needs no length, and whoever
    looks because events came, or goes on after the end, does no harm. State and cost of a period are constant.

    Examples
    --------
    >>> history = ProspectiveExpectation.from_history(events=40, exposure=20_000, last_day=date(2024, 12, 31))
    >>> test = PoissonEProcess(expectation=history, alpha=0.05)
    >>> for month, count in enumerate([2, 4, 9], start=1):
    ...     status = test.update(date(2025, month, 28), observed=count, exposure=900)
    >>> status.signalled_on, round(status.p_value, 4), status.ratio.round(2)
    (datetime.date(2025, 3, 28), 0.0101, Interval(point=2.78, lower=1.07, upper=5.74, level=0.95))

    References
    ----------
    Ramdas A, Grunwald P, Vovk V, Shafer G (2023), Statistical Science 38:576-601, doi:10.1214/23-STS894
    """

    schema: ClassVar[str] = "kelsey.poisson-e-process"

    def _log_e_value(self, counts: Surveillance) -> float:
        return float(poisson_log_e_value(counts.observed, counts.expected, concentration=self.concentration))

    def _ratio(self, counts: Surveillance) -> Interval:
        return poisson_confidence(
            counts.observed, counts.expected, level=1 - self.alpha, concentration=self.concentration
        )


class BinomialEProcess(_EProcess):
    """Exposed among events of both groups, which exposure counts; the expectation's rate is the share of the exposed.

    Parameters as `PoissonEProcess`, evidence as `binomial_log_e_value`.
    """

    schema: ClassVar[str] = "kelsey.binomial-e-process"

    def __init__(self, *, expectation: ProspectiveExpectation, alpha: float, concentration: float = 1.0) -> None:
        super().__init__(expectation=expectation, alpha=alpha, concentration=concentration)
        check_share(expectation)

    def _check(self, before: Surveillance, counts: Surveillance) -> None:
        check_events(before, counts)

    def _log_e_value(self, counts: Surveillance) -> float:
        return float(
            binomial_log_e_value(
                counts.observed, counts.exposure, chance=self.expectation.rate, concentration=self.concentration
            )
        )

    def _ratio(self, counts: Surveillance) -> Interval:
        return binomial_confidence(
            counts.observed, int(counts.exposure), chance=self.expectation.rate, level=1 - self.alpha,
            concentration=self.concentration,
        )  # fmt: skip
