"""The rate watch: known false alarms, seasons that raise none, rises found, a bound that no million pairs passes."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from cases import IntegrityError, ParameterError
from detectors.online import (
    CusumTest,
    PageHinkleyTest,
    PoissonCusum,
    RateAlarm,
    RateTest,
    RateWatch,
    SeasonalRates,
    WindowTest,
)
from tests.detectors_models.streams import influenza

START = datetime(2018, 1, 1, tzinfo=UTC)  # a Monday
GOLDEN = [("product 1", 126), ("product 0", 127), ("product 3", 130)]  # the week of each; rates change in week 120
TESTS: list[Callable[[], RateTest]] = [CusumTest, PageHinkleyTest, WindowTest]


def watched(watch: RateWatch, rates: NDArray[np.float64], *, seed: int) -> RateWatch:
    """Poisson reports with a mean for each series and week, taken in day by day as they would be."""
    counts = np.random.default_rng(seed).poisson(rates)
    for week in range(rates.shape[1]):
        at = START + timedelta(weeks=week, days=2)
        for series in np.flatnonzero(counts[:, week]).tolist():
            for _ in range(int(counts[series, week])):
                watch.learn_one((f"product {series}", "Fever"), at)
    return watch


def weeks_of(alarms: tuple[RateAlarm, ...]) -> list[int]:
    return [(alarm.period_start - START.date()).days // 7 for alarm in alarms]


@pytest.mark.parametrize(("make", "least"), [(CusumTest, 0.8), (PageHinkleyTest, 0.2), (WindowTest, 0.8)])
def test_a_season_raises_no_alarms_but_without_one_autumns_do(make: Callable[[], RateTest], least: float) -> None:
    """Eleven to one between autumn and summer, five years, forty products with two reports a week on average."""
    rates = np.tile(2.0 * influenza(52 * 5), (40, 1))
    seasonal = watched(RateWatch(test=make()), rates, seed=1)
    naive = watched(RateWatch(test=make(), rates=SeasonalRates(bins=1)), rates, seed=1)
    autumns = 40 * 4  # those after the first year, in which nothing is judged
    assert naive.detections > least * autumns
    assert seasonal.detections < 0.06 * autumns
    assert seasonal.deviance is not None
    assert seasonal.baseline_deviance is not None
    assert seasonal.deviance < 0.6 * seasonal.baseline_deviance


@pytest.mark.parametrize(("make", "shortest"), [(CusumTest, 2000), (PageHinkleyTest, 1000), (WindowTest, 2000)])
def test_false_alarms_on_steady_series_are_as_rare_as_documented(make: Callable[[], RateTest], shortest: int) -> None:
    rates = np.repeat(np.array([0.05, 0.3, 1.0, 3.0]), 30)[:, None] * np.ones(52 * 7)
    watch = watched(RateWatch(test=make()), rates, seed=6)
    assert watch.judged > 20_000
    assert watch.detections <= stats.poisson.ppf(0.999, watch.judged / shortest)


def test_golden_alarms() -> None:
    rates = np.ones((4, 52 * 3)) * np.array([[1.0], [4.0], [4.0], [0.1]])
    rates[0, 120:] *= 4
    rates[1, 120:] *= 2
    rates[3, 120:] *= 10
    watch = watched(RateWatch(), rates, seed=7)
    found = [
        (alarm.key[0], week) for alarm, week in zip(watch.recent_alarms, weeks_of(watch.recent_alarms), strict=True)
    ]
    assert found == GOLDEN
    assert watch.detections == len(GOLDEN)


def test_a_watched_rise_is_not_learned_before_it_is_found() -> None:
    """The guard: what is expected stays where it was until the alarm, and moves to the new rate after it."""
    watch, expectations = RateWatch(), {}
    for week in range(110):
        for _ in range(3 if week < 80 else 9):
            watch.learn_one(("a", "b"), START + timedelta(weeks=week))
        expectations[week] = watch.expected_one(("a", "b"))
    (alarm,) = watch.recent_alarms
    assert weeks_of((alarm,)) == [82]
    assert alarm.count == 9
    assert alarm.expected == pytest.approx(3.0, abs=0.1)
    assert expectations[0] is None
    assert expectations[80] == pytest.approx(3.0, abs=0.1)
    assert expectations[109] == pytest.approx(9.0, abs=1.5)
    assert watch.changed() == ()
    assert watch.expected_one(("a", "c")) is None


def test_changed_lasts_as_long_as_the_new_rate_is_learned() -> None:
    watch, states = RateWatch(relearn_periods=8), []
    for week in range(100):
        for _ in range(2 if week < 80 else 20):
            watch.learn_one(("a", "b"), START + timedelta(weeks=week))
        states.append(watch.changed())
    assert [week for week, state in enumerate(states) if state] == list(range(81, 89))
    assert states[81] == (("a", "b"),)


def cusum_by_loop(counts: NDArray[np.float64], expected: NDArray[np.float64]) -> list[int]:
    """Weeks of the alarms of one series, by a plain loop and the thresholds of a dense grid of designs."""
    total, alarms = 0.0, []
    for week, (count, mean) in enumerate(zip(counts, expected, strict=True)):
        steps = np.floor(np.log2(mean / 0.01) * 8)
        designs = [
            PoissonCusum.design(mean=0.01 * 2 ** (s / 8), ratio=2.0, run_length=100.0) for s in (steps, steps + 1)
        ]
        threshold = max(float(design.threshold) for design in designs)
        total = max(0.0, total + (count - mean / np.log(2)) / threshold)
        if total >= 1:
            alarms.append(week)
            total = 0.0
    return alarms


def run(test: RateTest, counts: NDArray[np.float64], expected: NDArray[np.float64]) -> list[int]:
    alarms = []
    test.columns.resize(1)
    for week, (count, mean) in enumerate(zip(counts, expected, strict=True)):
        if test.update(np.array([count]), np.array([mean]), np.array([True]))[0]:
            alarms.append(week)
            test.columns.clear(np.array([0]))
    return alarms


def test_the_cusum_of_arrays_is_the_loop_over_one_series() -> None:
    expected = 2.0 * influenza(150)
    counts = np.random.default_rng(9).poisson(1.3 * expected).astype(float)
    found = run(CusumTest(ratio=2.0, run_length=100.0, min_reports=1), counts, expected)
    assert found == cusum_by_loop(counts, expected)
    assert len(found) > 1


def test_run_length_with_a_known_season_is_the_one_asked_for() -> None:
    """Rogerson and Yamada's thresholds: a season of eleven to one, a known expectation, 300 periods wished."""
    series, weeks = 400, 52 * 12
    expected = 1.5 * influenza(weeks)
    test, alarms = CusumTest(run_length=300.0, min_reports=1), 0
    test.columns.resize(series)
    rng, every = np.random.default_rng(4), np.ones(series, dtype=np.bool_)
    for week in range(weeks):
        fired = np.flatnonzero(
            test.update(rng.poisson(expected[week], series).astype(np.float64), np.full(series, expected[week]), every)
        )
        alarms += len(fired)
        test.columns.clear(fired)
    assert 300 <= series * weeks / alarms < 390


