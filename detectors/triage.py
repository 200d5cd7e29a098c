"""Triage: which incoming cases are likely to be serious, learned from those that came before.

It only sorts the reading list of a safety officer. It counts nothing, raises nothing and never leaves the site.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from cases import AgeBand, Assertion, Case, DrugRole, IntegrityError, ParameterError, Sex
from detectors.online.online_calibration import OnlineCalibration
from detectors.online.reliability import Reliability

__all__ = ["TriageModel"]

_SNAPSHOT_VERSION = 2  # 1 had no calibration
_BIAS = "bias"  # a feature of every case: AdaGrad then learns the intercept like any other weight
_ROLE_PREFIX = {role: "concomitant=" if role is DrugRole.CONCOMITANT else "drug=" for role in DrugRole}
_ASSERTION_PREFIX = {assertion: f"{assertion}=" for assertion in Assertion}


class TriageModel:
    """Online logistic regression: the probability that a case is serious, from its fields and narrative mentions.

    Features are the presence of: every drug by role, every reaction by assertion, every cue of the narrative, age band
    and sex, and how many reactions there are. The seriousness criteria themselves are never a feature. What the
    regression says is calibrated by how its earlier scores turned out (`OnlineCalibration`).

    Parameters
    ----------
    learning_rate
        Step of AdaGrad, above 0.
    regularisation
        L2 penalty, at least 0.
    min_cases
        Serious cases and not serious cases, each, that must have been learned before a score is given; at least 1.
    window
        Most recent scored cases that `auc`, `brier`, `reliability` and the baselines are taken over; at least 2.
    max_features
        Most weights held, at least 1. Names seen later than that are not learned (`ignored_features` counts them).

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from cases import CaseVersion, Seriousness
    >>> def case(i, cues, serious):
    ...     at = datetime(2026, 1, 5, tzinfo=UTC)
    ...     return Case(source="s", case_id=str(i), version=CaseVersion(at), patient="p", received_at=at, cues=cues,
    ...                 seriousness=Seriousness(serious))
    >>> model = TriageModel()
    >>> for i in range(400):
    ...     model.learn_one(case(i, ("icu",) if i % 4 == 0 else (), i % 4 == 0))
    >>> model.score_one(case(400, ("icu",), None)) > 0.7 > 0.3 > model.score_one(case(401, (), None))
    True

    References
    ----------
    Duchi J, Hazan E, Singer Y (2011), JMLR 12:2121-2159.
    Brzezinski D, Stefanowski J (2017), Knowl Inf Syst 52:531-562, doi:10.1007/s10115-017-1022-8 (rolling AUC).
    """

    def __init__(
        self,
        *,
        learning_rate: float = 0.3,
        regularisation: float = 1e-5,
        min_cases: int = 20,
        window: int = 1000,
        max_features: int = 50_000,
    ) -> None:
        from river.linear_model import LogisticRegression  # here, as River takes four seconds to import
        from river.optim import AdaGrad

        if not 0 < learning_rate < math.inf:
            raise ParameterError(f"learning_rate must lie in (0, infinity), not {learning_rate!r}")
        if not 0 <= regularisation < math.inf:
            raise ParameterError(f"regularisation must lie in [0, infinity), not {regularisation!r}")
        if not min_cases >= 1:
            raise ParameterError(f"min_cases must be at least 1, not {min_cases!r}")
        if not window >= 2:
            raise ParameterError(f"window must be at least 2, not {window!r}")
        if not max_features >= 1:
            raise ParameterError(f"max_features must be at least 1, not {max_features!r}")
        self.learning_rate = learning_rate
        self.regularisation = regularisation
        self.min_cases = min_cases
        self.window = window
        self.max_features = max_features
        self.serious = 0  # cases learned, by class
        self.not_serious = 0
        self.ignored_features = 0
        self._optimizer = AdaGrad(learning_rate)
        self._model: Any = LogisticRegression(self._optimizer, l2=regularisation, intercept_lr=0.0)
        self.calibration = OnlineCalibration()
        # serious, score, share of serious cases before it, score before calibration
        self._recent: deque[tuple[bool, float, float, float]] = deque(maxlen=window)

    def score_one(self, case: Case) -> float | None:
        """Probability in (0, 1) that the case is serious; None while too few cases of either class were learned.

        Changes nothing; meant to be asked before `learn_one` sees the case.
        """
        if min(self.serious, self.not_serious) < self.min_cases:
            return None
        return self.calibration.calibrated(self._raw_score(_features(case)))

    def learn_one(self, case: Case) -> None:
        """Score the case, note how good the score was, then learn from it.

        A case whose seriousness the source did not say, or that is nullified, changes nothing.
        """
        label = case.seriousness.is_serious
        if label is None or case.is_nullified:
            return
        features = _features(case)
        if min(self.serious, self.not_serious) >= self.min_cases:
            raw = self._raw_score(features)
            share = self.serious / (self.serious + self.not_serious)
            self._recent.append((label, self.calibration.calibrated(raw), share, raw))
            self.calibration.learn_one(raw, label)
        known = self._optimizer.g2  # AdaGrad has one entry for every weight ever learned
        if len(known) + len(features) > self.max_features:
            fresh = [name for name in features if name not in known]
            for name in fresh[max(self.max_features - len(known), 0) :]:
                del features[name]
                self.ignored_features += 1
        self._model.learn_one(features, label)
        if label:
            self.serious += 1
        else:
            self.not_serious += 1

    @property
    def auc(self) -> float | None:
        """Area under the ROC curve of the scores given before learning, over the window; None without both classes.

        Ranks the window when asked, about a millisecond for a thousand cases.
        """
        from river.metrics import RollingROCAUC  # fed here only: between two questions it would buffer without bound

        if len({label for label, *_ in self._recent}) < 2:
            return None
        metric: Any = RollingROCAUC(self.window)  # type: ignore[no-untyped-call]  # River's is not typed
        for label, score, *_ in self._recent:
            metric.update(label, score)
        return float(metric.get())

    @property
    def brier(self) -> float | None:
        """Mean squared error of those scores, 0 best; None before the first."""
        return _mean_square([label - score for label, score, *_ in self._recent])

    @property
    def baseline_brier(self) -> float | None:
        """The same for the trivial score: the share of serious cases learned so far. Its AUC is 0.5."""
        return _mean_square([label - share for label, _, share, _ in self._recent])

    @property
    def reliability(self) -> Reliability | None:
        """Whether the scores given before learning held, over the window; None before the first."""
        return Reliability.of([label for label, *_ in self._recent], [score for _, score, *_ in self._recent])

    @property
    def uncalibrated_reliability(self) -> Reliability | None:
        """The same for what the regression said before calibration."""
        return Reliability.of([label for label, *_ in self._recent], [raw for *_, raw in self._recent])

    @property
    def baseline_reliability(self) -> Reliability | None:
        """The same for the trivial score; its resolution is 0 or nearly so."""
        return Reliability.of([label for label, *_ in self._recent], [share for _, _, share, _ in self._recent])

    @property
    def weights(self) -> dict[str, float]:
        """Log-odds a feature adds, by feature; what an officer may ask after a surprising score."""
        return {name: float(weight) for name, weight in self._model.weights.items()}

    def _raw_score(self, features: dict[str, float]) -> float:
        return float(self._model.predict_proba_one(features)[True])

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON-able values; River's estimators as their fields, never pickled."""
        settings = [self.learning_rate, self.regularisation, self.min_cases, self.window, self.max_features]
        return {
            "version": _SNAPSHOT_VERSION,
            "settings": settings,
            "learned": [self.serious, self.not_serious, self.ignored_features],
            "steps": self._optimizer.n_iterations,
            "weights": self.weights,
            "squared_gradients": dict(self._optimizer.g2),
            "recent": [list(entry) for entry in self._recent],
            "calibration": self.calibration.snapshot(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> TriageModel:
        """The model `snapshot` was taken of; it goes on exactly as that one would have.

        Raises `IntegrityError` where `state` is of another version or not a snapshot.
        """
        if state.get("version") != _SNAPSHOT_VERSION:
            raise IntegrityError(f"triage snapshot version must be {_SNAPSHOT_VERSION}, not {state.get('version')!r}")
        try:
            learning_rate, regularisation, min_cases, window, max_features = state["settings"]
            restored = cls(
                learning_rate=learning_rate,
                regularisation=regularisation,
                min_cases=min_cases,
                window=window,
                max_features=max_features,
            )
            restored.serious, restored.not_serious, restored.ignored_features = state["learned"]
            restored._optimizer.n_iterations = state["steps"]
            restored._model._weights.update(state["weights"])
            restored._optimizer.g2.update(state["squared_gradients"])
            restored.calibration = OnlineCalibration.restore(state["calibration"])
            for label, score, share, raw in state["recent"]:
                restored._recent.append((label, score, share, raw))
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("not a triage snapshot") from error
        return restored


def _features(case: Case) -> dict[str, float]:
    """Named features of a case, without anything of its seriousness criteria."""
    features = {_BIAS: 1.0}
    for use in case.drugs:
        if use.drug.name is not None:
            features[_ROLE_PREFIX[use.role] + use.drug.name] = 1.0
    present = set()
    for item in case.reactions:
        if (name := item.reaction.name) is not None:
            features[_ASSERTION_PREFIX[item.assertion] + name] = 1.0
            if item.assertion is Assertion.PRESENT:
                present.add(name)
    for cue in case.cues:
        features["cue=" + cue] = 1.0
    if case.age_years is not None:
        features["age=" + AgeBand.of(case.age_years)] = 1.0
    if case.sex is not Sex.UNKNOWN:
        features["sex=" + case.sex] = 1.0
    features["reactions"] = math.log1p(len(present))
    return features


def _mean_square(errors: list[float]) -> float | None:
    return sum(error * error for error in errors) / len(errors) if errors else None
