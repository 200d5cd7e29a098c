"""The triage model: better than its baseline, honest about what it does not know, and never told the answer."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from river.linear_model import LogisticRegression
from river.optim import AdaGrad

from cases import Case, IntegrityError, ParameterError, Seriousness, SeriousnessCriterion
from detectors import TriageModel
from tests.detectors_models.streams import case_stream


def learned(count: int, *, seed: int = 4, **settings: float) -> TriageModel:
    model = TriageModel(**settings)  # type: ignore[arg-type]  # whichever settings the test is about
    for case in case_stream(count, seed=seed):
        model.learn_one(case)
    return model


def auc_by_pairs(labels: list[bool], scores: list[float]) -> float:
    """Share of (serious, not serious) pairs in the right order, ties half: the definition."""
    y, s = np.array(labels), np.array(scores)
    return float(((s[y][:, None] > s[~y]) + 0.5 * (s[y][:, None] == s[~y])).mean())


def test_it_beats_the_prevalence_and_is_calibrated() -> None:
    model = learned(4000, window=4000)
    assert model.auc is not None
    assert model.brier is not None
    assert model.baseline_brier is not None
    assert model.auc > 0.75
    assert model.brier < 0.9 * model.baseline_brier
    scored = list(case_stream(3000, seed=99, unknown_share=0.0))
    scores = np.array([model.score_one(case) for case in scored], dtype=float)
    truth = np.array([case.seriousness.is_serious for case in scored], dtype=float)
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 1.0)):
        inside = (scores >= low) & (scores < high)
        assert inside.sum() > 100
        assert abs(scores[inside].mean() - truth[inside].mean()) < 0.1


def test_a_model_that_claims_too_much_is_corrected_and_one_that_does_not_is_left_alone() -> None:
    too_bold = learned(6000, window=3000, learning_rate=3.0)
    before, after, baseline = (
        too_bold.uncalibrated_reliability,
        too_bold.reliability,
        too_bold.baseline_reliability,
    )
    assert before is not None
    assert after is not None
    assert baseline is not None
    assert after.calibration_error < 0.8 * before.calibration_error
    assert after.miscalibration < 0.6 * before.miscalibration
    assert too_bold.calibration.slope < 0.8
    assert baseline.resolution < 0.001 < after.resolution
    good = learned(6000, window=3000)
    assert good.calibration.slope == pytest.approx(1.0, abs=0.15)
    assert good.calibration.intercept == pytest.approx(0.0, abs=0.2)


def test_nothing_is_learned_from_noise() -> None:
    model = TriageModel(window=3000)
    rng = np.random.default_rng(3)
    for case in case_stream(3000, seed=3):
        model.learn_one(msgspec.structs.replace(case, seriousness=Seriousness(bool(rng.random() < 0.25))))
    assert model.auc == pytest.approx(0.5, abs=0.05)


def test_running_auc_and_brier_are_those_of_the_scores_given_before_learning() -> None:
    model, labels, scores = TriageModel(window=500), list[bool](), list[float]()
    for case in case_stream(1500, seed=8):
        score, label = model.score_one(case), case.seriousness.is_serious
        model.learn_one(case)
        if score is not None and label is not None:
            labels.append(label)
            scores.append(score)
    assert model.auc == pytest.approx(auc_by_pairs(labels[-500:], scores[-500:]), abs=1e-12)
    errors = np.array(labels[-500:], dtype=float) - np.array(scores[-500:])
    assert model.brier == pytest.approx(float((errors**2).mean()), abs=1e-12)


def test_no_score_and_no_auc_before_there_is_enough_to_go_by() -> None:
    model = TriageModel(min_cases=5)
    for case in case_stream(400, seed=2):
        known = min(model.serious, model.not_serious) >= 5
        assert (model.score_one(case) is not None) == known
        if not known:
            assert model.auc is model.brier is model.baseline_brier is None
            assert model.reliability is model.baseline_reliability is None
        model.learn_one(case)
    assert model.score_one(case) is not None


def test_unknown_seriousness_and_nullified_cases_are_scored_but_not_learned() -> None:
    model = learned(600)
    before = model.snapshot()
    for case in case_stream(20, seed=12):
        unknown = msgspec.structs.replace(case, seriousness=Seriousness())
        nullified = msgspec.structs.replace(case, is_nullified=True, seriousness=Seriousness(True))
        for other in (unknown, nullified):
            assert model.score_one(other) is not None
            model.learn_one(other)
    assert model.snapshot() == before


def test_the_answer_is_no_feature() -> None:
    model = learned(600)
    case = next(case_stream(1, seed=77))
    answers = [
        Seriousness(),
        Seriousness(False),
        Seriousness(True),
        *(Seriousness.of(criterion) for criterion in SeriousnessCriterion),
    ]
    assert len({model.score_one(msgspec.structs.replace(case, seriousness=answer)) for answer in answers}) == 1


def test_features_are_bounded_and_the_known_ones_go_on_learning() -> None:
    model = learned(500, max_features=5)
    assert len(model.weights) == 5
    assert model.ignored_features > 0
    before = model.weights
    for case in case_stream(50, seed=6):
        model.learn_one(case)
    assert set(model.weights) == set(before)
    assert model.weights != before


def test_the_weights_say_why() -> None:
    weights = learned(3000).weights
    assert weights["cue=intensive-care"] > 1
    assert weights["present=Haemorrhage"] > weights["present=Rash"]
    assert weights["cue=mild"] < 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("regularisation", -1.0),
        ("regularisation", float("inf")),
        ("min_cases", 0),
        ("window", 1),
        ("max_features", 0),
    ],
)
def test_parameters_outside_their_range(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{name} must"):
        TriageModel(**{name: value})  # type: ignore[arg-type]  # whichever setting the test is about


def test_the_fields_of_river_that_snapshots_hold_are_all_it_has() -> None:
    """Fails when River adds state to its estimators, which a snapshot would then silently lose."""
    model = LogisticRegression(AdaGrad(0.1))
    settings = {"optimizer", "loss", "l2", "l1", "intercept_init", "intercept", "intercept_lr", "clip_gradient"}
    assert set(vars(model)) == settings | {"initializer", "_weights", "_y_name"}
    assert set(vars(model.optimizer)) == {"lr", "n_iterations", "eps", "g2"}


@pytest.mark.parametrize("state", [{}, {"version": 1}, {"version": 2}, {"version": 2, "settings": 3}])
def test_a_foreign_snapshot_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        TriageModel.restore(state)


def test_a_case_of_nothing_is_scored() -> None:
    model = learned(600)
    bare: Case = msgspec.structs.replace(next(case_stream(1, seed=1)), drugs=(), reactions=(), cues=(), age_years=None)
    assert 0 < (model.score_one(bare) or 0) < 1