def test_fewer_reports_than_asked_for_never_alarm() -> None:
    expected = np.full(60, 0.01)
    counts = np.zeros(60)
    counts[[30, 31]] = 1
    assert run(CusumTest(run_length=2.0, min_reports=1), counts, expected) == [30, 31]
    assert run(CusumTest(run_length=2.0, min_reports=3), counts, expected) == []
    counts[32] = 1
    assert run(CusumTest(run_length=2.0, min_reports=3), counts, expected) == [32]


def test_page_hinkley_is_the_sum_less_its_least_value() -> None:
    rng = np.random.default_rng(3)
    expected = 4.0 * influenza(200)
    for factor in (1.0, 2.0, 0.4):
        counts = rng.poisson(expected * np.where(np.arange(200) < 100, 1.0, factor)).astype(float)
        moved = 2 * (np.sqrt(counts + 0.375) - np.sqrt(expected + 0.375))
        first = []
        for sign in (1, -1):
            path = np.concatenate([[0.0], np.cumsum(sign * moved - 0.5)])
            beyond = np.flatnonzero(path - np.minimum.accumulate(path) > 10.0)
            first += (beyond[:1] - 1).tolist()
        found = run(PageHinkleyTest(), counts, expected)
        assert found[:1] == sorted(first)[:1]
        assert (len(found) > 0) == (factor != 1.0)


def window_ratio(buckets: list[tuple[float, float]]) -> float:
    """Largest log likelihood ratio over the boundaries of buckets (reports, expected), by scipy's densities."""
    best, (n, e) = 0.0, np.array(buckets).sum(axis=0)
    for cut in range(1, len(buckets)):
        (n0, e0), (n1, e1) = np.array(buckets[:cut]).sum(axis=0), np.array(buckets[cut:]).sum(axis=0)
        apart = stats.poisson.logpmf(n0, n0) + stats.poisson.logpmf(n1, n1)
        best = max(best, apart - stats.poisson.logpmf(n0, e0 * n / e) - stats.poisson.logpmf(n1, e1 * n / e))
    return best


def test_the_window_is_an_exponential_histogram_with_every_cut_looked_at() -> None:
    rng = np.random.default_rng(12)
    expected = 0.7 * influenza(90)
    counts = rng.poisson(expected).astype(float)
    test, levels = WindowTest(threshold=1e9, max_doublings=4), [list[tuple[float, float]]() for _ in range(4)]
    test.columns.resize(1)
    for count, mean in zip(counts, expected, strict=True):
        test.update(np.array([count]), np.array([mean]), np.array([True]))
        new = (float(count), float(mean))
        for level in levels:  # newest last
            level.append(new)
            if len(level) <= 4:
                break
            (n0, e0), (n1, e1) = level.pop(0), level[0]
            if level is levels[-1]:
                break
            level.pop(0)
            new = (n0 + n1, e0 + e1)
        buckets = [bucket for level in reversed(levels) for bucket in level]
        assert float(test.ratios()[0]) == pytest.approx(window_ratio(buckets), abs=1e-9)


