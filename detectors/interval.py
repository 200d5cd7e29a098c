"""A measure of one pair with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from cases import ParameterError

__all__ = ["Interval", "check_level"]


def check_level(level: float) -> float:
    """`level` itself if it lies in (0, 1); raises `ParameterError` otherwise."""
    if not 0 < level < 1:
        raise ParameterError(f"level must lie in (0, 1), not {level!r}")
    return level


@dataclass(frozen=True, slots=True)
class Interval:
    """A point estimate with its lower and upper limit.

    Parameters
    ----------
    point, lower, upper
        The estimate and its limits, ``lower <= point <= upper``; NaN, all three, where the counts do not define it.
    level
        Coverage, in (0, 1).
    """

    point: float
    lower: float
    upper: float
    level: float

    def round(self, digits: int) -> Interval:
        """The same, rounded to `digits` decimals: for display only, never before a comparison."""
        return Interval(round(self.point, digits), round(self.lower, digits), round(self.upper, digits), self.level)
