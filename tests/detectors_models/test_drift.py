"""Alarms of the reporting-rate detector: golden streams, silent products, days without reports, bounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from river.drift import PageHinkley

from cases import IntegrityError, ParameterError
from detectors import RateChange, ReportingRateDrift

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
GOLDEN = [("doubled", 54), ("halved", 55)]  # the week of each alarm; the rates change in week 52


def poisson_stream(rates: dict[str, list[float]], seed: int) -> Iterator[tuple[str, datetime]]:
    """Reports in order of time, by product a rate for every week."""
    rng = np.random.default_rng(seed)
    for week in range(max(map(len, rates.values()))):
        for day in range(7):
            for product, weekly in rates.items():
                for _ in range(rng.poisson(weekly[week] / 7)):
                    yield product, START + timedelta(weeks=week, days=day, hours=12)


def learned(stream: Iterator[tuple[str, datetime]], **settings: float) -> ReportingRateDrift:
    drift = ReportingRateDrift(**settings)  # type: ignore[arg-type]  # whichever settings the test is about
    for product, at in stream:
        drift.learn_one(product, at)
    return drift


def test_golden_alarms() -> None:
    rates = {"steady": [5.0] * 104, "doubled": [5.0] * 52 + [12.0] * 52, "halved": [12.0] * 52 + [5.0] * 52}
    drift = learned(poisson_stream(rates, seed=7))
    drift.drifting()
    alarms = [(change.product, (change.period_start - START.date()).days // 7) for change in drift.recent_changes]
    assert alarms == GOLDEN
    assert drift.detections == len(GOLDEN)


def test_few_false_alarms_on_steady_products() -> None:
    drift = learned(poisson_stream({f"p{i}": [0.2 * i + 0.1] * 104 for i in range(40)}, seed=1))
    drift.drifting()
    assert drift.detections <= 0.06 * 40 * 2  # the rate of false alarms the documentation states


def test_a_product_that_falls_silent_is_seen_by_the_reports_of_others() -> None:
    rates = {"stopped": [8.0] * 20 + [0.0] * 10, "other": [8.0] * 30}
    drift = learned(poisson_stream(rates, seed=3))
    assert drift.drifting() == ("stopped",)
    (change,) = drift.recent_changes
    assert change.rate_now == 0
    assert 6 < change.rate_before < 9


def test_weeks_in_which_nothing_at_all_arrived_count_as_zero() -> None:
    drift = ReportingRateDrift()
    for week in [*range(20), 29]:
        for _ in range(8):
            drift.learn_one("a", START + timedelta(weeks=week))
    assert [change.rate_now for change in drift.recent_changes] == [0]
    assert (
        START.date() + timedelta(weeks=20) <= drift.recent_changes[0].period_start < START.date() + timedelta(weeks=24)
    )


def test_drifting_ends_when_the_new_rate_is_known() -> None:
    drift = ReportingRateDrift(min_periods=4)
    states = []
    for week in range(30):
        for _ in range(2 if week < 15 else 20):
            drift.learn_one("a", START + timedelta(weeks=week))
        states.append(bool(drift.drifting()))
    assert states.index(True) in (16, 17)
    assert states[states.index(True) :].count(True) == 4
    assert not states[-1]


def test_weekends_do_not_look_like_drift() -> None:
    drift = ReportingRateDrift()
    for day in range(7 * 52):
        if day % 7 < 5:
            for _ in range(4):
                drift.learn_one("a", START + timedelta(days=day))
    assert (drift.drifting(), drift.detections) == ((), 0)


def test_asking_changes_nothing_that_comes_after() -> None:
    rates = {"a": [3.0] * 30 + [9.0] * 20, "b": [1.0] * 50}
    asked, unasked = ReportingRateDrift(), ReportingRateDrift()
    for product, at in poisson_stream(rates, seed=5):
        asked.learn_one(product, at)
        asked.drifting()
        unasked.learn_one(product, at)
    assert asked.drifting() == unasked.drifting()
    assert set(asked.recent_changes) == set(unasked.recent_changes)


def test_a_late_report_joins_the_open_period() -> None:
    late, punctual = ReportingRateDrift(), ReportingRateDrift()
    for week in range(12):
        late.learn_one("a", START + timedelta(weeks=week))
        punctual.learn_one("a", START + timedelta(weeks=week))
    late.learn_one("a", START)
    punctual.learn_one("a", START + timedelta(weeks=11))
    assert late.snapshot() == punctual.snapshot()


def test_time_zones_are_the_same_instant() -> None:
    east = timezone(timedelta(hours=9))
    here, there = ReportingRateDrift(), ReportingRateDrift()
    here.learn_one("a", START)
    there.learn_one("a", START.astimezone(east))
    assert here.snapshot() == there.snapshot()


def test_memory_is_bounded_and_the_longest_unreported_product_goes_first() -> None:
    drift = ReportingRateDrift(max_products=2)
    for product in ("a", "b", "a", "c"):
        drift.learn_one(product, START)
    assert (drift.forgotten, [row[0] for row in drift.snapshot()["products"]]) == (1, ["a", "c"])


def test_a_report_without_time_zone_is_refused_and_changes_nothing() -> None:
    drift = ReportingRateDrift()
    before = drift.snapshot()
    with pytest.raises(ParameterError, match="time zone"):
        drift.learn_one("a", datetime(2026, 1, 5))  # noqa: DTZ001  # what the test is about
    assert drift.snapshot() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("period_days", 0),
        ("min_periods", 1),
        ("tolerance", -0.1),
        ("tolerance", float("nan")),
        ("threshold", 0.0),
        ("threshold", float("inf")),
        ("max_products", 0),
    ],
)
def test_parameters_outside_their_range(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{name} must"):
        learned(iter(()), **{name: value})


def test_the_fields_of_river_that_snapshots_hold_are_all_it_has() -> None:
    """Fails when River adds state to its Page-Hinkley test, which a snapshot would then silently lose."""
    detector = PageHinkley()
    settings = {"min_instances", "delta", "threshold", "alpha", "mode", "_test_drift"}
    kept = {"_x_mean", "_sum_increase", "_sum_decrease", "_min_increase", "_max_decrease", "_drift_detected"}
    assert set(vars(detector)) == settings | kept
    assert set(vars(detector._x_mean)) == {"n", "_mean"}


@pytest.mark.parametrize("state", [{}, {"version": 2}, {"version": 1}, {"version": 1, "settings": [1, 2, 3, 4, 5]}])
def test_a_foreign_snapshot_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        ReportingRateDrift.restore(state)


def test_a_change_is_data() -> None:
    assert RateChange("a", date(2026, 1, 5), 1.0, 4) == RateChange("a", date(2026, 1, 5), 1.0, 4)
