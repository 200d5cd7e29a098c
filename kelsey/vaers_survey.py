"""What VAERS files hold, before they are replayed: the days they span and the names they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cases import ConfigurationError
from connectors.vaers_archive import years_in

__all__ = ["VaersSurvey", "survey"]


@dataclass(frozen=True, slots=True)
class VaersSurvey:
    """Product names and terms in use, and the days spanned."""

    drugs: frozenset[str]
    reactions: frozenset[str]
    first_day: date
    last_day: date


def survey(paths: Sequence[Path]) -> VaersSurvey:
    """Look through the tables of `paths` once.

    Raises `ConfigurationError` where one is no VAERS archive, or none holds a report with a date.
    """
    years = [year for path in paths for year in years_in(path)]
    dated = [year for year in years if year.first_day != date.min]
    if not dated:
        raise ConfigurationError("the files hold no report", hint="give VAERS year files such as 1990VAERSData.zip")
    names = [year.names() for year in years]
    return VaersSurvey(
        frozenset().union(*(drugs for drugs, _ in names)),
        frozenset().union(*(reactions for _, reactions in names)),
        min(year.first_day for year in dated),
        max(year.last_day for year in dated),
    )
