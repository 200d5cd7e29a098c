"""Expected counts: the formula written out for one series, prospective by construction, a season that is learned."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from cases import IntegrityError, ParameterError
from detectors.online import SeasonalRates
from tests.detectors_models.streams import influenza


def expected_by_hand(
    counts: NDArray[np.float64], series: int, at: float, fractions: list[float], rates: SeasonalRates
) -> float:
    """The formula of the documentation for one series, from all learned counts, shape (series, periods)."""
    prior, bins = rates.season_shrinkage, rates.bins
    slow, fast = 0.5 ** (1 / rates.season_periods), 0.5 ** (1 / rates.trend_periods)

    def age(length: int, kept: float) -> NDArray[np.float64]:
        return np.asarray(kept ** np.arange(length - 1, -1, -1), dtype=np.float64)

    def shares(fraction: float) -> dict[int, float]:
        before = math.floor(fraction * bins)
        after = fraction * bins - before
        found = dict.fromkeys((before % bins, (before + 1) % bins), 0.0)
        found[before % bins] += 1 - after
        found[(before + 1) % bins] += after
        return found

    def without_trend(length: int, fraction: float) -> float:
        discounted = age(length, slow)
        mean_rate = ((counts[:, :length] @ discounted).sum() + 1) / (len(counts) * discounted.sum() + 1)
        level = (counts[series, :length] @ discounted + 0.5) / (discounted.sum() + 0.5 / mean_rate)
        held = np.array([[shares(f).get(b, 0.0) for f in fractions[:length]] for b in range(bins)]) * discounted
        reports, periods = held @ counts[series, :length], held.sum(axis=1)
        season = 0.0
        for point, share in shares(fraction).items():
            near = sorted({(point + step) % bins for step in range(-2, 3)})
            surroundings = (reports[near].sum() + prior) / (level * periods[near].sum() + prior)
            season += share * (reports[point] + prior * surroundings) / (level * periods[point] + prior)
        return float(level * season)

    length = counts.shape[1]
    earlier = np.array([without_trend(i, fractions[i]) if i else 0.0 for i in range(length)])
    discounted = age(length, fast)
    trend = (counts[series] @ discounted + 5) / (earlier @ discounted + 5)
    return without_trend(length, at) * float(trend)


@pytest.mark.parametrize(("bins", "guard"), [(26, 0), (26, 6), (3, 2), (1, 1)])
def test_the_expectation_is_the_formula_on_all_learned_periods(bins: int, guard: int) -> None:
    rng, weeks = np.random.default_rng(5), 120
    counts = rng.poisson(np.outer([0.2, 3.0, 11.0], influenza(weeks))).astype(float)
    rates = SeasonalRates(bins=bins, guard_periods=guard)
    rates.resize(3)
    fractions = [week % 52 / 52 for week in range(weeks)]
    for week in range(weeks):
        expected = rates.expected(fractions[week])
        learned = max(0, week - guard)
        if learned == 0:
            assert np.isnan(expected).all()
        elif week in (guard + 1, 30, 77, 119):
            for series in range(3):
                by_hand = expected_by_hand(counts[:, :learned], series, fractions[week], fractions, rates)
                assert expected[series] == pytest.approx(by_hand, rel=1e-10)
        rates.learn(fractions[week], counts[:, week])


def test_what_comes_later_changes_no_earlier_expectation() -> None:
    told = []
    for last in (5.0, 500.0):
        rates = SeasonalRates(guard_periods=0)
        rates.resize(1)
        expectations = []
        for week in range(60):
            expectations.append(float(rates.expected(week % 52 / 52)[0]))
            rates.learn(week % 52 / 52, np.array([5.0 if week < 59 else last]))
        told.append(expectations[1:])
    assert told[0] == told[1]


def test_a_season_is_learned_and_a_rare_series_stays_flat() -> None:
    rng, weeks = np.random.default_rng(8), 52 * 6
    shape = influenza(weeks)
    truth = np.outer([20.0, 2.0, 0.01], shape)
    rates = SeasonalRates()
    rates.resize(3)
    for week in range(weeks):
        rates.learn(week % 52 / 52, rng.poisson(truth[:, week]).astype(float))
    expected = np.array([rates.expected(week / 52) for week in range(52)]).T
    assert np.abs(np.log(expected[0] / truth[0, :52])).max() < 0.35
    assert np.corrcoef(expected[1], shape[:52])[0, 1] > 0.9
    assert expected[2].max() / expected[2].min() < 4 < shape.max() / shape.min()


def test_a_slow_trend_is_followed() -> None:
    rng = np.random.default_rng(2)
    rates = SeasonalRates()
    rates.resize(1)
    for week in range(52 * 5):
        rates.learn(week % 52 / 52, rng.poisson([10 * 1.5 ** (week / 52)]).astype(float))
    assert float(rates.expected(0.0)[0]) == pytest.approx(10 * 1.5**5, rel=0.25)  # 31 without a trend


def test_a_series_that_begins_later_learns_nothing_from_before() -> None:
    late, alone = SeasonalRates(), SeasonalRates()
    late.resize(1)
    for week in range(20):
        late.learn(week / 52, np.zeros(late._columns.size))
    late.clear(np.array([0]))
    alone.resize(1)
    for week in range(20, 60):
        late.learn(week % 52 / 52, np.array([4.0]))
        alone.learn(week % 52 / 52, np.array([4.0]))
    assert late.expected(0.3)[0] == pytest.approx(float(alone.expected(0.3)[0]), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bins", 0),
        ("season_shrinkage", 0.0),
        ("season_shrinkage", float("nan")),
        ("season_periods", float("inf")),
        ("trend_periods", -1.0),
        ("guard_periods", -1),
    ],
)
def test_parameters_outside_their_range(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{name} must"):
        SeasonalRates(**{name: value})  # type: ignore[arg-type]  # whichever setting the test is about


def test_a_foreign_or_damaged_snapshot_is_refused() -> None:
    good = SeasonalRates().snapshot()
    damaged = {**good, "state": {**good["state"], "zlib_base64": "AAAA"}}
    other_columns = {**good, "state": {**good["state"], "columns": ["reports"]}}
    for state in ({}, {"version": 2}, {"version": 1}, {**good, "settings": {"bins": 4}}, damaged, other_columns):
        with pytest.raises(IntegrityError):
            SeasonalRates.restore(state)


def test_counts_that_come_in_bursts_have_a_dispersion_and_poisson_counts_have_none() -> None:
    rng = np.random.default_rng(4)
    rates = SeasonalRates()
    rates.resize(3)
    every = np.ones(3, dtype=np.bool_)
    for week in range(52 * 8):
        counts = np.array([rng.poisson(5.0), rng.negative_binomial(1.25, 0.2), rng.poisson(0.05)], dtype=np.float64)
        expected = rates.expected(week % 52 / 52)
        if week > 60:
            rates.learn_dispersion(counts, expected, every)
        rates.learn(week % 52 / 52, counts)
    steady, bursts, rare = rates.dispersion()
    assert steady == pytest.approx(1.0, abs=0.25)
    assert bursts == pytest.approx(5.0, abs=1.5)  # variance over mean of the negative binomial
    assert rare == pytest.approx(1.0, abs=0.5)
