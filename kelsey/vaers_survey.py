"""What VAERS files hold, before they are replayed: the days they span and the names they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cases import ConfigurationError, RecordError
from connectors.readers import Ignored, read
from connectors.vaers import VaersSource

__all__ = ["VaersSurvey", "survey"]


@dataclass(frozen=True, slots=True)
class VaersSurvey:
    """Names in use and the days spanned; `report_count` counts the records read."""

    drugs: frozenset[str]
    reactions: frozenset[str]
    first_day: date
    last_day: date
    report_count: int


def survey(paths: Sequence[Path]) -> VaersSurvey:
    """Read all reports of `paths` once.

    Raises `ConfigurationError` where they hold none.
    """
    drugs: set[str] = set()
    reactions: set[str] = set()
    first: date | None = None
    last: date | None = None
    count = 0
    for batch in VaersSource(paths, name="vaers").batches(None):
        for record in batch.records:
            count += 1
            day = record.received_at.date()
            first = day if first is None or day < first else first
            last = day if last is None or day > last else last
            try:
                draft = read(record)
            except (RecordError, Ignored):
                continue  # the replay itself counts and keeps it
            drugs.update(drug.text for drug in draft.drugs)
            reactions.update(reaction.text for reaction in draft.reactions)
    if first is None or last is None:
        raise ConfigurationError("the files hold no report", hint="give VAERS year files such as 1990VAERSData.zip")
    return VaersSurvey(frozenset(drugs - {""}), frozenset(reactions - {""}), first, last, count)