def test_two_hundred_thousand_distinct_pairs_stay_within_the_bound() -> None:
    """Of 2,000 series; without forgetting they would take forty times as much."""
    products = [f"product {number}" for number in range(400)]
    reactions = [f"reaction {number}" for number in range(500)]
    watch = RateWatch(max_keys=2_000)
    tracemalloc.start()
    try:
        for number, reaction in enumerate(reactions):
            at = START + timedelta(days=number // 3)
            for product in products:
                watch.learn_one((product, reaction), at)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    state = watch.snapshot()
    assert len(state["keys"]) == 2_000
    assert watch.forgotten >= 200_000 - 2 * 2_000
    assert held < peak < 3_000_000
    assert len(json.dumps(state)) < 400_000


def test_the_longest_unreported_series_goes_first() -> None:
    watch = RateWatch(max_keys=2)
    for week, names in enumerate((["a", "b"], ["a"], ["c"], ["a"])):
        for name in names:
            watch.learn_one((name,), START + timedelta(weeks=week))
    assert (watch.snapshot()["keys"], watch.forgotten) == ([["a"], ["c"]], 1)


def test_a_pause_of_ten_years_begins_everything_anew() -> None:
    watch = RateWatch()
    for week in [*range(60), 60 + 521]:
        watch.learn_one(("a",), START + timedelta(weeks=week))
    assert (watch.snapshot()["keys"], watch.forgotten, watch.changed()) == ([], 1, ())
    assert watch.snapshot()["test"]["state"]["rows"] == 0


def test_a_late_report_joins_the_open_period_and_one_without_time_zone_is_refused() -> None:
    watch = RateWatch()
    watch.learn_one(("a",), START + timedelta(weeks=3))
    watch.learn_one(("a",), START)
    before = watch.snapshot()
    assert before["open"] == [[["a"], 2]]
    with pytest.raises(ParameterError, match="time zone"):
        watch.learn_one(("a",), datetime(2018, 2, 5))  # noqa: DTZ001  # what the test is about
    assert watch.snapshot() == before


@pytest.mark.parametrize("make", TESTS)
def test_every_test_s_state_is_kept_exactly(make: Callable[[], RateTest]) -> None:
    rates = np.tile(influenza(130), (5, 1)) * np.array([[0.1], [1.0], [1.0], [3.0], [8.0]])
    rates[2, 100:] *= 5
    counts = np.random.default_rng(15).poisson(rates)
    whole, part = RateWatch(test=make(), min_periods=20), RateWatch(test=make(), min_periods=20)
    for week in range(130):
        if week in (3, 60, 105):
            part = RateWatch.restore(json.loads(json.dumps(part.snapshot(), allow_nan=False)))
        for watch in (whole, part):
            for series in range(5):
                for _ in range(counts[series, week]):
                    watch.learn_one((f"p{series}",), START + timedelta(weeks=week))
    assert whole.detections > 0
    assert part.recent_alarms == whole.recent_alarms
    assert part.snapshot() == whole.snapshot()


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (RateWatch, "period_days", 0),
        (RateWatch, "min_periods", 0),
        (RateWatch, "relearn_periods", 0),
        (RateWatch, "max_keys", 0),
        (CusumTest, "ratio", 1.0),
        (CusumTest, "run_length", float("nan")),
        (CusumTest, "min_reports", 0),
        (PageHinkleyTest, "tolerance", -1.0),
        (PageHinkleyTest, "threshold", float("nan")),
        (WindowTest, "threshold", 0.0),
        (WindowTest, "min_reports", 0),
        (WindowTest, "max_doublings", 17),
    ],
)
def test_parameters_outside_their_range(make: Callable[..., Any], name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{name} must"):
        make(**{name: value})


def test_a_foreign_snapshot_is_refused() -> None:
    watch = RateWatch()
    for week in range(3):
        watch.learn_one(("a",), START + timedelta(weeks=week))
    good = watch.snapshot()
    other_test = {**good["test"], "name": "page-hinkley", "settings": {}}
    for state in ({}, {"version": 2}, {"version": 1}, {**good, "keys": []}, {**good, "test": other_test}):
        with pytest.raises(IntegrityError):
            RateWatch.restore(state)
    with pytest.raises(IntegrityError, match="not cusum"):
        CusumTest().load({**good["test"], "name": "window"})


def test_an_alarm_is_data() -> None:
    assert RateAlarm(("a",), date(2026, 1, 5), 1.0, 4) == RateAlarm(("a",), date(2026, 1, 5), 1.0, 4)
