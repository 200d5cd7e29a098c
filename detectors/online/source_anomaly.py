"""How unusual the latest period of a source is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import date

import msgspec
from scipy import special

from detectors.online.quality_indicator import QualityIndicator

__all__ = ["SourceAnomaly"]

_MEDIAN_VARIANCE = math.pi / 2  # of the median of normal values, times their number
_LEAST_OTHERS = 2


class SourceAnomaly(msgspec.Struct, frozen=True):
    r"""Anomaly score of a source's latest period: 0 nothing unusual, 2 as seen once in a hundred periods, no upper end.

    It is :math:`-\log_{10}` of the chance that any of the source's indicators lies as far from its past as the furthest
    does (normal tails, Bonferroni), so scores of sources with few and with many indicators compare.

    Parameters
    ----------
    source, period_start
        Whose, and the first day of the period (UTC).
    score
        Against the source's own past.
    score_among_others
        The same after taking off what happened to the other sources in the period (the median of their deviations);
        None with fewer than two others. A holiday moves all sources: high score, low score among others.
    indicator
        The one that lies furthest from its past.
    deviation
        How far, in standard deviations; negative below.
    """

    source: str
    period_start: date
    score: float
    score_among_others: float | None
    indicator: QualityIndicator
    deviation: float

    @classmethod
    def rank(
        cls, period_start: date, deviations: Mapping[str, Mapping[QualityIndicator, float]]
    ) -> tuple[SourceAnomaly, ...]:
        """Score every source that has a deviation, the most unusual first."""
        found = []
        for source, own in deviations.items():
            if not own:
                continue
            furthest = max(own, key=lambda indicator: abs(own[indicator]))
            others = [theirs for name, theirs in deviations.items() if name != source and theirs]
            found.append(
                cls(
                    source,
                    period_start,
                    _score(list(own.values())),
                    _score([_beside(own[key], key, others) for key in own]) if len(others) >= _LEAST_OTHERS else None,
                    furthest,
                    own[furthest],
                )
            )
        return tuple(sorted(found, key=lambda each: (-each.score, each.source)))


def _beside(deviation: float, indicator: QualityIndicator, others: Sequence[Mapping[QualityIndicator, float]]) -> float:
    """The deviation less the median of the others', in its own standard deviations again."""
    theirs = [each[indicator] for each in others if indicator in each]
    if len(theirs) < _LEAST_OTHERS:
        return deviation
    return (deviation - statistics.median(theirs)) / math.sqrt(1 + _MEDIAN_VARIANCE / len(theirs))


def _score(deviations: Sequence[float]) -> float:
    furthest = max(map(abs, deviations))
    log_chance = math.log(2 * len(deviations)) + float(special.log_ndtr(-furthest))
    return max(0.0, -log_chance / math.log(10))
