"""What has been counted since the baseline: periods in order, each later than the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from cases import IntegrityError, ParameterError
from detectors.sequential.prospective_expectation import ProspectiveExpectation, check_day

__all__ = ["Surveillance", "check_events", "check_share"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveillance:
    """Events and exposure so far, against what was expected; a new value for each period."""

    expectation: ProspectiveExpectation
    observed: int = 0
    exposure: float = 0.0
    last_day: date | None = None

    @property
    def expected(self) -> float:
        """Events expected so far."""
        return self.expectation.expected(self.exposure)

    def after(self, day: date, *, observed: int, exposure: float, first_day: date | None = None) -> Surveillance:
        """The counts with one more period, which ends on `day` and begins after the one before unless said.

        Raises `ParameterError` for a negative or fractional count, an exposure below 0 or not finite, a day that is
        not later than the last one, and a period that begins in or before the baseline.
        """
        check_day("day", day)
        before = self.expectation.last_day if self.last_day is None else self.last_day
        if self.last_day is not None and not day > before:
            raise ParameterError(f"days must rise: {day} does not come after {before}")
        if first_day is not None and self.last_day is not None and not first_day > before:
            raise ParameterError(f"periods must not overlap: one from {first_day} begins before {before} is over")
        # without a beginning, a period is what came since the last one
        follows = before + timedelta(days=1)
        self.expectation.check_period(first_day or min(follows, day), day)
        if not (0 <= observed < math.inf and observed == int(observed)):
            raise ParameterError(f"observed must be a whole number of at least 0, not {observed!r}")
        if not 0 <= exposure < math.inf:
            raise ParameterError(f"exposure must be finite and at least 0, not {exposure!r}")
        if observed and not self.exposure + exposure > 0:
            raise ParameterError(f"{observed} events without any exposure: nothing says how many were expected")
        return Surveillance(
            expectation=self.expectation, observed=self.observed + int(observed),
            exposure=self.exposure + float(exposure), last_day=day,
        )  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """The counts as plain JSON values."""
        day = None if self.last_day is None else self.last_day.isoformat()
        return {"observed": self.observed, "exposure": self.exposure, "last_day": day}

    @classmethod
    def restore(cls, expectation: ProspectiveExpectation, snapshot: Mapping[str, Any]) -> Surveillance:
        """The reverse of `snapshot`; raises `IntegrityError` for counts that no surveillance can have."""
        try:
            empty = cls(expectation=expectation)
            if snapshot["last_day"] is None:
                restored = empty
            else:
                day = date.fromisoformat(snapshot["last_day"])
                restored = empty.after(day, observed=snapshot["observed"], exposure=snapshot["exposure"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise IntegrityError(f"not a snapshot of a surveillance: {error}") from error
        if restored.snapshot() != dict(snapshot):
            raise IntegrityError("not a snapshot of a surveillance: its counts contradict each other")
        return restored


def check_share(expectation: ProspectiveExpectation) -> None:
    """Raise `ParameterError` unless the rate can be the share of the exposed among events of both groups."""
    if not expectation.rate < 1:
        raise ParameterError(f"rate must be the share of the exposed, below 1, not {expectation.rate!r}")


def check_events(before: Surveillance, counts: Surveillance) -> None:
    """Raise `ParameterError` unless exposure counts events, no fewer in the new period than those of the exposed."""
    exposed, events = counts.observed - before.observed, counts.exposure - before.exposure
    if not events == int(events):
        raise ParameterError(f"exposure must be a whole number of events of both groups, not {events!r}")
    if not exposed <= events:
        raise ParameterError(f"observed must be at most the events of both groups, {events:g}, not {exposed}")
