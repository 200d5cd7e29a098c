"""Watches the reporting rates of products or pairs, very many at once, each against its own season.

All series are brought forward together when a period ends, as arrays: what a report costs in between is one entry of a
dictionary, and a pair that is reported once a year costs no more than one reported daily.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cases import IntegrityError, ParameterError
from detectors.online._columns import Columns
from detectors.online._deviance import poisson_deviance
from detectors.online.cusum_test import CusumTest
from detectors.online.page_hinkley_test import PageHinkleyTest
from detectors.online.rate_alarm import RateAlarm
from detectors.online.rate_test import RateTest
from detectors.online.seasonal_rates import SeasonalRates
from detectors.online.window_test import WindowTest

__all__ = ["RateWatch"]

_SNAPSHOT_VERSION = 1
_TESTS: dict[str, type[Any]] = {test.NAME: test for test in (CusumTest, PageHinkleyTest, WindowTest)}
_LONGEST_GAP = 520  # periods without any report after which nothing known is of use
_COLUMNS = ("first", "last", "quiet_until", "reports")


class RateWatch:
    """Changes of reporting rates, by a sequential test of counts against what the season lets one expect.

    Parameters
    ----------
    test
        `CusumTest` (the default), `PageHinkleyTest` or `WindowTest`.
    rates
        How expectations are learned (`SeasonalRates()` by default).
    period_days
        Length of a period in days, at least 1; a period is judged when a later one begins.
    min_periods
        Periods after the one of its first report before a series is judged, at least 1. Below a year of them its
        season is not known yet.
    relearn_periods
        Periods after an alarm in which a series is not judged while its new rate is learned, and is `changed`; more
        than `rates` waits before it learns a period.
    max_keys
        Most series watched, at least 1; beyond it those not reported for longest are forgotten (`forgotten`). It also
        bounds how many new ones a period can bring; further ones are passed over and counted likewise.

    Notes
    -----
    Counts and expectations are divided by the dispersion of the series (`SeasonalRates.dispersion`, 1 for Poisson
    counts) before the test sees them: a series that always came in bursts needs a larger one for an alarm.

    It watches what arrives: a superseded or nullified case is not taken back. A report with a time before the open
    period is counted in the open one. A series begins with its first report; the period of that report is not learned,
    as it was chosen for having one. A pause of 520 periods begins everything anew.

    Examples
    --------
    >>> from datetime import timedelta
    >>> watch, start = RateWatch(min_periods=26), datetime(2026, 1, 5, tzinfo=UTC)
    >>> for week in range(60):
    ...     for _ in range(2 if week < 50 else 6):
    ...         watch.learn_one(("vaccine A", "Syncope"), start + timedelta(weeks=week))
    ...     watch.learn_one(("vaccine A", "Fever"), start + timedelta(weeks=week))
    >>> watch.changed()
    (('vaccine A', 'Syncope'),)
    >>> alarm = watch.recent_alarms[0]
    >>> (alarm.period_start - start.date()).days // 7, alarm.count, round(alarm.expected, 1)
    (53, 6, 2.0)
    """

    def __init__(
        self,
        *,
        test: RateTest | None = None,
        rates: SeasonalRates | None = None,
        period_days: int = 7,
        min_periods: int = 52,
        relearn_periods: int = 13,
        max_keys: int = 50_000,
    ) -> None:
        for name, value in (
            ("period_days", period_days),
            ("min_periods", min_periods),
            ("max_keys", max_keys),
        ):
            if not value >= 1:
                raise ParameterError(f"{name} must be at least 1, not {value!r}")
        rates = rates if rates is not None else SeasonalRates()
        if not relearn_periods > rates.guard_periods:
            least = rates.guard_periods + 1
            raise ParameterError(f"relearn_periods must be at least {least} with these rates, not {relearn_periods!r}")
        self.test = test if test is not None else CusumTest()
        self.rates = rates
        self.period_days = period_days
        self.min_periods = min_periods
        self.relearn_periods = relearn_periods
        self.max_keys = max_keys
        self.detections = 0  # alarms since the beginning, forgotten series' included
        self.forgotten = 0  # series dropped or passed over because max_keys was reached
        self.judged = 0  # counts that were judged: series times periods
        self._deviances = [0.0, 0.0]
        self._now: int | None = None  # the open period
        self._open: dict[tuple[str, ...], int] = {}  # its reports
        self._rows: dict[tuple[str, ...], int] = {}
        self._keys: list[tuple[str, ...]] = []  # by row
        self._columns = Columns(_COLUMNS)
        self._alarms: deque[RateAlarm] = deque(maxlen=100)

    def learn_one(self, key: tuple[str, ...], at: datetime) -> None:
        """Count one report of the series `key` that was received at `at`, which must carry a time zone."""
        if at.tzinfo is None:
            raise ParameterError("at must carry a time zone")
        period = (at.astimezone(UTC).toordinal() - 1) // self.period_days  # ordinal 1 is a Monday
        if self._now is None:
            self._now = period
        elif period > self._now:
            self._close_until(period)
        count = self._open.get(key)
        if count is None:
            if len(self._open) >= self.max_keys:
                self.forgotten += 1
                return
            count = 0
        self._open[key] = count + 1

    def expected_one(self, key: tuple[str, ...]) -> float | None:
        """Reports that the open period is expected to bring for a series, None where it has no past."""
        row = self._rows.get(key)
        if row is None or self._now is None:
            return None
        expected = float(self.rates.expected(self._year_fraction(self._now))[row])
        return None if math.isnan(expected) else expected

    def changed(self) -> tuple[tuple[str, ...], ...]:
        """Series whose rate changed and whose new rate is not yet known well, sorted."""
        if self._now is None:
            return ()
        return tuple(sorted(self._keys[row] for row in np.flatnonzero(self._columns["quiet_until"] >= self._now)))

    @property
    def recent_alarms(self) -> tuple[RateAlarm, ...]:
        """The last alarms, oldest first, at most 100."""
        return tuple(self._alarms)

    @property
    def deviance(self) -> float | None:
        """Mean Poisson deviance of the judged counts from what was expected before them; None before the first."""
        return self._deviances[0] / self.judged if self.judged else None

    @property
    def baseline_deviance(self) -> float | None:
        """The same for the trivial expectation: the mean of the series' periods so far."""
        return self._deviances[1] / self.judged if self.judged else None

    def _close_until(self, period: int) -> None:
        """Judge and learn the open period and the empty ones after it, up to but without `period`."""
        now = self._now if self._now is not None else period
        if period - now > _LONGEST_GAP:
            self.forgotten += len(self._rows)
            self._rows, self._keys, self._columns, self._open = {}, [], Columns(_COLUMNS), {}
            self.test = _TESTS[self.test.NAME](**self.test.settings())
            self.rates = SeasonalRates(**self.rates.settings())
            now = period
        for ended in range(now, period):
            if self._keys:
                self._close(ended)
            if self._open:
                self._begin(ended, [key for key in self._open if key not in self._rows])
                self._open = {}
        self._now = period

    def _close(self, now: int) -> None:
        """Judge and learn the period `now` of every series that began before it."""
        counts = np.zeros(len(self._keys))
        for key, count in self._open.items():
            if (row := self._rows.get(key)) is not None:
                counts[row] = count
        columns = self._columns
        columns["last"][counts > 0] = now
        year_fraction = self._year_fraction(now)
        expected = self.rates.expected(year_fraction)
        past = now - columns["first"] - 1  # periods after the first
        is_judged = (
            (past >= self.min_periods + self.rates.guard_periods) & (columns["quiet_until"] < now) & (expected > 0)
        )
        self._score(counts[is_judged], expected[is_judged], columns["reports"][is_judged], past[is_judged])
        dispersion = self.rates.dispersion()
        alarms = np.flatnonzero(self.test.update(counts / dispersion, expected / dispersion, is_judged))
        self.rates.learn_dispersion(counts, expected, is_judged)
        start = date.fromordinal(now * self.period_days + 1)
        for row in alarms.tolist():
            self._alarms.append(RateAlarm(self._keys[row], start, float(expected[row]), int(counts[row])))
        self.detections += len(alarms)
        self.test.columns.clear(alarms)
        self.rates.relearn(alarms)
        columns["quiet_until"][alarms] = now + self.relearn_periods
        columns["reports"][:] += counts
        self.rates.learn(year_fraction, counts)
        self.rates.settle(np.flatnonzero(columns["quiet_until"] == now))

    def _score(
        self,
        counts: NDArray[np.float64],
        expected: NDArray[np.float64],
        reports: NDArray[np.float64],
        past: NDArray[np.float64],
    ) -> None:
        self.judged += len(counts)
        self._deviances[0] += float(poisson_deviance(counts, expected).sum())
        self._deviances[1] += float(poisson_deviance(counts, (reports + 0.5) / (past + 1.0)).sum())

    def _begin(self, now: int, keys: list[tuple[str, ...]]) -> None:
        """Give new series a row; where there are too many, those not reported for longest lose theirs."""
        columns, held = self._columns, len(self._keys)
        surplus = held + len(keys) - self.max_keys
        freed = np.argsort(columns["last"], kind="stable")[: max(surplus, 0)]
        for row in freed.tolist():
            del self._rows[self._keys[row]]
        self.forgotten += len(freed)
        fresh = np.arange(held, held + len(keys) - len(freed))
        self._keys += [()] * len(fresh)
        for part in (self._columns, self.rates, self.test.columns):
            part.resize(len(self._keys))
            part.clear(freed)
        for row, key in zip([*freed.tolist(), *fresh.tolist()], keys, strict=True):
            self._keys[row], self._rows[key] = key, row
            columns["first"][row] = columns["last"][row] = now
            columns["quiet_until"][row] = -1

    def _year_fraction(self, period: int) -> float:
        """Where in the year the middle of a period lies, in [0, 1)."""
        middle = date.fromordinal(period * self.period_days + 1 + self.period_days // 2)
        return (middle.timetuple().tm_yday - 1) / 366

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON-able values."""
        return {
            "version": _SNAPSHOT_VERSION,
            "settings": [self.period_days, self.min_periods, self.relearn_periods, self.max_keys],
            "now": self._now,
            "counters": [self.detections, self.forgotten, self.judged, *self._deviances],
            "alarms": [[list(a.key), a.period_start.isoformat(), a.expected, a.count] for a in self._alarms],
            "open": [[list(key), count] for key, count in self._open.items()],
            "keys": [list(key) for key in self._keys],
            "series": self._columns.pack(),
            "rates": self.rates.snapshot(),
            "test": self.test.snapshot(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> RateWatch:
        """The watch `snapshot` was taken of; it goes on exactly as that one would have.

        Raises `IntegrityError` where `state` is of another version or not a snapshot.
        """
        if state.get("version") != _SNAPSHOT_VERSION:
            raise IntegrityError(f"watch snapshot version must be {_SNAPSHOT_VERSION}, not {state.get('version')!r}")
        try:
            period_days, min_periods, relearn_periods, max_keys = state["settings"]
            test = _TESTS[state["test"]["name"]](**state["test"]["settings"])
            test.load(state["test"])
            restored = cls(
                test=test,
                rates=SeasonalRates.restore(state["rates"]),
                period_days=period_days,
                min_periods=min_periods,
                relearn_periods=relearn_periods,
                max_keys=max_keys,
            )
            restored._now = state["now"]
            restored.detections, restored.forgotten, restored.judged, *restored._deviances = state["counters"]
            for key, start, expected, count in state["alarms"]:
                restored._alarms.append(RateAlarm(tuple(key), date.fromisoformat(start), expected, count))
            restored._open = {tuple(key): count for key, count in state["open"]}
            restored._keys = [tuple(key) for key in state["keys"]]
            restored._rows = {key: row for row, key in enumerate(restored._keys)}
            restored._columns.unpack(state["series"])
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("not a snapshot of a watch") from error
        if not restored._columns.size == len(restored._rows) == len(restored._keys):
            raise IntegrityError("not a snapshot of a watch: series and their values differ in number")
        return restored
