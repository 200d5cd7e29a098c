"""What all tests that run have in common: periods in, one answer each, state that outlives the process.

RunningTest
├── PoissonMaxSprt, BinomialMaxSprt, ConditionalMaxSprt   one boundary for the whole surveillance
├── SpendingTest                                          looks of any size, each with its own share of alpha
└── PoissonEProcess, BinomialEProcess                     valid whenever one looks, without a planned end
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Generic, Self, TypeVar

from cases import IntegrityError, ParameterError
from detectors.sequential._surveillance import Surveillance
from detectors.sequential.prospective_expectation import ProspectiveExpectation

__all__ = ["RunningTest"]

_SNAPSHOT_VERSION = 1
_Status = TypeVar("_Status")


class RunningTest(ABC, Generic[_Status]):
    """A test that is fed the periods of a surveillance, in order.

    Subclasses say what a period must be like (`_check` and `_check_plan`, which may raise and change nothing), and what
    the counts mean (`_look`, which does not raise). `signalled_on` is the last day of the period in which it first
    signalled, or None.
    """

    schema: ClassVar[str]

    def __init__(self, expectation: ProspectiveExpectation) -> None:
        if not isinstance(expectation, ProspectiveExpectation):
            raise ParameterError(f"expectation must be a ProspectiveExpectation, not {type(expectation).__name__}")
        self.expectation = expectation
        self.signalled_on: date | None = None
        self._counts = Surveillance(expectation=expectation)

    def update(self, day: date, *, observed: int, exposure: float, first_day: date | None = None) -> _Status:
        """Count one period, which ends on `day`, and say where the test stands.

        A period begins on the day after the one before it (the first: after the baseline) unless `first_day` says
        otherwise. Raises `ParameterError`, and changes nothing, for a period that begins in or before the baseline,
        days that do not rise, and counts that cannot be.
        """
        counts = self._counts.after(day, observed=observed, exposure=exposure, first_day=first_day)
        before = self._counts
        self._check(before, counts)
        self._check_plan(before, counts)
        self._counts = counts
        if self._look(before, counts) and self.signalled_on is None:
            self.signalled_on = day
        return self.status

    @property
    @abstractmethod
    def status(self) -> _Status:
        """Where the test stands."""

    def _check(self, before: Surveillance, counts: Surveillance) -> None:
        """Raise `ParameterError` if the test cannot take what was added to the counts, in one period or in several."""

    def _check_plan(self, before: Surveillance, counts: Surveillance) -> None:
        """Raise `ParameterError` if one period must not lead from the one to the other."""

    @abstractmethod
    def _look(self, before: Surveillance, counts: Surveillance) -> bool:
        """Whether the counts signal at this look."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """The arguments of the constructor besides `expectation`, as JSON values."""

    def _state(self) -> dict[str, Any]:
        """What the counts do not determine, as JSON values."""
        return {}

    def _restore_state(self, state: Mapping[str, Any]) -> None:
        """The reverse of `_state`; may raise what a wrong value makes it raise."""
        if state:
            raise ValueError("a state where none is kept")

    def snapshot(self) -> dict[str, Any]:
        """The whole test as plain, versioned JSON values."""
        return {
            "schema": self.schema, "version": _SNAPSHOT_VERSION, "settings": self._settings(),
            "expectation": self.expectation.snapshot(), "counts": self._counts.snapshot(),
            "signalled_on": None if self.signalled_on is None else self.signalled_on.isoformat(),
            "state": self._state(),
        }  # fmt: skip

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Self:
        """A test that goes on where the snapshot was taken; raises `IntegrityError` if it contradicts itself."""
        try:
            if snapshot["schema"] != cls.schema or snapshot["version"] != _SNAPSHOT_VERSION:
                raise IntegrityError(f"not a snapshot of {cls.__name__}: schema {cls.schema} version 1 expected")
            expectation = ProspectiveExpectation.restore(snapshot["expectation"])
            made = cls(expectation=expectation, **snapshot["settings"])
            counts = Surveillance.restore(expectation, snapshot["counts"])
            signalled_on = snapshot["signalled_on"]
            made.signalled_on = None if signalled_on is None else date.fromisoformat(signalled_on)
            made._check(made._counts, counts)
            made._counts = counts
            made._restore_state(snapshot["state"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise IntegrityError(f"not a snapshot of {cls.__name__}: {type(error).__name__}: {error}") from error
        day = made.signalled_on
        if day and not (counts.last_day and expectation.last_day < day <= counts.last_day):
            raise IntegrityError(f"not a snapshot of {cls.__name__}: it signalled on a day that was not counted")
        return made
