"""An alarm of a rate: which series, when, and what came instead of what was expected."""

from __future__ import annotations

from datetime import date

import msgspec

__all__ = ["RateAlarm"]


class RateAlarm(msgspec.Struct, frozen=True):
    """The period in which the rate of a series was found changed.

    Parameters
    ----------
    key
        Names of the series: a product, or a product and a reaction.
    period_start
        First day of the period (UTC).
    expected, count
        Reports that were expected in it, from the periods before, and that came.
    """

    key: tuple[str, ...]
    period_start: date
    expected: float
    count: int
