"""Data-quality drift: whether what a source sends is suddenly emptier, less codable, later, or more or less of it.

A broken interface shows here before it shows in any statistic, and a statistic that moved can be held against it.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from datetime import UTC, date
from typing import Any

from cases import Case, IntegrityError, ParameterError
from detectors.online._quality_series import QualitySeries
from detectors.online.quality_change import QualityChange
from detectors.online.quality_indicator import QualityIndicator
from detectors.online.source_anomaly import SourceAnomaly

__all__ = ["SourceQuality"]

_SNAPSHOT_VERSION = 1
_INDICATORS = tuple(QualityIndicator)
_LONGEST_GAP = 520  # periods without a case of a source after which nothing known of it is of use


class _Source:
    """A source: its open period, a series for each indicator, and how its last closed period deviated."""

    def __init__(self, period: int) -> None:
        self.period = period
        self.series = [QualitySeries(indicator) for indicator in _INDICATORS]
        self.deviations: dict[QualityIndicator, float] = {}


class SourceQuality:
    r"""Change of missing fields, unmapped terms, delay and number of cases of every source, and anomaly scores.

    Each indicator of a closed period is compared with the mean of the periods before, discounted by age: the difference
    over the standard error that chance gives it (of two shares, of two mean delays, of :math:`2\sqrt{n}` for numbers of
    cases), and over how much the indicator varied in the past where that is more than chance. Sums above and below 0
    (Page and Hinkley) raise an alarm, after which the indicator learns a new mean.

    Parameters
    ----------
    period_days
        Length of a period in days, at least 1; a period is judged when a later one begins.
    half_life_periods
        Age at which a period counts half, above 0.
    min_periods
        Periods with cases before an indicator is judged, at least 2.
    tolerance
        Change of no interest, in standard deviations, at least 0.
    threshold
        Sum that raises the alarm, in the same unit, above 0. A period adds at most 4, so that one alone raises none.
    max_sources
        Most sources, at least 1; beyond it the one not heard of for longest is forgotten (`forgotten`).

    Notes
    -----
    A period without cases says nothing about shares and delay, and 0 about the number of cases. A nullified case is not
    looked at. A source that was silent for 520 periods begins anew. Whether a change is the source's or the world's,
    `anomalies` says beside the others, not this.

    Examples
    --------
    >>> from datetime import datetime, timedelta
    >>> from cases import CaseVersion
    >>> quality, start = SourceQuality(), datetime(2026, 1, 5, tzinfo=UTC)
    >>> for number in range(7 * 40 * 4):
    ...     at = start + timedelta(hours=6 * number)
    ...     quality.learn_one(Case(source="ward", case_id=str(number), version=CaseVersion(at), patient="p",
    ...         received_at=at, age_years=None if number % 10 == 0 or number > 840 else 40.0))
    >>> change = quality.recent_changes[0]
    >>> change.indicator, change.period_start.isoformat(), round(change.before, 1), change.now
    (<QualityIndicator.NO_AGE: 'no-age'>, '2026-08-10', 0.1, 1.0)

    References
    ----------
    Page ES (1954), Biometrika 41:100-115, doi:10.1093/biomet/41.1-2.100.
    Laney DB (2002), Quality Engineering 14:531-537, doi:10.1081/QEN-120003555 (shares that vary more than chance)
    """

    def __init__(
        self,
        *,
        period_days: int = 7,
        half_life_periods: float = 26.0,
        min_periods: int = 8,
        tolerance: float = 0.5,
        threshold: float = 6.0,
        max_sources: int = 200,
    ) -> None:
        for name, value, least in (
            ("period_days", period_days, 1),
            ("min_periods", min_periods, 2),
            ("max_sources", max_sources, 1),
        ):
            if not value >= least:
                raise ParameterError(f"{name} must be at least {least}, not {value!r}")
        if not 0 <= tolerance < math.inf:
            raise ParameterError(f"tolerance must lie in [0, infinity), not {tolerance!r}")
        for setting, number in (("half_life_periods", half_life_periods), ("threshold", threshold)):
            if not 0 < number < math.inf:
                raise ParameterError(f"{setting} must lie in (0, infinity), not {number!r}")
        self.period_days = period_days
        self.half_life_periods = half_life_periods
        self.min_periods = min_periods
        self.tolerance = tolerance
        self.threshold = threshold
        self.max_sources = max_sources
        self.detections = 0  # alarms since the beginning, forgotten sources' included
        self.forgotten = 0
        self._judged = 0
        self._errors = [0.0, 0.0]
        self._now: int | None = None  # the open period
        self._sources: OrderedDict[str, _Source] = OrderedDict()  # longest not heard of first
        self._changes: deque[QualityChange] = deque(maxlen=100)

    def learn_one(self, case: Case) -> None:
        """Take in what a case says of its source's data, at the time it was received."""
        if case.is_nullified:
            return
        period = (case.received_at.astimezone(UTC).toordinal() - 1) // self.period_days
        self._now = period = period if self._now is None else max(period, self._now)
        source = self._sources.get(case.source)
        if source is None:
            if len(self._sources) >= self.max_sources:
                self._sources.popitem(last=False)
                self.forgotten += 1
            source = self._sources[case.source] = _Source(period)
        else:
            self._sources.move_to_end(case.source)
            if source.period < period:
                self._close_until(case.source, source, period)
                source = self._sources[case.source]
        for series, (hits, trials) in zip(source.series, QualityIndicator.of(case), strict=True):
            if trials:
                series.add(hits, trials)

    def anomalies(self) -> tuple[SourceAnomaly, ...]:
        """How unusual the latest closed period of every source is, the most unusual first.

        Brings every source to the newest period. Sources whose past is too short, or that brought nothing to judge,
        are left out: they have no score, which is not a score of 0.
        """
        if self._now is None:
            return ()
        for name, source in self._sources.items():
            self._close_until(name, source, self._now)
        found = {name: source.deviations for name, source in self._sources.items()}
        return SourceAnomaly.rank(self._day(self._now - 1), found)

    @property
    def recent_changes(self) -> tuple[QualityChange, ...]:
        """The last alarms, oldest first, at most 100."""
        return tuple(self._changes)

    @property
    def error(self) -> float | None:
        """Mean squared deviation of judged values from what was expected, before they came; about 1 is chance alone."""
        return self._errors[0] / self._judged if self._judged else None

    @property
    def baseline_error(self) -> float | None:
        """The same for the trivial expectation: the mean of all periods so far, the oldest as much as the newest."""
        return self._errors[1] / self._judged if self._judged else None

    def _close_until(self, name: str, source: _Source, period: int) -> None:
        """Judge the open period of a source and the empty ones after it, up to but without `period`."""
        if period - source.period > _LONGEST_GAP:
            self._sources[name] = _Source(period)
            return
        kept = 0.5 ** (1 / self.half_life_periods)
        while source.period < period:
            source.deviations = {}
            for series in source.series:
                judged = series.close(kept, self.min_periods)
                if judged is None:
                    continue
                self._judged += 1
                self._errors[0] += judged.error
                self._errors[1] += judged.baseline_error
                source.deviations[series.indicator] = judged.deviation
                if series.is_beyond(judged.deviation, self.tolerance, self.threshold):
                    self.detections += 1
                    day = self._day(source.period)
                    self._changes.append(QualityChange(name, series.indicator, day, judged.before, judged.now))
                    series.begin_anew()
            source.period += 1

    def _day(self, period: int) -> date:
        return date.fromordinal(period * self.period_days + 1)

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON-able values."""
        return {
            "version": _SNAPSHOT_VERSION,
            "settings": {
                "period_days": self.period_days,
                "half_life_periods": self.half_life_periods,
                "min_periods": self.min_periods,
                "tolerance": self.tolerance,
                "threshold": self.threshold,
                "max_sources": self.max_sources,
            },
            "now": self._now,
            "counters": [self.detections, self.forgotten, self._judged, *self._errors],
            "changes": [[c.source, c.indicator, c.period_start.isoformat(), c.before, c.now] for c in self._changes],
            "sources": [
                [name, source.period, dict(source.deviations), [series.state() for series in source.series]]
                for name, source in self._sources.items()
            ],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> SourceQuality:
        """The detector `snapshot` was taken of; it goes on exactly as that one would have.

        Raises `IntegrityError` where `state` is of another version or not a snapshot.
        """
        if state.get("version") != _SNAPSHOT_VERSION:
            raise IntegrityError(f"quality snapshot version must be {_SNAPSHOT_VERSION}, not {state.get('version')!r}")
        try:
            restored = cls(**state["settings"])
            restored._now = state["now"]
            restored.detections, restored.forgotten, restored._judged, *restored._errors = state["counters"]
            for name, indicator, start, before, now in state["changes"]:
                day = date.fromisoformat(start)
                restored._changes.append(QualityChange(name, QualityIndicator(indicator), day, before, now))
            for name, period, deviations, states in state["sources"]:
                source = restored._sources[name] = _Source(period)
                source.deviations = {QualityIndicator(key): value for key, value in deviations.items()}
                for series, values in zip(source.series, states, strict=True):
                    series.load(values)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("not a quality snapshot") from error
        return restored
