"""Result of a calculation of a sequential test's boundary."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CriticalValue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalValue:
    """Boundary of a maximised sequential probability ratio test, and the risk that it really takes.

    Examples
    --------
    >>> CriticalValue(critical_value=3.47, alpha=0.05, alpha_spent=0.0499).alpha_spent
    0.0499
    """

    critical_value: float
    """Log likelihood ratio from which on the test signals."""
    alpha: float
    """Risk of a false signal that was allowed, in (0, 1)."""
    alpha_spent: float
    """Exact risk of a false signal over the whole surveillance; never above `alpha`."""
