"""What counts to expect in the next period, of many series at once, each from its own past and its season.

Reports of a vaccine against influenza rise every autumn. A detector that knows only the mean so far calls that a change
each year; one that knows the season does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cases import IntegrityError, ParameterError
from detectors.online._columns import Columns

__all__ = ["SeasonalRates"]

_SNAPSHOT_VERSION = 1
_LEVEL_REPORTS = 0.5  # reports, at the mean rate of all series, that the level of a new series begins with
_TREND_REPORTS = 5.0  # reports as expected that the trend begins with
_RELEARN_REPORTS = 1.0  # the same after a change of rate
_DISPERSION_PERIODS = 10.0  # periods with the variance of Poisson counts that the dispersion begins with
_MOST_SPREAD = 16.0  # of one period, as a multiple of the dispersion: one burst is no usual spread
_SURROUNDINGS = 2  # points of the year on either side


class SeasonalRates:
    r"""Expected count of every series in the next period: level times season times slow trend.

    With :math:`n` the counts of earlier periods, discounted by age, a series has

    - level :math:`m = (\sum n + \tfrac12) / (\sum 1 + \tfrac12 / g)`, where :math:`g` is the mean rate of all series;
    - season :math:`f_b = (\sum_b n + s F_b) / (m \sum_b 1 + s)` at `bins` points of the year, straight lines between
      them; :math:`F_b` is the same over the points within two of :math:`b`, with 1 in the place of :math:`F`, and
      :math:`s` is `season_shrinkage`: a series with few reports keeps a flat year, one with many has its own;
    - trend :math:`L = (\sum n + 5) / (\sum m f + 5)` over the last `trend_periods`.

    It expects :math:`m f L`. Counts of real sources come in bursts: where those of a series vary :math:`\varphi` times
    as much as Poisson counts do (mean of :math:`(n - E)^2 / E`, at least 1), :math:`s` and the 5 are multiplied by it.
    Only earlier periods enter, and of these not the last `guard_periods`: else a rise that is being watched would soon
    be expected.

    Parameters
    ----------
    bins
        Points of the year, at least 1 (no season); 26 are two weeks apart.
    season_shrinkage
        Reports that every point of the season begins with; above 0.
    season_periods
        Half-life of level and season in periods, above 0: four years of weeks by default.
    trend_periods
        Half-life of the trend in periods, above 0.
    guard_periods
        Newest periods that are not learned yet, at least 0.

    Notes
    -----
    In its first year a series has no season and the trend follows it from behind: expect false alarms then. A holiday
    that moves, or a campaign at another time each year, is no season.

    Examples
    --------
    >>> rates = SeasonalRates()
    >>> rates.resize(2)
    >>> for week in range(4 * 52):
    ...     autumn = 40 <= week % 52 < 46
    ...     rates.learn(week % 52 / 52, np.array([60.0 if autumn else 6.0, 6.0]))
    >>> rates.expected(42 / 52).round(0), rates.expected(20 / 52).round(0)
    (array([61.,  6.]), array([6., 6.]))

    References
    ----------
    Farrington CP et al. (1996), Journal of the Royal Statistical Society A 159:547-563, doi:10.2307/2983331 (counts
    against the same weeks of earlier years). Gelman A et al. (2013), Bayesian Data Analysis, section 2.6 (Gamma prior)
    """

    def __init__(
        self,
        *,
        bins: int = 26,
        season_shrinkage: float = 2.0,
        season_periods: float = 208.0,
        trend_periods: float = 78.0,
        guard_periods: int = 6,
    ) -> None:
        if not bins >= 1:
            raise ParameterError(f"bins must be at least 1, not {bins!r}")
        for name, value in (
            ("season_shrinkage", season_shrinkage),
            ("season_periods", season_periods),
            ("trend_periods", trend_periods),
        ):
            if not 0 < value < math.inf:
                raise ParameterError(f"{name} must lie in (0, infinity), not {value!r}")
        if not guard_periods >= 0:
            raise ParameterError(f"guard_periods must be at least 0, not {guard_periods!r}")
        self.bins = bins
        self.season_shrinkage = season_shrinkage
        self.season_periods = season_periods
        self.trend_periods = trend_periods
        self.guard_periods = guard_periods
        points = range(bins)
        self._columns = Columns(
            [
                *("reports", "periods", "trend_reports", "trend_expected", "is_relearning"),
                *("spread", "spread_periods"),
                *(f"reports_{point}" for point in points),
                *(f"periods_{point}" for point in points),
                *(f"{kind}_{place}" for kind in ("waiting", "far") for place in range(guard_periods)),
            ]
        )
        self._waiting: list[float] = []  # where in the year the periods lie that are not learned yet, by column

    def resize(self, size: int) -> None:
        """Have `size` series, at least as many as there are; new ones know nothing."""
        held = self._columns.size
        self._columns.resize(size)
        self._forget_waiting(np.arange(held, size), "far")

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Forget all about the series `rows`."""
        self._columns.clear(rows)
        self._forget_waiting(rows, "far")

    def relearn(self, rows: NDArray[np.int64]) -> None:
        """The rate of `rows` has changed: what comes now tells their new rate, and until `settle` nothing else."""
        for name in ("trend_reports", "trend_expected"):
            self._columns[name][rows] = (_RELEARN_REPORTS - _TREND_REPORTS) * self.dispersion()[rows]
        self._columns["is_relearning"][rows] = 1.0
        self._forget_waiting(rows, "waiting")

    def settle(self, rows: NDArray[np.int64]) -> None:
        """The new rate of `rows` is the rate from now on: their past counts as if it had been so, season included."""
        change = self._trend()[rows]
        self._columns["reports"][rows] *= change
        self._columns.block("reports_0", f"reports_{self.bins - 1}")[:, rows] *= change
        for name in ("trend_reports", "trend_expected", "is_relearning"):
            self._columns[name][rows] = 0.0

    def expected(self, year_fraction: float) -> NDArray[np.float64]:
        """Expected count of each series, shape (series,), in a period whose middle lies at `year_fraction` in [0, 1).

        NaN for every series while none has a past.
        """
        return np.asarray(self._seasonal(year_fraction) * self._trend(), dtype=np.float64)

    def dispersion(self) -> NDArray[np.float64]:
        """How much more than Poisson counts those of each series vary about what was expected; at least 1."""
        spread, periods = self._columns["spread"], self._columns["spread_periods"]
        return np.maximum(1.0, (spread + _DISPERSION_PERIODS) / (periods + _DISPERSION_PERIODS))

    def learn_dispersion(
        self, counts: NDArray[np.float64], expected: NDArray[np.float64], is_judged: NDArray[np.bool_]
    ) -> None:
        """Learn how far the counts of a period lay from what was expected (above 0) of the chosen series."""
        far = np.full(len(counts), np.nan)
        np.divide((counts - expected) ** 2, expected, out=far, where=is_judged)
        if self.guard_periods:  # learned as late as the counts: a rise must not hide itself
            block = self._columns.block("far_0", f"far_{self.guard_periods - 1}")
            newest, far = far, block[0].copy()
            block[:-1] = block[1:].copy()
            block[-1] = newest
        chosen, kept = np.flatnonzero(~np.isnan(far)), 0.5 ** (1 / self.season_periods)
        spread, periods = self._columns["spread"], self._columns["spread_periods"]
        spread[chosen] = spread[chosen] * kept + np.minimum(far[chosen], _MOST_SPREAD * self.dispersion()[chosen])
        periods[chosen] = periods[chosen] * kept + 1.0

    def learn(self, year_fraction: float, counts: NDArray[np.float64]) -> None:
        """Take in the counts of a period that has ended, shape (series,); the one `guard_periods` ago is learned."""
        if not self.guard_periods:
            self._learn(year_fraction, counts)
            return
        if len(self._waiting) < self.guard_periods:
            self._waiting.append(year_fraction)
        else:
            self._learn(self._waiting[0], self._columns["waiting_0"].copy())
            self._waiting = [*self._waiting[1:], year_fraction]
            block = self._columns.block("waiting_0", f"waiting_{self.guard_periods - 1}")
            block[:-1] = block[1:].copy()
        self._columns[f"waiting_{len(self._waiting) - 1}"][:] = counts

    def _learn(self, year_fraction: float, counts: NDArray[np.float64]) -> None:
        """Learn one period; a series that had not begun (NaN) changes nothing."""
        columns = self._columns
        known = ~np.isnan(counts)
        fast, slow = 0.5 ** (1 / self.trend_periods), 0.5 ** (1 / self.season_periods)
        with_season = np.nan_to_num(self._seasonal(year_fraction), nan=0.0)
        trended = _rows(known)
        for name, added in (("trend_reports", counts), ("trend_expected", with_season)):
            columns[name][trended] = columns[name][trended] * fast + added[trended]
        settled = _rows(known & (columns["is_relearning"] == 0))
        columns["reports"][settled] = columns["reports"][settled] * slow + counts[settled]
        columns["periods"][settled] = columns["periods"][settled] * slow + 1.0
        columns.block("reports_0", f"periods_{self.bins - 1}")[:, settled] *= slow
        for point, share in self._points(year_fraction):
            columns[f"reports_{point}"][settled] += share * counts[settled]
            columns[f"periods_{point}"][settled] += share

    def _forget_waiting(self, rows: NDArray[np.int64], last: str) -> None:
        """Drop what waits to be learned, from the counts to the columns named `last`."""
        if self.guard_periods:
            self._columns.block("waiting_0", f"{last}_{self.guard_periods - 1}")[:, rows] = np.nan

    def _level(self) -> NDArray[np.float64]:
        reports, periods = self._columns["reports"], self._columns["periods"]
        if not periods.any():
            return np.full(len(periods), np.nan)
        mean_rate = (reports.sum() + 1.0) / (periods.sum() + 1.0)
        level = (reports + _LEVEL_REPORTS) / (periods + _LEVEL_REPORTS / mean_rate)
        return np.asarray(level, dtype=np.float64)

    def _trend(self) -> NDArray[np.float64]:
        reports, expected = self._columns["trend_reports"], self._columns["trend_expected"]
        prior = _TREND_REPORTS * self.dispersion()
        return np.asarray((reports + prior) / (expected + prior), dtype=np.float64)

    def _seasonal(self, year_fraction: float) -> NDArray[np.float64]:
        level, season = self._level(), np.zeros(self._columns.size)
        for point, share in self._points(year_fraction):
            season += share * self._season(point, level)
        return np.asarray(level * season, dtype=np.float64)

    def _season(self, point: int, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Reports at a point of the year over what the level alone would bring, drawn to its surroundings."""
        columns, prior = self._columns, self.season_shrinkage * self.dispersion()
        reach = range(-_SURROUNDINGS, _SURROUNDINGS + 1)
        around = sorted({(point + step) % self.bins for step in reach})
        near_reports = sum((columns[f"reports_{place}"] for place in around), np.zeros(len(level)))
        near_periods = sum((columns[f"periods_{place}"] for place in around), np.zeros(len(level)))
        surroundings = (near_reports + prior) / (level * near_periods + prior)
        reports, periods = columns[f"reports_{point}"], columns[f"periods_{point}"]
        return np.asarray((reports + prior * surroundings) / (level * periods + prior), dtype=np.float64)

    def _points(self, year_fraction: float) -> list[tuple[int, float]]:
        """The two points of the year beside `year_fraction` and how much each has of it."""
        place = year_fraction * self.bins
        before = math.floor(place)
        after = place - before
        return [(before % self.bins, 1 - after), ((before + 1) % self.bins, after)]

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that make equal rates."""
        return {
            "bins": self.bins,
            "season_shrinkage": self.season_shrinkage,
            "season_periods": self.season_periods,
            "trend_periods": self.trend_periods,
            "guard_periods": self.guard_periods,
        }

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON-able values."""
        return {
            "version": _SNAPSHOT_VERSION,
            "settings": self.settings(),
            "waiting": list(self._waiting),
            "state": self._columns.pack(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> SeasonalRates:
        """The rates `snapshot` was taken of. Raises `IntegrityError` for another version or what is no snapshot."""
        if state.get("version") != _SNAPSHOT_VERSION:
            raise IntegrityError(f"rates snapshot version must be {_SNAPSHOT_VERSION}, not {state.get('version')!r}")
        try:
            restored = cls(**state["settings"])
            restored._columns.unpack(state["state"])
            restored._waiting = [float(fraction) for fraction in state["waiting"]]
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("not a snapshot of rates") from error
        return restored


def _rows(chosen: NDArray[np.bool_]) -> slice | NDArray[np.int64]:
    """The chosen rows as an index; as a slice, which numpy changes in place without a copy, where it is all."""
    return slice(None) if chosen.all() else np.flatnonzero(chosen)
