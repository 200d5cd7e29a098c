"""What a sequential test holds the counts against: a rate that was fixed before the surveillance began."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from cases import IntegrityError, ParameterError

__all__ = ["ProspectiveExpectation", "check_day"]


def check_day(name: str, day: object) -> None:
    """Raise `ParameterError` unless `day` is a date without a time."""
    if not isinstance(day, date) or isinstance(day, datetime):
        raise ParameterError(f"{name} must be a date, not {day!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProspectiveExpectation:
    """Events expected for each unit of exposure, known before the first event under test could come.

    The tests of this package take this type, and no expected count: it carries the last day of what it was learnt
    from, and they refuse every period that begins on or before that day.

    Parameters
    ----------
    rate
        Events for each unit of exposure (person-time, doses, reports), above 0. A binomial test, whose exposure is the
        number of events of both groups, takes here the share expected on the exposed, below 1.
    last_day
        Last day of the baseline, or the day on which an external rate was stated.
    source
        Where the rate comes from, in words.
    events, exposure
        The baseline's own counts, where it is one: at least 1 event, exposure above 0, `rate` their quotient.

    Examples
    --------
    >>> history = ProspectiveExpectation.from_history(events=40, exposure=20_000, last_day=date(2024, 12, 31))
    >>> history.expected(1_500)
    3.0
    >>> history.check_period(date(2024, 12, 30), date(2025, 1, 5))
    Traceback (most recent call last):
        ...
    cases.errors.ParameterError: the period from 2024-12-30 begins in or before the baseline, which ended on 2024-12-31
    """

    rate: float
    last_day: date
    source: str
    events: int | None = None
    exposure: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise ParameterError(f"rate must be finite and above 0, not {self.rate!r}")
        check_day("last_day", self.last_day)
        if not self.source.strip():
            raise ParameterError("source must say where the rate comes from, not be empty")
        if self.events is None and self.exposure is None:
            return
        if not (self.events is not None and 1 <= self.events < math.inf and self.events == int(self.events)):
            raise ParameterError(f"events must be a whole number of at least 1, not {self.events!r}")
        if not (self.exposure is not None and 0 < self.exposure < math.inf):
            raise ParameterError(f"exposure must be finite and above 0, not {self.exposure!r}")
        if not math.isclose(self.rate, self.events / self.exposure, rel_tol=1e-12):
            raise ParameterError(f"rate must be events / exposure, not {self.rate!r}")

    @classmethod
    def from_history(
        cls, *, events: int, exposure: float, last_day: date, source: str = "counts of the baseline"
    ) -> ProspectiveExpectation:
        """The rate of a baseline that ended on `last_day`."""
        is_usable = 0 < exposure < math.inf
        return cls(
            rate=events / exposure if is_usable and events >= 1 else 1.0,  # else the checks name what is wrong
            last_day=last_day, source=source, events=events, exposure=exposure,
        )  # fmt: skip

    @classmethod
    def from_rate(cls, rate: float, *, source: str, last_day: date) -> ProspectiveExpectation:
        """A rate that somebody else stated on `last_day`."""
        return cls(rate=rate, last_day=last_day, source=source)

    def expected(self, exposure: float) -> float:
        """Events expected in a later amount of exposure."""
        if not 0 <= exposure < math.inf:
            raise ParameterError(f"exposure must be finite and at least 0, not {exposure!r}")
        return self.rate * exposure

    def check_period(self, first_day: date, last_day: date) -> None:
        """Raise `ParameterError` for a period that is none, or that begins before the baseline is over."""
        check_day("first_day", first_day)
        check_day("last_day", last_day)
        if not first_day <= last_day:
            raise ParameterError(f"a period must not end ({last_day}) before it begins ({first_day})")
        if not first_day > self.last_day:
            raise ParameterError(
                f"the period from {first_day} begins in or before the baseline, which ended on {self.last_day}"
            )

    def snapshot(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            "rate": self.rate, "last_day": self.last_day.isoformat(), "source": self.source,
            "events": self.events, "exposure": self.exposure,
        }  # fmt: skip

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> ProspectiveExpectation:
        """The reverse of `snapshot`; raises `IntegrityError` for values that it cannot have given."""
        try:
            return cls(**{**snapshot, "last_day": date.fromisoformat(snapshot["last_day"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityError(f"not a snapshot of a ProspectiveExpectation: {error}") from error
