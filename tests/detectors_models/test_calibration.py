"""Calibration against the optimum over all scores at once, and reliability against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from cases import IntegrityError, ParameterError
from detectors.online import OnlineCalibration, Reliability


def scored(count: int, *, seed: int, slope: float, intercept: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels true with the probability that a line through their log-odds gives."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1, 2, count)
    labels = rng.random(count) < special.expit(intercept + slope * log_odds)
    return special.expit(log_odds), labels


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.4, 0.5), (1.8, -1.0)])
def test_the_online_fit_nears_the_fit_of_all_scores(slope: float, intercept: float) -> None:
    scores, labels = scored(8000, seed=2, slope=slope, intercept=intercept)
    calibration = OnlineCalibration(forgetting=1.0)
    for score, label in zip(scores, labels, strict=True):
        calibration.learn_one(float(score), bool(label))
    x = special.logit(scores)

    def lost(line: np.ndarray) -> float:
        z = line[0] + line[1] * x
        return float((np.logaddexp(0, z) - labels * z).sum() + 10 * (line[0] ** 2 + (line[1] - 1) ** 2))

    best = optimize.minimize(lost, [0.0, 1.0]).x
    assert [calibration.intercept, calibration.slope] == pytest.approx(best, abs=0.06)
    assert [calibration.intercept, calibration.slope] == pytest.approx([intercept, slope], abs=0.15)


def test_forgetting_follows_a_model_that_changes() -> None:
    followed, fixed = OnlineCalibration(), OnlineCalibration(forgetting=1.0)
    for slope in (1.0, 0.3):
        for score, label in zip(*scored(6000, seed=5, slope=slope, intercept=0.0), strict=True):
            followed.learn_one(float(score), bool(label))
            fixed.learn_one(float(score), bool(label))
    assert followed.slope == pytest.approx(0.3, abs=0.1)
    assert fixed.slope > 0.4


def test_one_case_hardly_moves_a_score() -> None:
    calibration = OnlineCalibration()
    assert calibration.calibrated(0.3) == pytest.approx(0.3, abs=1e-15)
    calibration.learn_one(0.999999, False)
    assert calibration.calibrated(0.3) == pytest.approx(0.3, abs=0.05)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60), st.floats(0, 1))
def test_a_probability_comes_out_whatever_goes_in(pairs: list[tuple[float, bool]], score: float) -> None:
    calibration = OnlineCalibration()
    for given_score, label in pairs:
        calibration.learn_one(given_score, label)
    assert 0 < calibration.calibrated(score) < 1


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=80))
def test_the_brier_score_is_the_sum_of_its_parts(pairs: list[tuple[bool, int]]) -> None:
    labels, scores = [label for label, _ in pairs], [tenth / 10 + 0.05 for _, tenth in pairs]
    found = Reliability.of(labels, scores)
    assert found is not None
    brier = float(np.mean((np.array(labels) - np.array(scores)) ** 2))
    assert found.miscalibration - found.resolution + found.uncertainty == pytest.approx(brier, abs=1e-12)
    assert sum(each.cases for each in found.bins) == len(labels)
    assert found.calibration_error**2 <= found.miscalibration + 1e-12
    assert 0 <= found.calibration_error <= 1


def test_reliability_of_nothing_is_none_and_the_highest_score_has_a_bin() -> None:
    assert Reliability.of([], []) is None
    found = Reliability.of([True], [1.0])
    assert found is not None
    assert found.bins == ((1, 1.0, 1.0),)


@pytest.mark.parametrize(
    ("name", "value"), [("prior", 0.0), ("prior", float("nan")), ("forgetting", 0.0), ("forgetting", 1.1)]
)
def test_parameters_outside_their_range(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{name} must"):
        OnlineCalibration(**{name: value})


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_that_is_no_probability_is_refused(score: float) -> None:
    with pytest.raises(ParameterError, match="score must lie in"):
        OnlineCalibration().calibrated(score)


@pytest.mark.parametrize("state", [{}, {"version": 2}, {"version": 1}, {"version": 1, "settings": [20.0, 1.0]}])
def test_a_foreign_snapshot_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        OnlineCalibration.restore(state)
