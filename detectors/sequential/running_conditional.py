"""Conditional MaxSPRT that runs: against a baseline that is itself a count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from cases import ParameterError
from detectors.sequential._running_max_sprt import RunningMaxSprt
from detectors.sequential._surveillance import Surveillance
from detectors.sequential.conditional_max_sprt import conditional_log_likelihood_ratio, conditional_max_sprt
from detectors.sequential.prospective_expectation import ProspectiveExpectation

__all__ = ["ConditionalMaxSprt"]


class ConditionalMaxSprt(RunningMaxSprt):
    """Poisson MaxSPRT that allows for the chance in its own baseline; parameters as `conditional_max_sprt`.

    The expectation must come from counts (`ProspectiveExpectation.from_history`). What is left is in events where
    `cases` ends the surveillance, in multiples of the history's exposure where `length_ratio` does. With `cases`, a
    period that brings more events than are left is tested as if it had brought those that are left, which is on the
    safe side; with `length_ratio`, a period that ends beyond it is counted but no longer tested.

    Examples
    --------
    >>> from datetime import date
    >>> history = ProspectiveExpectation.from_history(events=11, exposure=5.3415, last_day=date(2024, 12, 31))
    >>> test = ConditionalMaxSprt(expectation=history, alpha=0.05, cases=20)
    >>> status = test.update(date(2025, 1, 31), observed=4, exposure=0.183)
    >>> round(status.llr, 1), status.is_signal, status.remaining
    (5.3, True, 16.0)

    References
    ----------
    Li L, Kulldorff M (2010), Statistics in Medicine 29:284-295, doi:10.1002/sim.3780
    """

    schema: ClassVar[str] = "kelsey.conditional-max-sprt"

    def __init__(
        self, *, expectation: ProspectiveExpectation, alpha: float, cases: int | None = None,
        length_ratio: float | None = None, minimum_events: int = 1, delay_ratio: float = 0.0,
    ) -> None:  # fmt: skip
        if expectation.events is None or expectation.exposure is None:
            raise ParameterError(
                "expectation must come from the counts of a history, not from a stated rate",
                hint="ProspectiveExpectation.from_history, or the test without a history's chance",
            )
        self.cases = cases
        self._events, self._history_exposure = expectation.events, expectation.exposure
        boundary = conditional_max_sprt(
            alpha=alpha, events=expectation.events, cases=cases, length_ratio=length_ratio,
            minimum_events=minimum_events, delay_ratio=delay_ratio,
        )  # fmt: skip
        length = float(cases if cases is not None else length_ratio or 0)
        super().__init__(expectation, boundary, length=length, minimum_events=minimum_events, delay=delay_ratio)

    def _size(self, counts: Surveillance) -> float:
        return float(counts.observed) if self.cases is not None else counts.exposure / self._history_exposure

    def _ratio(self, counts: Surveillance) -> float:
        return float(
            conditional_log_likelihood_ratio(
                counts.observed, counts.exposure, events=self._events, history_exposure=self._history_exposure
            )
        )

    def _look(self, before: Surveillance, counts: Surveillance) -> bool:
        if self.cases is not None and before.observed < self.cases < counts.observed:
            counts = replace(counts, observed=self.cases)
        return super()._look(before, counts)

    def _settings(self) -> dict[str, Any]:
        return {
            "alpha": self.boundary.alpha, "cases": self.cases,
            "length_ratio": self.length if self.cases is None else None,
            "minimum_events": self.minimum_events, "delay_ratio": self.delay,
        }  # fmt: skip
