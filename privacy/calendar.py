"""When a site releases: the public calendar of epochs, agreed once for a whole era.

An operation belongs to the epoch in which the site transmits it, by arrival (rule R4 of `docs/privacy.md`), never to
the date of the event. The calendar is public and fixed in advance, so that *when* something is released says nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Literal

import msgspec

from cases.errors import ParameterError

__all__ = ["EpochCalendar"]

_MAXIMUM_COUNT = 10_000


class EpochCalendar(msgspec.Struct, frozen=True):
    """Epochs of equal unit, numbered from 0, without gaps, in UTC.

    Parameters
    ----------
    unit
        Length of an epoch. A week is seven days from `start`, whatever weekday that is.
    start
        First day of epoch 0; for months the first of a month.
    count
        Number of epochs of the era, in [1, 10000]. More epochs cost little noise (a factor of about
        ``1.6 + ln(count) / 4.6`` on running totals), but the budget is paid for all of them at once.

    Examples
    --------
    >>> calendar = EpochCalendar("month", date(1990, 1, 1), 96)
    >>> calendar.index(date(1991, 3, 31)), calendar.last_day(14)
    (14, datetime.date(1991, 3, 31))
    >>> calendar.closes_at(14)
    datetime.datetime(1991, 4, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """

    unit: Literal["day", "week", "month"]
    start: date
    count: int

    def __post_init__(self) -> None:
        if self.unit not in ("day", "week", "month"):
            raise ParameterError(f"unit must be day, week or month, not {self.unit!r}")
        if not 1 <= self.count <= _MAXIMUM_COUNT:
            raise ParameterError(f"count must lie in [1, {_MAXIMUM_COUNT}], not {self.count!r}")
        if self.unit == "month" and self.start.day != 1:
            raise ParameterError(f"start of a monthly calendar must be the first of a month, not {self.start}")
        try:
            self._first_day(self.count)
        except (OverflowError, ValueError) as error:
            raise ParameterError(f"{self.count} {self.unit}s from {self.start} pass the year 9999") from error

    def index(self, at: datetime | date) -> int:
        """Epoch that holds a day or an instant (timezone-aware). Raises `ParameterError` outside the calendar."""
        day = self._day(at)
        if self.unit == "month":
            index = (day.year - self.start.year) * 12 + day.month - self.start.month
        else:
            index = (day - self.start).days // (1 if self.unit == "day" else 7)
        if not 0 <= index < self.count:
            last = self.last_day(self.count - 1)
            raise ParameterError(f"{day} lies outside the calendar, which runs from {self.start} to {last}")
        return index

    def first_day(self, index: int) -> date:
        """First day of an epoch. Raises `ParameterError` outside the calendar."""
        return self._first_day(self._checked(index))

    def last_day(self, index: int) -> date:
        """Last day of an epoch, the date its release carries. Raises `ParameterError` outside the calendar."""
        return self._first_day(self._checked(index) + 1) - timedelta(days=1)

    def closes_at(self, index: int) -> datetime:
        """First instant after the epoch: midnight UTC after its last day."""
        after = self._first_day(self._checked(index) + 1)
        return datetime(after.year, after.month, after.day, tzinfo=UTC)

    def _checked(self, index: int) -> int:
        if not 0 <= index < self.count:
            raise ParameterError(f"epoch must lie in [0, {self.count - 1}], not {index!r}")
        return index

    def _first_day(self, index: int) -> date:
        if self.unit == "month":
            months = self.start.year * 12 + self.start.month - 1 + index
            return date(months // 12, months % 12 + 1, 1)
        return self.start + timedelta(days=index * (1 if self.unit == "day" else 7))

    @staticmethod
    def _day(at: datetime | date) -> date:
        if not isinstance(at, datetime):
            return at
        if at.tzinfo is None:
            raise ParameterError("an instant must carry a time zone")
        return at.astimezone(UTC).date()
