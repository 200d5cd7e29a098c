"""One indicator of one source over time: its discounted mean, how much it varies, and two sums of deviations."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from detectors.online.quality_indicator import QualityIndicator

__all__ = ["Judgement", "QualitySeries"]

_MOST_ADDED = 4.0  # of the deviation of one period, to a sum
_DISPERSION_PERIODS = 4.0  # periods with the variance of chance that the dispersion begins with
_FIELDS = ("hits", "trials", "squares", "weight", "spread", "periods", "above", "below", "all_hits", "all_trials")


class Judgement(NamedTuple):
    """A period against the periods before: deviation over usual spread, squared errors, and both values."""

    deviation: float
    error: float
    baseline_error: float
    before: float
    now: float


class QualitySeries:
    """Running values of an indicator; hits over trials is its value in a period."""

    def __init__(self, indicator: QualityIndicator) -> None:
        self.indicator = indicator
        self.now = [0.0, 0.0, 0.0]  # hits, trials, squared hits of the open period
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the past: the mean has changed."""
        self.hits = self.trials = self.squares = 0.0  # discounted
        self.weight = self.spread = 0.0  # discounted number of judged periods, and their squared errors
        self.periods = 0  # learned, not discounted
        self.above = self.below = 0.0
        self.all_hits = self.all_trials = 0.0

    def add(self, hits: float, trials: float) -> None:
        """Count a case into the open period."""
        now = self.now
        now[0] += hits
        now[1] += trials
        now[2] += hits * hits

    def close(self, kept: float, min_periods: int) -> Judgement | None:
        """Judge the open period if the past is long enough, then learn it; None where it is not judged."""
        hits, trials, squares = self.now
        self.now = [0.0, 0.0, 0.0]
        if self.indicator is QualityIndicator.CASES:
            trials = 1.0
        if trials == 0:
            return None
        judgement = self._judge(hits, trials) if self.periods >= min_periods else None
        self.hits = self.hits * kept + hits
        self.trials = self.trials * kept + trials
        self.squares = self.squares * kept + squares
        self.periods += 1
        self.all_hits += hits
        self.all_trials += trials
        if judgement is not None:
            usual = max(1.0, self._dispersion())
            self.weight = self.weight * kept + 1.0
            self.spread = self.spread * kept + min(judgement.error, 9.0 * usual)  # a broken week is no usual spread
        return judgement

    def is_beyond(self, deviation: float, tolerance: float, threshold: float) -> bool:
        """Add a deviation to both sums and say whether one passes the threshold."""
        moved = min(max(deviation, -_MOST_ADDED), _MOST_ADDED)
        self.above = max(0.0, self.above + moved - tolerance)
        self.below = max(0.0, self.below - moved - tolerance)
        return max(self.above, self.below) > threshold

    def _dispersion(self) -> float:
        return (self.spread + _DISPERSION_PERIODS) / (self.weight + _DISPERSION_PERIODS)

    def _judge(self, hits: float, trials: float) -> Judgement | None:
        error = self._error(hits, trials, self.hits, self.trials)
        baseline = self._error(hits, trials, self.all_hits, self.all_trials)
        if error is None or baseline is None:
            return None
        deviation = error / math.sqrt(max(1.0, self._dispersion()))
        return Judgement(deviation, error * error, baseline * baseline, self.hits / self.trials, hits / trials)

    def _error(self, hits: float, trials: float, past_hits: float, past_trials: float) -> float | None:
        """Deviation of a period's value from a past mean, in standard deviations that chance alone gives both."""
        if self.indicator.is_share:
            share = (hits + past_hits + 1.0) / (trials + past_trials + 2.0)
            chance = share * (1 - share) * (1 / trials + 1 / past_trials)
            return (hits / trials - past_hits / past_trials) / math.sqrt(chance)
        if self.indicator is QualityIndicator.CASES:
            moved = math.sqrt(hits + 0.375) - math.sqrt(past_hits / past_trials + 0.375)
            return 2.0 * moved / math.sqrt(1 + 1 / past_trials)
        variance = self.squares / self.trials - (self.hits / self.trials) ** 2
        if not variance > 1e-12:  # all delays alike: nothing to measure a difference by
            return None
        difference = hits / trials - past_hits / past_trials
        return difference / math.sqrt(variance * (1 / trials + 1 / past_trials))

    def state(self) -> list[Any]:
        """All values, in an order of their own."""
        return [*self.now, *(getattr(self, name) for name in _FIELDS)]

    def load(self, values: list[Any]) -> None:
        """Take over what `state` gave; raises `ValueError` for another number of values."""
        self.now = list(values[:3])
        for name, value in zip(_FIELDS, values[3:], strict=True):
            setattr(self, name, value)
