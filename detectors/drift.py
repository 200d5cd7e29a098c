"""Drift of reporting rates: whether a product is suddenly reported more, or less, often than it used to be.

A change of the rate is no safety signal by itself (a new ward, a campaign, a broken interface do it too), but whoever
reads the disproportionality of a product must know of it.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from cases import IntegrityError, ParameterError

if TYPE_CHECKING:
    from river.drift import PageHinkley

__all__ = ["RateChange", "ReportingRateDrift"]

_SNAPSHOT_VERSION = 1


class RateChange(msgspec.Struct, frozen=True):
    """An alarm: the period in which a product's rate was found changed, and the two rates, in reports a period.

    `rate_before` is the mean since the detector's last baseline, `rate_now` the count of the alarming period.
    """

    product: str
    period_start: date
    rate_before: float
    rate_now: int


@dataclass(slots=True)
class _Watch:
    """One product: its detector, the open period with its count, and how many periods the baseline has."""

    detector: PageHinkley
    period: int
    count: int = 0
    is_drifting: bool = False
    total: int = 0  # reports in the closed periods of the baseline


class ReportingRateDrift:
    r"""Page-Hinkley test on the number of reports of every product in successive periods.

    Counts :math:`n` of a period are made comparable over products by :math:`x = 2\sqrt{n + 3/8}` (Anscombe), which has
    a variance of about 1 for Poisson counts whatever the rate, and less for rare products. The test adds up how far
    :math:`x` lies above (and, apart from that, below) its running mean by more than `tolerance` and raises an alarm
    when the sum passes `threshold`; it then learns a new baseline. Periods without any report count as zero, also those
    in which no other product was reported.

    Parameters
    ----------
    period_days
        Length of a period in days, at least 1. A week keeps weekends from looking like drift; a period is judged
        when a later one begins.
    min_periods
        Periods of baseline before the first alarm, at least 2; a product is called drifting until it has as many again
        after an alarm.
    tolerance
        Change that is not of interest, in standard deviations of a count, at least 0.
    threshold
        Sum that raises the alarm, in the same unit, above 0. Higher means fewer false alarms and later true ones.
    max_products
        Most products watched at a time, at least 1; beyond it the one not reported for longest is forgotten, and
        counted in `forgotten`.

    Notes
    -----
    It watches what arrives: a superseded or nullified case is not taken back. A report with a time before the open
    period is counted in the open one, as epochs do.

    Examples
    --------
    >>> from datetime import timedelta
    >>> drift, start = ReportingRateDrift(), datetime(2026, 1, 5, tzinfo=UTC)
    >>> for week in range(30):
    ...     for _ in range(4 if week < 20 else 16):
    ...         drift.learn_one("vaccine A", start + timedelta(weeks=week))
    >>> drift.drifting()
    ('vaccine A',)
    >>> drift.recent_changes[0].period_start - start.date() < timedelta(weeks=23)
    True

    References
    ----------
    Page ES (1954), Biometrika 41:100-115, doi:10.1093/biomet/41.1-2.100.
    Anscombe FJ (1948), Biometrika 35:246-254, doi:10.1093/biomet/35.3-4.246
    """

    def __init__(
        self,
        *,
        period_days: int = 7,
        min_periods: int = 8,
        tolerance: float = 0.5,
        threshold: float = 6.0,
        max_products: int = 20_000,
    ) -> None:
        from river.drift import PageHinkley  # here, as River takes four seconds to import and not all need it

        if not period_days >= 1:
            raise ParameterError(f"period_days must be at least 1, not {period_days!r}")
        if not min_periods >= 2:
            raise ParameterError(f"min_periods must be at least 2, not {min_periods!r}")
        if not 0 <= tolerance < math.inf:
            raise ParameterError(f"tolerance must lie in [0, infinity), not {tolerance!r}")
        if not 0 < threshold < math.inf:
            raise ParameterError(f"threshold must lie in (0, infinity), not {threshold!r}")
        if not max_products >= 1:
            raise ParameterError(f"max_products must be at least 1, not {max_products!r}")
        self._detector_type = PageHinkley
        self.period_days = period_days
        self.min_periods = min_periods
        self.tolerance = tolerance
        self.threshold = threshold
        self.max_products = max_products
        self.detections = 0  # alarms since the beginning, forgotten products' included
        self.forgotten = 0  # products dropped because max_products was reached
        self._now: int | None = None  # the open period
        self._watched: OrderedDict[str, _Watch] = OrderedDict()  # least recently reported first
        self._changes: deque[RateChange] = deque(maxlen=100)

    def learn_one(self, product: str, at: datetime) -> None:
        """Count one report of `product` that was received at `at`, which must carry a time zone."""
        if at.tzinfo is None:
            raise ParameterError("at must carry a time zone")
        period = (at.astimezone(UTC).toordinal() - 1) // self.period_days  # ordinal 1 is a Monday
        self._now = period = period if self._now is None else max(period, self._now)
        watch = self._watched.get(product)
        if watch is None:
            if len(self._watched) >= self.max_products:
                self._watched.popitem(last=False)
                self.forgotten += 1
            watch = self._watched[product] = _Watch(self._new_detector(), period)
        else:
            self._watched.move_to_end(product)
            self._close_until(product, watch, period)
        watch.count += 1

    def drifting(self) -> tuple[str, ...]:
        """Products whose rate changed and whose new rate is not yet known well, sorted.

        Brings every product to the newest period first, so that one that fell silent is seen: O(products).
        """
        if self._now is not None:
            for product, watch in self._watched.items():
                self._close_until(product, watch, self._now)
        return tuple(sorted(product for product, watch in self._watched.items() if watch.is_drifting))

    @property
    def recent_changes(self) -> tuple[RateChange, ...]:
        """The last alarms, oldest first, at most 100."""
        return tuple(self._changes)

    def _close_until(self, product: str, watch: _Watch, period: int) -> None:
        """Judge the product's open period and the empty ones after it, up to but without `period`."""
        while watch.period < period:
            detector = watch.detector
            before, periods = watch.total, detector._x_mean.n
            detector.update(2.0 * math.sqrt(watch.count + 0.375))  # type: ignore[no-untyped-call]  # River's is not
            watch.total += watch.count
            if detector.drift_detected:
                self.detections += 1
                start = date.fromordinal(watch.period * self.period_days + 1)
                self._changes.append(RateChange(product, start, before / max(periods, 1.0), watch.count))
                watch.detector, watch.total, watch.is_drifting = self._new_detector(), 0, True
            elif watch.is_drifting and detector._x_mean.n >= self.min_periods:
                watch.is_drifting = False
            watch.period += 1
            watch.count = 0

    def _new_detector(self) -> PageHinkley:
        return self._detector_type(
            min_instances=self.min_periods, delta=self.tolerance, threshold=self.threshold, alpha=1.0, mode="both"
        )

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON-able values; River's estimators as their fields, never pickled."""
        return {
            "version": _SNAPSHOT_VERSION,
            "settings": [self.period_days, self.min_periods, self.tolerance, self.threshold, self.max_products],
            "now": self._now,
            "detections": self.detections,
            "forgotten": self.forgotten,
            "changes": [[c.product, c.period_start.isoformat(), c.rate_before, c.rate_now] for c in self._changes],
            "products": [
                [name, w.period, w.count, w.is_drifting, w.total, *_fields(w.detector)]
                for name, w in self._watched.items()
            ],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> ReportingRateDrift:
        """The detector `snapshot` was taken of; it goes on exactly as that one would have.

        Raises `IntegrityError` where `state` is of another version or not a snapshot.
        """
        if state.get("version") != _SNAPSHOT_VERSION:
            raise IntegrityError(f"drift snapshot version must be {_SNAPSHOT_VERSION}, not {state.get('version')!r}")
        try:
            period_days, min_periods, tolerance, threshold, max_products = state["settings"]
            restored = cls(
                period_days=period_days,
                min_periods=min_periods,
                tolerance=tolerance,
                threshold=threshold,
                max_products=max_products,
            )
            restored._now = state["now"]
            restored.detections, restored.forgotten = state["detections"], state["forgotten"]
            for product, start, before, now in state["changes"]:
                restored._changes.append(RateChange(product, date.fromisoformat(start), before, now))
            for name, period, count, is_drifting, total, *fields in state["products"]:
                detector = restored._new_detector()
                _set_fields(detector, fields)
                restored._watched[name] = _Watch(detector, period, count, is_drifting, total)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("not a drift snapshot") from error
        return restored


def _fields(detector: PageHinkley) -> list[float | None]:
    """State of a Page-Hinkley test that has not just raised an alarm; JSON has no infinity, hence None."""
    lowest = detector._min_increase
    return [
        detector._x_mean.n,
        detector._x_mean.get(),
        detector._sum_increase,
        detector._sum_decrease,
        None if math.isinf(lowest) else lowest,
        detector._max_decrease,
    ]


def _set_fields(detector: PageHinkley, fields: list[Any]) -> None:
    from river.stats import Mean

    n, mean, increase, decrease, lowest, highest = fields
    detector._x_mean = Mean._from_state(n, mean)
    detector._sum_increase, detector._sum_decrease = increase, decrease
    detector._min_increase = math.inf if lowest is None else lowest
    detector._max_decrease = highest
