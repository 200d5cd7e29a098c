"""Where a running MaxSPRT stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

__all__ = ["MaxSprtStatus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxSprtStatus:
    """Counts, statistic and what is left after the periods so far."""

    day: date | None
    """Last day counted; None before the first period."""
    observed: int
    """Events so far."""
    expected: float
    """Events expected so far under the null."""
    llr: float
    """Log likelihood ratio of the counts so far, 0 where they are not above what was expected."""
    critical_value: float
    """Ratio from which on the test signals."""
    signalled_on: date | None
    """Last day of the period that first signalled; None as long as none has."""
    remaining: float
    """What is left of the planned surveillance, at least 0, in the unit in which its length was given."""

    @property
    def is_signal(self) -> bool:
        """Whether the test has signalled, now or before."""
        return self.signalled_on is not None

    @property
    def has_ended(self) -> bool:
        """Whether the planned surveillance is over: later counts change nothing."""
        return self.remaining <= 0
