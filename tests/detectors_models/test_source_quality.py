"""Data quality of sources: each fault is found as what it is, steady sources stay silent, anomalies are ranked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta

import msgspec
import numpy as np
import pytest
from scipy import stats

from cases import (
    Case,
    CaseVersion,
    DrugRole,
    DrugUse,
    IntegrityError,
    ParameterError,
    Provenance,
    Reaction,
    Seriousness,
    Sex,
    Term,
)
from detectors.online import QualityChange, QualityIndicator, SourceAnomaly, SourceQuality
from detectors.online._quality_series import QualitySeries
from tests.detectors_models.streams import START

SHARES = [indicator for indicator in QualityIndicator if indicator.is_share]


def source_cases(
    weeks: int, *, source: str = "ward", seed: int = 1, fault: QualityIndicator | None = None, since: int = 10**6
) -> Iterator[Case]:
    """About twenty cases a week, each field missing in a tenth of them; from week `since` one thing is wrong."""
    rng = np.random.default_rng(seed)
    for week in range(weeks):
        broken = fault if week >= since else None

        def misses(indicator: QualityIndicator, broken: QualityIndicator | None = broken) -> bool:
            return bool(rng.random() < (0.6 if broken is indicator else 0.1))

        for number in range(rng.poisson(60 if broken is QualityIndicator.CASES else 20)):
            at = START + timedelta(weeks=week, days=int(rng.integers(7)), hours=number % 24)
            delay = int(rng.exponential(60 if broken is QualityIndicator.DELAY else 12))
            drugs = [None if misses(QualityIndicator.UNMAPPED_DRUGS) else "a" for _ in range(2)]
            yield Case(
                source=source,
                case_id=f"{week}-{number}",
                version=CaseVersion(at),
                patient="p",
                received_at=at,
                drugs=tuple(DrugUse(Term(name, Provenance.CODED), DrugRole.SUSPECT) for name in drugs),
                reactions=(
                    Reaction(Term(None if misses(QualityIndicator.UNMAPPED_REACTIONS) else "x", Provenance.TEXT)),
                ),
                seriousness=Seriousness(None if misses(QualityIndicator.NO_SERIOUSNESS) else False),
                sex=Sex.UNKNOWN if misses(QualityIndicator.NO_SEX) else Sex.FEMALE,
                age_years=None if misses(QualityIndicator.NO_AGE) else 40.0,
                country=None if misses(QualityIndicator.NO_COUNTRY) else "NL",
                event_date=None
                if misses(QualityIndicator.NO_EVENT_DAY)
                else (at.date() - timedelta(days=delay)).isoformat(),
            )


def learned(*streams: Iterator[Case], **settings: float) -> SourceQuality:
    quality = SourceQuality(**settings)  # type: ignore[arg-type]  # whichever settings the test is about
    cases = sorted((case for stream in streams for case in stream), key=lambda case: case.received_at)
    for case in cases:
        quality.learn_one(case)
    return quality


@pytest.mark.parametrize("fault", list(QualityIndicator))
def test_each_fault_is_found_within_weeks_and_nothing_else(fault: QualityIndicator) -> None:
    quality = learned(source_cases(70, fault=fault, since=60))
    assert [change.indicator for change in quality.recent_changes] == [fault]
    (change,) = quality.recent_changes
    weeks = (change.period_start - START.date()).days // 7
    assert 60 <= weeks <= 63
    assert change.now > change.before
    if fault.is_share:
        assert change.before == pytest.approx(0.1, abs=0.05)  # a week of the fault may be in it
        assert change.now == pytest.approx(0.6, abs=0.2)


def test_steady_sources_raise_few_false_alarms() -> None:
    quality = learned(*(source_cases(160, source=f"s{i}", seed=i) for i in range(4)))
    indicator_years = 4 * 9 * 152 / 52
    assert quality.detections <= stats.poisson.ppf(0.999, 0.06 * indicator_years)  # the documented rate
    assert quality.error == pytest.approx(1.0, abs=0.1)


def test_a_source_that_always_varied_more_than_chance_is_judged_by_its_own_measure() -> None:
    def swinging(spread: float) -> Iterator[Case]:
        rng = random.Random(4)
        for week in range(150):
            share = min(max(rng.gauss(0.3, spread), 0.0), 1.0)
            for number in range(100):
                at = START + timedelta(weeks=week, hours=number)
                age = None if rng.random() < share else 40.0
                yield Case(
                    source="s",
                    case_id=f"{week}-{number}",
                    version=CaseVersion(at),
                    patient="p",
                    received_at=at,
                    age_years=age,
                )

    quality = learned(swinging(0.15))
    assert quality.error is not None
    assert quality.error > 1.6  # mean over seven indicators that are steady or all alike, and this one
    assert quality.detections <= 3


def test_prequential_error_beats_the_mean_so_far_where_the_share_drifts() -> None:
    def drifting() -> Iterator[Case]:
        rng = random.Random(5)
        for week in range(200):
            for number in range(40):
                at = START + timedelta(weeks=week, hours=number)
                age = None if rng.random() < 0.05 + 0.004 * week else 40.0
                yield Case(
                    source="s",
                    case_id=f"{week}-{number}",
                    version=CaseVersion(at),
                    patient="p",
                    received_at=at,
                    age_years=age,
                )

    quality = learned(drifting(), threshold=1e6)
    assert quality.error is not None
    assert quality.baseline_error is not None
    assert quality.error < 0.7 * quality.baseline_error


def test_shares_are_compared_as_two_proportions() -> None:
    series = QualitySeries(QualityIndicator.NO_AGE)
    series.hits, series.trials = 40.0, 400.0
    share = (40 + 9 + 1) / (400 + 30 + 2)
    expected = (9 / 30 - 0.1) / (share * (1 - share) * (1 / 30 + 1 / 400)) ** 0.5
    assert series._error(9.0, 30.0, 40.0, 400.0) == pytest.approx(expected, rel=1e-12)
    for always in (0.0, 1.0):
        assert series._error(30 * always, 30.0, 400 * always, 400.0) == 0.0


def test_nothing_is_said_where_nothing_is_known() -> None:
    quality = SourceQuality(min_periods=2)
    assert (quality.anomalies(), quality.error, quality.baseline_error) == ((), None, None)
    bare = next(iter(source_cases(1)))
    for week in range(30):
        at = START + timedelta(weeks=week)
        quality.learn_one(msgspec.structs.replace(bare, received_at=at, drugs=(), reactions=(), event_date=None))
    kinds = {indicator for _, source in quality._sources.items() for indicator in source.deviations}
    assert kinds == set(QualityIndicator) - {
        QualityIndicator.UNMAPPED_DRUGS,
        QualityIndicator.UNMAPPED_REACTIONS,
        QualityIndicator.DELAY,
    }


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("2026-01-04", 0.6931471805599453),
        ("2026-01-05T10:00:00Z", 0.0),
        ("2026-01", None),
        ("2026-01-06", None),
        ("x" * 10, None),
    ],
)
def test_delays_are_known_for_whole_days_before_the_receipt(text: str, hits: float | None) -> None:
    case = msgspec.structs.replace(next(iter(source_cases(1))), received_at=START, event_date=text)
    found = dict(zip(QualityIndicator, QualityIndicator.of(case), strict=True))
    assert found[QualityIndicator.NO_EVENT_DAY] == (hits is None, 1)
    assert found[QualityIndicator.DELAY] == ((0.0, 0) if hits is None else (hits, 1))


def test_the_broken_source_has_the_highest_anomaly_score_and_a_holiday_has_none_among_others() -> None:
    streams = [source_cases(40, source=f"s{i}", seed=i) for i in range(5)]
    broken = source_cases(41, source="s5", seed=5, fault=QualityIndicator.NO_SEX, since=39)
    quality = learned(*streams, broken)
    first, second, *_ = quality.anomalies()
    assert (first.source, first.indicator) == ("s5", QualityIndicator.NO_SEX)
    assert first.period_start == START.date() + timedelta(weeks=39)
    assert first.score > 4 > second.score
    assert first.score_among_others is not None
    assert first.score_among_others > 3

    everywhere = learned(
        *(source_cases(41, source=f"s{i}", seed=i, fault=QualityIndicator.CASES, since=39) for i in range(6))
    ).anomalies()
    assert min(anomaly.score for anomaly in everywhere) > 3
    assert max(anomaly.score_among_others or 0.0 for anomaly in everywhere) < 3


def test_anomaly_scores_are_chances() -> None:
    day, age, sex = date(2026, 1, 5), QualityIndicator.NO_AGE, QualityIndicator.NO_SEX
    (alone,) = SourceAnomaly.rank(day, {"a": {age: -3.0, sex: 0.5}, "b": {}})
    assert alone.score == pytest.approx(-np.log10(2 * 2 * stats.norm.sf(3.0)), rel=1e-12)
    assert (alone.score_among_others, alone.indicator, alone.deviation) == (None, age, -3.0)
    ranked = SourceAnomaly.rank(day, {"a": {age: 40.0}, "b": {age: 0.1}, "c": {age: 39.0}})
    assert [anomaly.source for anomaly in ranked] == ["a", "c", "b"]
    assert ranked[0].score > 300  # beyond what the chance itself can be written as
    assert ranked[2].score < 0.1
    beside = (40.0 - (0.1 + 39.0) / 2) / np.sqrt(1 + np.pi / 4)
    assert ranked[0].score_among_others == pytest.approx(-np.log10(2) - stats.norm.logsf(beside) / np.log(10), rel=1e-9)


def test_sources_are_bounded_and_the_longest_silent_goes_first() -> None:
    quality = SourceQuality(max_sources=2)
    case = next(iter(source_cases(1)))
    for source in ("a", "b", "a", "c"):
        quality.learn_one(msgspec.structs.replace(case, source=source))
    assert (quality.forgotten, [row[0] for row in quality.snapshot()["sources"]]) == (1, ["a", "c"])


def test_a_source_silent_for_ten_years_begins_anew() -> None:
    quality = learned(source_cases(30))
    case = next(iter(source_cases(1)))
    quality.learn_one(msgspec.structs.replace(case, received_at=START + timedelta(weeks=30 + 521)))
    fresh = SourceQuality()
    fresh.learn_one(msgspec.structs.replace(case, received_at=START + timedelta(weeks=30 + 521)))
    assert quality.snapshot()["sources"] == fresh.snapshot()["sources"]
    assert quality.anomalies() == ()


def test_nullified_cases_change_nothing() -> None:
    quality = learned(source_cases(3))
    before = quality.snapshot()
    for case in source_cases(3):
        quality.learn_one(msgspec.structs.replace(case, is_nullified=True))
    assert quality.snapshot() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("period_days", 0),
        ("half_life_periods", 0.0),
        ("min_periods", 1),
        ("tolerance", float("nan")),
        ("threshold", float("inf")),
        ("max_sources", 0),
    ],
)
def test_parameters_outside_their_range(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{name} must"):
        SourceQuality(**{name: value})  # type: ignore[arg-type]  # whichever setting the test is about


def test_a_foreign_snapshot_is_refused() -> None:
    good = learned(source_cases(2)).snapshot()
    short = [[*row[:3], row[3][:-1]] for row in good["sources"]]
    for state in ({}, {"version": 2}, {"version": 1}, {**good, "sources": short}, {**good, "changes": [["a", "b"]]}):
        with pytest.raises(IntegrityError):
            SourceQuality.restore(state)


def test_a_change_is_data() -> None:
    change = QualityChange("a", QualityIndicator.DELAY, date(2026, 1, 5), 1.0, 2.0)
    assert change == QualityChange("a", QualityIndicator.DELAY, date(2026, 1, 5), 1.0, 2.0)
