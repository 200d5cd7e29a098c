"""FHIR dates: partial ones are legal, impossible ones and those of the future are not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cases import DeadLetterReason, RecordError

__all__ = ["age_in_years", "earliest", "instant", "refuse_future"]

_DATE_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?)?", re.ASCII
)
_DOTTED_ZONE = re.compile(r"([+-]\d\d)\.(\d\d)$")  # written so by servers in the field
_TOLERANCE = timedelta(days=1)  # local clocks and zones run up to 14 hours ahead of UTC
_DAYS_A_YEAR = 365.25
_OLDEST_YEARS = 150


def earliest(value: str, path: str) -> datetime:
    """First moment a FHIR date or dateTime can mean (2026 is 1 January 2026), in UTC.

    A time without a zone, which FHIR forbids and servers send, is read as UTC. Raises `RecordError`
    (invalid-date) for anything that is no date.
    """
    match = _DATE_TIME.fullmatch(value)
    if match is None:
        raise RecordError(DeadLetterReason.INVALID_DATE, path)
    try:
        if len(value) > 10:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return datetime(int(match[1]), int(match[2] or 1), int(match[3] or 1), tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise RecordError(DeadLetterReason.INVALID_DATE, path) from error


def instant(value: str, path: str) -> datetime:
    """A FHIR instant in UTC; raises `RecordError` (invalid-date) where date, time or zone is missing or impossible."""
    try:
        moment = datetime.fromisoformat(_DOTTED_ZONE.sub(r"\1:\2", value) if value[-3:-2] == "." else value)
        if "T" in value and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RecordError(DeadLetterReason.INVALID_DATE, path) from error
    raise RecordError(DeadLetterReason.INVALID_DATE, path)


def refuse_future(moment: datetime, *, received_at: datetime, path: str) -> None:
    """Raise `RecordError` (future-date) for a moment more than a day after the record was received."""
    if moment - received_at > _TOLERANCE:
        raise RecordError(DeadLetterReason.FUTURE_DATE, path)


def age_in_years(birth: datetime, at: datetime) -> float | None:
    """Age in years to two digits; None where it lies outside [0, 150)."""
    years = (at - birth).total_seconds() / 86_400 / _DAYS_A_YEAR
    return round(years, 2) if 0 <= years < _OLDEST_YEARS - 0.01 else None
