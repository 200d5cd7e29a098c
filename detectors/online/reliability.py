"""Whether probabilities hold: of the cases scored 0.7, is it 70 in a hundred?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Reliability", "ReliabilityBin"]


class ReliabilityBin(NamedTuple):
    """Cases with a score within a tenth: how many, their mean score, and the share for which it was true."""

    cases: int
    mean_score: float
    true_share: float


class Reliability(NamedTuple):
    r"""Scores of past cases against what came of them.

    Over ten bins of equal width with :math:`n_k` of :math:`n` cases, mean score :math:`s_k` and true share :math:`o_k`
    (:math:`\bar o` of all), the Brier score :math:`\sum (s - o)^2 / n` is `miscalibration` less `resolution` plus
    `uncertainty`, but for the spread of scores within a bin.

    Parameters
    ----------
    bins
        The bins that have cases, lowest first.
    calibration_error
        :math:`\sum n_k |s_k - o_k| / n`, expected calibration error; 0 best.
    miscalibration
        :math:`\sum n_k (s_k - o_k)^2 / n`; 0 best.
    resolution
        :math:`\sum n_k (o_k - \bar o)^2 / n`; how far scores tell cases apart, 0 worst.
    uncertainty
        :math:`\bar o (1 - \bar o)`: the Brier score of whoever knows no more than the share.

    Examples
    --------
    >>> found = Reliability.of([True, False, False, True], [0.9, 0.1, 0.1, 0.1])
    >>> [(each.cases, round(each.true_share, 2)) for each in found.bins], round(found.calibration_error, 3)
    ([(3, 0.33), (1, 1.0)], 0.2)

    References
    ----------
    Murphy AH (1973), Journal of Applied Meteorology 12:595-600, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2
    """

    bins: tuple[ReliabilityBin, ...]
    calibration_error: float
    miscalibration: float
    resolution: float
    uncertainty: float

    @classmethod
    def of(cls, labels: Sequence[bool], scores: Sequence[float]) -> Reliability | None:
        """How scores in [0, 1] and labels agree; None without any."""
        if not labels:
            return None
        sums = [[0, 0.0, 0] for _ in range(10)]
        for label, score in zip(labels, scores, strict=True):
            held = sums[min(int(score * 10), 9)]
            held[0] += 1
            held[1] += score
            held[2] += label
        bins = tuple(ReliabilityBin(int(n), total / n, true / n) for n, total, true in sums if n)
        share = sum(labels) / len(labels)
        parts = [(each.cases / len(labels), each.mean_score - each.true_share, each.true_share) for each in bins]
        return cls(
            bins,
            calibration_error=sum(weight * abs(gap) for weight, gap, _ in parts),
            miscalibration=sum(weight * gap * gap for weight, gap, _ in parts),
            resolution=sum(weight * (true - share) ** 2 for weight, _, true in parts),
            uncertainty=share * (1 - share),
        )
