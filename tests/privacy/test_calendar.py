from datetime import UTC, date, datetime, timedelta, timezone
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.errors import ParameterError
from privacy.calendar import EpochCalendar

UNITS: list[Literal["day", "week", "month"]] = ["day", "week", "month"]


@pytest.mark.parametrize("unit", UNITS)
def test_epochs_cover_every_day_once_and_in_order(unit: Literal["day", "week", "month"]) -> None:
    calendar = EpochCalendar(unit, date(2023, 12, 1), 30)
    day, seen = calendar.start, []
    while day <= calendar.last_day(29):
        index = calendar.index(day)
        seen.append(index)
        assert calendar.first_day(index) <= day <= calendar.last_day(index)
        day += timedelta(days=1)
    assert seen == sorted(seen)
    assert set(seen) == set(range(30))


def test_weeks_run_from_the_start_whatever_weekday() -> None:
    calendar = EpochCalendar("week", date(2026, 1, 7), 10)  # a Wednesday
    assert calendar.index(date(2026, 1, 13)) == 0
    assert calendar.index(date(2026, 1, 14)) == 1
    assert calendar.last_day(0) == date(2026, 1, 13)


def test_months_know_leap_years_and_year_ends() -> None:
    calendar = EpochCalendar("month", date(2023, 11, 1), 6)
    assert [calendar.last_day(index) for index in range(6)] == [
        date(2023, 11, 30),
        date(2023, 12, 31),
        date(2024, 1, 31),
        date(2024, 2, 29),
        date(2024, 3, 31),
        date(2024, 4, 30),
    ]
    assert calendar.closes_at(1) == datetime(2024, 1, 1, tzinfo=UTC)


def test_an_instant_counts_by_its_day_in_utc() -> None:
    calendar = EpochCalendar("day", date(2026, 1, 1), 5)
    east = timezone(timedelta(hours=10))
    assert calendar.index(datetime(2026, 1, 3, 9, 59, tzinfo=east)) == 1
    assert calendar.index(datetime(2026, 1, 3, 10, 0, tzinfo=east)) == 2
    with pytest.raises(ParameterError, match="time zone"):
        calendar.index(datetime(2026, 1, 3))  # noqa: DTZ001 - the missing zone is what is tested


@pytest.mark.parametrize("unit", UNITS)
def test_outside_is_an_error(unit: Literal["day", "week", "month"]) -> None:
    calendar = EpochCalendar(unit, date(2026, 1, 1), 3)
    for day in (calendar.start - timedelta(days=1), calendar.last_day(2) + timedelta(days=1)):
        with pytest.raises(ParameterError, match="outside the calendar"):
            calendar.index(day)
    for index in (-1, 3):
        with pytest.raises(ParameterError, match="must lie in"):
            calendar.last_day(index)


@given(st.sampled_from(UNITS), st.integers(0, 999))
def test_an_epoch_closes_where_the_next_begins(unit: Literal["day", "week", "month"], index: int) -> None:
    calendar = EpochCalendar(unit, date(2020, 2, 1), 1001)
    assert calendar.closes_at(index).date() == calendar.first_day(index + 1)
    assert calendar.index(calendar.closes_at(index)) == index + 1
    assert calendar.index(calendar.closes_at(index) - timedelta(microseconds=1)) == index


@pytest.mark.parametrize(
    ("unit", "start", "count", "message"),
    [
        ("year", date(2026, 1, 1), 3, "unit"),
        ("day", date(2026, 1, 1), 0, "count"),
        ("day", date(2026, 1, 1), 10_001, "count"),
        ("month", date(2026, 1, 2), 3, "first of a month"),
        ("month", date(9999, 6, 1), 12, "9999"),
    ],
)
def test_wrong_calendars_are_refused(
    unit: Literal["day", "week", "month"], start: date, count: int, message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        EpochCalendar(unit, start, count)
