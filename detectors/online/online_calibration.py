"""Scores turned into probabilities that hold, learned while the scores are given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cases import IntegrityError, ParameterError

__all__ = ["OnlineCalibration"]

_SNAPSHOT_VERSION = 1
_FURTHEST = 12.0  # log-odds beyond which scores are alike
_LEAST_CURVATURE = 0.25  # of the squared error: one confident miss must not turn the line


class OnlineCalibration:
    r"""Platt's calibration, updated one case at a time: :math:`p = 1 / (1 + e^{-(a + b \operatorname{logit} s)})`.

    The two parameters take a Newton step with every labelled score, on the likelihood of the scores so far and a normal
    prior at :math:`a = 0, b = 1`: scores as they are. Meant to learn scores that were given before their case was
    learned; scores of cases already learned look better than they are.

    Parameters
    ----------
    prior
        Precision of the prior, above 0: how much evidence it takes to move a score. About the number of uncertain
        scores that count as much as the prior does, times a quarter.
    forgetting
        Share of the evidence kept with each case, in (0, 1]; below 1 it follows a model that changes (by default
        about the last 2,000 cases).

    Notes
    -----
    It never changes the order of scores while `slope` is above 0, and so no AUC. A model that is calibrated already is
    left alone.

    Examples
    --------
    >>> import random
    >>> rng, calibration = random.Random(1), OnlineCalibration()
    >>> for _ in range(5000):
    ...     score = rng.choice([0.02, 0.5, 0.98])  # claims far more than it knows: 0.2, 0.5 and 0.8 are true
    ...     calibration.learn_one(score, rng.random() < {0.02: 0.2, 0.5: 0.5, 0.98: 0.8}[score])
    >>> [round(calibration.calibrated(score), 1) for score in (0.02, 0.5, 0.98)]
    [0.2, 0.5, 0.8]

    References
    ----------
    Platt J (1999), Advances in Large Margin Classifiers, MIT Press, 61-74.
    Niculescu-Mizil A, Caruana R (2005), International Conference on Machine Learning, 625-632,
    doi:10.1145/1102351.1102430
    """

    def __init__(self, *, prior: float = 20.0, forgetting: float = 0.9995) -> None:
        if not 0 < prior < math.inf:
            raise ParameterError(f"prior must lie in (0, infinity), not {prior!r}")
        if not 0 < forgetting <= 1:
            raise ParameterError(f"forgetting must lie in (0, 1], not {forgetting!r}")
        self.prior = prior
        self.forgetting = forgetting
        self.intercept = 0.0
        self.slope = 1.0
        self._curvature = [prior, 0.0, prior]  # second derivatives: intercept, both, slope

    def calibrated(self, score: float) -> float:
        """The probability in (0, 1) that a score in [0, 1] stands for."""
        return _logistic(self.intercept + self.slope * _log_odds(score))

    def learn_one(self, score: float, label: bool) -> None:
        """Learn how a score turned out."""
        x = _log_odds(score)
        p = _logistic(self.intercept + self.slope * x)
        slip = label - p
        weight = max(p * (1 - p), _LEAST_CURVATURE * slip * slip)
        kept, fresh = self.forgetting, (1 - self.forgetting) * self.prior
        first, both, second = self._curvature
        first = kept * first + fresh + weight
        both = kept * both + weight * x
        second = kept * second + fresh + weight * x * x
        self._curvature = [first, both, second]
        determinant = first * second - both * both
        self.intercept += (second - both * x) * slip / determinant
        self.slope += (first * x - both) * slip / determinant

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON-able values."""
        return {
            "version": _SNAPSHOT_VERSION,
            "settings": [self.prior, self.forgetting],
            "parameters": [self.intercept, self.slope],
            "curvature": list(self._curvature),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> OnlineCalibration:
        """The calibration `snapshot` was taken of. Raises `IntegrityError` for another version or no snapshot."""
        if state.get("version") != _SNAPSHOT_VERSION:
            raise IntegrityError(
                f"calibration snapshot version must be {_SNAPSHOT_VERSION}, not {state.get('version')!r}"
            )
        try:
            prior, forgetting = state["settings"]
            restored = cls(prior=prior, forgetting=forgetting)
            restored.intercept, restored.slope = state["parameters"]
            first, both, second = state["curvature"]
            restored._curvature = [first, both, second]
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("not a calibration snapshot") from error
        return restored


def _log_odds(score: float) -> float:
    if not 0 < score < 1:
        if score in (0, 1):
            return math.copysign(_FURTHEST, score - 0.5)
        raise ParameterError(f"score must lie in [0, 1], not {score!r}")
    return min(max(math.log(score / (1 - score)), -_FURTHEST), _FURTHEST)


def _logistic(value: float) -> float:
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    return math.exp(value) / (1 + math.exp(value))
