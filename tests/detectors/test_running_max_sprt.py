"""Running MaxSPRT: the statistic of the batch, the boundary of the design, and periods that it does not take."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import IntegrityError, ParameterError
from detectors.sequential import (
    BinomialMaxSprt,
    ConditionalMaxSprt,
    PoissonMaxSprt,
    ProspectiveExpectation,
    RunningTest,
    conditional_log_likelihood_ratio,
)

END = date(2024, 12, 31)
HISTORY = ProspectiveExpectation.from_history(events=40, exposure=20_000, last_day=END)
SHARE = ProspectiveExpectation.from_rate(0.25, source="three controls each", last_day=END)


def day(number: int) -> date:
    return END + timedelta(days=number)


def fresh_tests() -> list[RunningTest[Any]]:
    return [
        PoissonMaxSprt(expectation=HISTORY, alpha=0.05, length=20, minimum_events=2, delay=1.0),
        BinomialMaxSprt(expectation=SHARE, alpha=0.05, length=60, minimum_events=2),
        ConditionalMaxSprt(expectation=HISTORY, alpha=0.05, cases=30),
        ConditionalMaxSprt(expectation=HISTORY, alpha=0.05, length_ratio=0.5, delay_ratio=0.01),
    ]


periods = st.lists(st.tuples(st.integers(0, 5), st.integers(5, 12)), min_size=1, max_size=8)


@settings(max_examples=20, deadline=None)
@given(periods)
def test_the_statistic_is_that_of_the_sums(counts: list[tuple[int, int]]) -> None:
    observed, exposure = np.cumsum(counts, axis=0)[-1].tolist()
    poisson, binomial, conditional, _ = fresh_tests()
    for number, (count, size) in enumerate(counts, start=1):
        seen = [
            poisson.update(day(number), observed=count, exposure=size * 100),
            binomial.update(day(number), observed=count, exposure=size),
            conditional.update(day(number), observed=count, exposure=size * 100),
        ]
    expected = exposure * 100 * 40 / 20_000
    excess = expected - observed + observed * math.log(observed / expected) if observed > expected else 0.0
    assert seen[0].llr == pytest.approx(excess, abs=1e-9)
    share = observed / exposure
    gain = 0.0
    if share > 0.25:
        gain = observed * math.log(share / 0.25) + (exposure - observed) * math.log(max(1 - share, 1e-300) / 0.75)
    assert seen[1].llr == pytest.approx(gain, abs=1e-9)
    assert seen[2].llr == pytest.approx(
        float(conditional_log_likelihood_ratio(observed, exposure * 100, events=40, history_exposure=20_000)), abs=1e-9
    )
    assert [status.observed for status in seen] == [observed] * 3
    assert [status.remaining for status in seen] == pytest.approx(
        [max(20 - expected, 0), max(60 - exposure, 0), max(30 - observed, 0)], abs=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(periods, st.integers(0, 8))
def test_a_restored_test_goes_on_as_if_it_had_never_stopped(counts: list[tuple[int, int]], at: int) -> None:
    for test in fresh_tests():
        restored: RunningTest[Any] = test
        for number, (count, size) in enumerate(counts, start=1):
            if number == at:
                restored = type(test).restore(json.loads(json.dumps(test.snapshot())))
            expected = test.update(day(number), observed=count, exposure=size)
            found = expected if restored is test else restored.update(day(number), observed=count, exposure=size)
            assert found == expected
        assert restored.snapshot() == test.snapshot()


def test_it_signals_once_and_remembers_when() -> None:
    test = PoissonMaxSprt(expectation=HISTORY, alpha=0.05, length=20)
    days = [test.update(day(n), observed=count, exposure=900).signalled_on for n, count in enumerate([2, 8, 0, 0], 1)]
    assert days == [None, day(2), day(2), day(2)]
    assert test.status.llr < test.status.critical_value  # it fell again, the signal stays
    assert test.status.is_signal


def test_too_few_events_and_too_early_looks_do_not_signal() -> None:
    eager = PoissonMaxSprt(expectation=HISTORY, alpha=0.05, length=20)
    assert eager.update(day(1), observed=3, exposure=10).is_signal
    for design in ({"minimum_events": 4}, {"delay": 1.0}):
        test = PoissonMaxSprt(expectation=HISTORY, alpha=0.05, length=20, **design)
        assert not test.update(day(1), observed=3, exposure=10).is_signal
        assert test.update(day(2), observed=9, exposure=500).is_signal


def test_the_planned_end() -> None:
    test = PoissonMaxSprt(expectation=HISTORY, alpha=0.05, length=2)
    status = test.update(day(1), observed=20, exposure=1001)  # 2.002 expected: nobody knows what came before the end
    assert (status.is_signal, status.has_ended, status.remaining) == (False, True, 0.0)
    at_the_end = PoissonMaxSprt(expectation=HISTORY, alpha=0.05, length=2)
    status = at_the_end.update(day(1), observed=20, exposure=1000)
    assert (status.is_signal, status.has_ended) == (True, True)
    by_cases = ConditionalMaxSprt(expectation=HISTORY, alpha=0.05, cases=5)
    assert by_cases.update(day(1), observed=9, exposure=100).is_signal  # five of them came even sooner
    five = conditional_log_likelihood_ratio(5, 1000, events=40, history_exposure=20_000)
    nine = conditional_log_likelihood_ratio(9, 1000, events=40, history_exposure=20_000)
    assert five < by_cases.boundary.critical_value < nine
    cautious = ConditionalMaxSprt(expectation=HISTORY, alpha=0.05, cases=5)
    assert not cautious.update(day(1), observed=9, exposure=1000).is_signal
    assert not cautious.update(day(2), observed=90, exposure=1).is_signal


def test_planned_looks_are_kept() -> None:
    test = PoissonMaxSprt(expectation=HISTORY, alpha=0.05, length=17, groups=[5, 6, 6])
    assert not test.update(day(1), observed=12, exposure=2_000).is_signal  # 4 expected, no look yet
    with pytest.raises(ParameterError, match="must not pass the planned look at 5: it goes from 4 to 6"):
        test.update(day(2), observed=1, exposure=1_000)
    assert test.status.observed == 12
    assert test.update(day(2), observed=1, exposure=500).signalled_on == day(2)
    test.update(day(3), observed=4, exposure=3_000)
    restored = PoissonMaxSprt.restore(json.loads(json.dumps(test.snapshot())))
    with pytest.raises(ParameterError, match="must not pass the planned look at 17"):
        restored.update(day(4), observed=1, exposure=3_001)
    last = {"observed": 9, "exposure": 3_000}
    assert restored.update(day(4), **last) == test.update(day(4), **last)  # type: ignore[arg-type]  # whole numbers
    assert restored.status.has_ended


def test_a_simulated_surveillance_by_months_is_conservative() -> None:
    random = np.random.default_rng(5)
    known = ProspectiveExpectation.from_rate(1.0, source="counts expected", last_day=END)
    test = PoissonMaxSprt(expectation=known, alpha=0.05, length=6)
    fresh, alarms, runs = test.snapshot(), 0, 400
    for _ in range(runs):
        test._counts, test.signalled_on = type(test._counts)(expectation=known), None
        assert test.snapshot() == fresh
        for month, count in enumerate(random.poisson(0.5, 12).tolist(), start=1):
            status = test.update(day(month), observed=count, exposure=0.5)
        alarms += status.is_signal
    assert alarms / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert alarms


@pytest.mark.parametrize(
    ("period", "message"),
    [
        ({"day": END}, "the period from 2024-12-31 begins in or before the baseline, which ended on 2024-12-31"),
        ({"day": date(2020, 1, 1)}, "in or before the baseline"),
        ({"day": day(9), "first_day": day(-3)}, "the period from 2024-12-28 begins in or before the baseline"),
        ({"day": day(9), "first_day": day(10)}, "must not end"),
        ({"day": datetime(2025, 1, 9)}, "day must be a date"),  # noqa: DTZ001 - wrong on purpose
        ({"observed": -1}, "observed must be a whole number of at least 0, not -1"),
        ({"observed": 1.5}, "observed"), ({"observed": math.nan}, "observed"), ({"observed": math.inf}, "observed"),
        ({"exposure": -1}, "exposure"), ({"exposure": math.nan}, "exposure"), ({"exposure": math.inf}, "exposure"),
        ({"observed": 2, "exposure": 0}, "2 events without any exposure"),
    ],
)  # fmt: skip
def test_a_period_that_cannot_be_is_refused_and_changes_nothing(period: dict[str, Any], message: str) -> None:
    for test in fresh_tests():
        before = test.snapshot()
        with pytest.raises(ParameterError, match=message):
            test.update(**{"day": day(9), "observed": 1, "exposure": 4, **period})
        assert test.snapshot() == before


def test_periods_come_in_order() -> None:
    for test in fresh_tests():
        test.update(day(5), observed=1, exposure=4)
        with pytest.raises(ParameterError, match="days must rise"):
            test.update(day(5), observed=1, exposure=4)
        with pytest.raises(ParameterError, match="must not overlap"):
            test.update(day(9), observed=1, exposure=4, first_day=day(5))
        test.update(day(9), observed=1, exposure=4, first_day=day(6))


def test_events_of_both_groups() -> None:
    test = BinomialMaxSprt(expectation=SHARE, alpha=0.05, length=60)
    test.update(day(1), observed=1, exposure=10)
    with pytest.raises(ParameterError, match="at most the events of both groups, 2, not 3"):
        test.update(day(2), observed=3, exposure=2)
    with pytest.raises(ParameterError, match="whole number of events"):
        test.update(day(2), observed=1, exposure=2.5)
    with pytest.raises(ParameterError, match="share of the exposed, below 1"):
        BinomialMaxSprt(
            expectation=ProspectiveExpectation.from_rate(1.0, source="s", last_day=END), alpha=0.05, length=60
        )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"events": 0}, "events must be"), ({"events": math.nan}, "events must be"), ({"exposure": 0}, "exposure"),
        ({"exposure": math.nan}, "exposure"), ({"last_day": "2024-12-31"}, "last_day must be a date"),
        ({"source": " "}, "source must say"),
    ],
)  # fmt: skip
def test_a_baseline_that_cannot_be_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        ProspectiveExpectation.from_history(**{"events": 4, "exposure": 8, "last_day": END, **wrong})


def test_a_rate_needs_a_source_and_is_one_thing_with_its_counts() -> None:
    for rate in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ParameterError, match="rate must be finite and above 0"):
            ProspectiveExpectation.from_rate(rate, source="s", last_day=END)
    with pytest.raises(ParameterError, match="rate must be events / exposure"):
        ProspectiveExpectation(rate=0.1, last_day=END, source="s", events=1, exposure=1.0)
    with pytest.raises(ParameterError, match="exposure must be"):
        ProspectiveExpectation(rate=0.1, last_day=END, source="s", events=1)
    with pytest.raises(ParameterError, match="exposure must be finite and at least 0"):
        HISTORY.expected(math.nan)
    with pytest.raises(ParameterError, match="must be a ProspectiveExpectation, not float"):
        PoissonMaxSprt(expectation=3.0, alpha=0.05, length=20)  # type: ignore[arg-type]  # a bare number
    with pytest.raises(ParameterError, match="counts of a history, not from a stated rate"):
        ConditionalMaxSprt(expectation=SHARE, alpha=0.05, cases=20)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "kelsey.other"}, {"version": 2}, {"settings": {"alpha": 0.05}}, {"signalled_on": "2024-06-01"},
        {"signalled_on": "2025-06-01"}, {"counts": {"observed": -1, "exposure": 1.0, "last_day": "2025-01-09"}},
        {"counts": {"observed": 3, "exposure": 1.0, "last_day": None}}, {"state": {"a": 1}},
        {"counts": {"observed": 1, "exposure": 1.0, "last_day": "2024-12-31"}}, {"expectation": {"rate": 1.0}},
        {"expectation": HISTORY.snapshot() | {"rate": 5.0}}, {"signalled_on": 7},
    ],
)  # fmt: skip
def test_a_snapshot_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    test = fresh_tests()[0]
    test.update(day(9), observed=1, exposure=4)
    with pytest.raises(IntegrityError):
        PoissonMaxSprt.restore(test.snapshot() | change)
    with pytest.raises(IntegrityError):
        BinomialMaxSprt.restore(test.snapshot())
