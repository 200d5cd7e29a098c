"""An alarm of data quality: which source, what of it, and from what to what it changed."""

from __future__ import annotations

from datetime import date

import msgspec

from detectors.online.quality_indicator import QualityIndicator

__all__ = ["QualityChange"]


class QualityChange(msgspec.Struct, frozen=True):
    """The period in which a source's data quality was found changed.

    Parameters
    ----------
    source, indicator
        Whose, and what.
    period_start
        First day of the period (UTC).
    before, now
        Mean of the periods before and value of this one: cases a period, a share, or the mean of log(1 + days).
    """

    source: str
    indicator: QualityIndicator
    period_start: date
    before: float
    now: float
