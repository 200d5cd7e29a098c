"""Contract of every online model, found by discovery: whatever has `learn_one` keeps explicit, exact state."""

from __future__ import annotations

import inspect
import json
import random
from datetime import timedelta
from typing import Any

import pytest

import detectors
import detectors.online
from detectors import ReportingRateDrift, TriageModel
from detectors.online import OnlineCalibration, RateWatch, SourceQuality
from tests.detectors_models.streams import START, case_stream


def discovered() -> list[type]:
    """Every public class of the packages that learns."""
    classes = [getattr(package, name) for package in (detectors, detectors.online) for name in package.__all__]
    return [item for item in classes if inspect.isclass(item) and hasattr(item, "learn_one")]


def drift_inputs() -> list[tuple[Any, ...]]:
    rng = random.Random(11)
    days = [day for day in range(400) if day % 50 < 40]  # with days on which nothing arrives
    return [
        (product, START + timedelta(days=day, hours=rng.randrange(24)))
        for day in days
        for product in "abc"
        for _ in range(rng.choice([0, 0, 1, 5 if day > 200 else 1]))
    ]


def triage_inputs() -> list[tuple[Any, ...]]:
    return [(case,) for case in case_stream(700, seed=21)]


def watch_inputs() -> list[tuple[Any, ...]]:
    """Two years, so that the season of the first is judged by, with a change of rate in the second."""
    rng = random.Random(12)
    return [
        ((product, reaction), START + timedelta(weeks=week))
        for week in range(110)
        for product in "ab"
        for reaction in "xy"
        for _ in range(rng.choice([0, 1, 2]) * (5 if week > 80 and (product, reaction) == ("a", "y") else 1))
        if week % 9 < 8
    ]


def calibration_inputs() -> list[tuple[Any, ...]]:
    rng = random.Random(13)
    return [(score, rng.random() < 0.3 + 0.4 * score) for score in (rng.random() for _ in range(400))]


INPUTS: dict[type, list[tuple[Any, ...]]] = {
    RateWatch: watch_inputs(),
    OnlineCalibration: calibration_inputs(),
    ReportingRateDrift: drift_inputs(),
    SourceQuality: triage_inputs(),
    TriageModel: triage_inputs(),
}


def observed(model: Any) -> list[Any]:
    """All that a model tells besides its snapshot."""
    properties = [name for name, value in vars(type(model)).items() if isinstance(value, property)]
    asked = [getattr(model, name)() for name in ("drifting", "changed", "anomalies") if hasattr(model, name)]
    return [getattr(model, name) for name in [*properties, "detections"] if hasattr(model, name)] + asked


def test_every_online_model_has_inputs_here() -> None:
    assert set(discovered()) == set(INPUTS)


@pytest.mark.parametrize("model_class", discovered())
@pytest.mark.parametrize("cut", [0, 1, 37, 250, -1])
def test_a_restored_model_goes_on_as_the_uninterrupted_one(model_class: Any, cut: int) -> None:
    inputs = INPUTS[model_class]
    whole, part = model_class(), model_class()
    for arguments in inputs:
        whole.learn_one(*arguments)
    for arguments in inputs[:cut]:
        part.learn_one(*arguments)
    resumed = model_class.restore(json.loads(json.dumps(part.snapshot(), allow_nan=False)))
    assert resumed.snapshot() == part.snapshot()
    for arguments in inputs[cut:]:
        resumed.learn_one(*arguments)
    assert observed(resumed) == observed(whole)
    assert resumed.snapshot() == whole.snapshot()


@pytest.mark.parametrize("model_class", discovered())
def test_a_snapshot_is_versioned_and_a_copy(model_class: Any) -> None:
    model = model_class()
    for arguments in INPUTS[model_class][:100]:
        model.learn_one(*arguments)
    snapshot = model.snapshot()
    kept = json.dumps(snapshot)
    assert snapshot["version"] >= 1
    for arguments in INPUTS[model_class][100:200]:
        model.learn_one(*arguments)
    assert json.dumps(snapshot) == kept


@pytest.mark.parametrize("model_class", [item for item in discovered() if hasattr(item, "score_one")])
def test_scoring_changes_nothing(model_class: Any) -> None:
    scored, unscored = model_class(), model_class()
    for arguments in INPUTS[model_class]:
        scored.score_one(*arguments)
        scored.learn_one(*arguments)
        unscored.learn_one(*arguments)
        scored.score_one(*arguments)
    assert scored.snapshot() == unscored.snapshot()


@pytest.mark.parametrize("model_class", discovered())
def test_learning_is_deterministic(model_class: Any) -> None:
    models = [model_class(), model_class()]
    for arguments in INPUTS[model_class]:
        for model in models:
            model.learn_one(*arguments)
    assert models[0].snapshot() == models[1].snapshot()
