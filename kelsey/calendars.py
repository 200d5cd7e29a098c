"""Epoch calendars that just cover a span of days."""

from __future__ import annotations

from datetime import date

from privacy.calendar import EpochCalendar

__all__ = ["calendar_for"]


def calendar_for(unit: str, first: date, last: date) -> EpochCalendar:
    """The shortest calendar of `unit` (day, week, month) that holds both days; months start on the first."""
    if unit == "month":
        start = first.replace(day=1)
        return EpochCalendar("month", start, (last.year - start.year) * 12 + last.month - start.month + 1)
    days = (last - first).days
    return EpochCalendar("week", first, days // 7 + 1) if unit == "week" else EpochCalendar("day", first, days + 1)
