"""What the data quality of a source is measured by, and what one case says of each measure."""

from __future__ import annotations

import math
from datetime import date
from enum import StrEnum

from cases import Case, Sex

__all__ = ["QualityIndicator"]


class QualityIndicator(StrEnum):
    """A measure of a source's period: how many cases, shares of cases or terms, and the mean delay."""

    CASES = "cases"
    NO_AGE = "no-age"
    NO_SEX = "no-sex"
    NO_COUNTRY = "no-country"
    NO_SERIOUSNESS = "no-seriousness"
    NO_EVENT_DAY = "no-event-day"
    UNMAPPED_DRUGS = "unmapped-drugs"
    UNMAPPED_REACTIONS = "unmapped-reactions"
    DELAY = "delay"  # days from the event to the receipt, as log(1 + days)

    @property
    def is_share(self) -> bool:
        """Whether it is a share of cases or terms."""
        return self not in (QualityIndicator.CASES, QualityIndicator.DELAY)

    @staticmethod
    def of(case: Case) -> list[tuple[float, float]]:
        """What a case adds to each indicator, in their order: hits and trials; (0, 0) where it says nothing.

        A day of the event is one that is written in full and not after the receipt.
        """
        drugs, reactions = case.drugs, case.reactions
        days = _days(case)
        return [
            (1, 1),
            (case.age_years is None, 1),
            (case.sex is Sex.UNKNOWN, 1),
            (case.country is None, 1),
            (case.seriousness.is_serious is None, 1),
            (days is None, 1),
            (sum(use.drug.name is None for use in drugs), len(drugs)),
            (sum(item.reaction.name is None for item in reactions), len(reactions)),
            (0.0, 0) if days is None else (math.log1p(days), 1),
        ]


def _days(case: Case) -> int | None:
    """Days from the event to the receipt, None where no day is known or it lies after the receipt."""
    text = case.event_date
    if text is None or len(text) < 10:
        return None
    try:
        days = (case.received_at.date() - date.fromisoformat(text[:10])).days
    except ValueError:
        return None
    return days if days >= 0 else None
