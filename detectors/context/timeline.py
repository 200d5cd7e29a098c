"""How the disproportionality of a pair came about: by period, in sum, and whether it is gathering pace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError
from detectors.context._cases import check_reports, pair_cases, pair_columns
from detectors.information_component import information_component
from detectors.interval import check_level

__all__ = ["Acceleration", "Timeline"]

_INTERVALS = {"week": "1w", "month": "1mo", "quarter": "1q", "year": "1y"}
_COUNTS = ("n", "n_drug", "n_reaction", "n_total")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    r"""Recent reports of a pair against those before, each beside what its own time expects.

    Parameters
    ----------
    n_recent, n_before
        Reports in the last periods and in those before.
    expected_recent, expected_before
        Sums of :math:`n_d n_r / N` over those periods.
    log2_ratio
        IC of the recent periods less that of the earlier ones; above 0 the pair is gathering pace.
    p_value
        Chance of `n_recent` or more of all reports of the pair falling into the recent periods, if observed over
        expected were the same before and after (binomial given the total).
    """

    n_recent: int
    n_before: int
    expected_recent: float
    expected_before: float
    log2_ratio: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    r"""Information component of a pair over time, by period and in sum.

    Parameters
    ----------
    drug, reaction
        The pair.
    periods
        A row a period, from the first to the last with reports: `period` (its first day), the counts and `expected`,
        `ic`, `ic_lower`, `ic_upper` of that period alone (NaN without reports), and the same with the prefix
        ``cumulative_`` for all reports to its end.
    first_crossed
        First day at whose end the lower limit on all reports so far lies above 0; None if it never did.
    is_above_at_end
        Whether it does so on all reports.
    acceleration
        Of the last periods against those before; None where either has no expected report.
    undated
        Distinct reports that carry no day and are left out.

    Notes
    -----
    The lower limit is looked at every day without allowance for that: `first_crossed` says when a daily look would have
    raised the pair, with more false alarms than one look has. For a boundary that allows for it use a sequential test
    (`detectors.sequential`). Stimulated reporting, a newspaper article for instance, gathers pace as well.

    Examples
    --------
    >>> rows = [("drug", "rash", date(2025, month, 1)) for month in range(1, 13) for _ in range(month)]
    >>> rows += [("other", "fever", date(2025, month, 2)) for month in range(1, 13) for _ in range(20)]
    >>> rows += [("other", "rash", date(2025, month, 3)) for month in range(1, 13) for _ in range(3)]
    >>> rows += [("drug", "fever", date(2025, month, 4)) for month in range(1, 13) for _ in range(5)]
    >>> frame = pl.DataFrame(rows, schema=["drug", "reaction", "date"], orient="row").with_row_index("case_id")
    >>> timeline = Timeline.of(frame, "drug", "rash", period="quarter", recent=2)
    >>> timeline.first_crossed
    datetime.date(2025, 4, 2)
    >>> timeline.periods["n"].to_list(), timeline.periods["cumulative_n"].to_list()
    ([6, 15, 24, 33], [6, 21, 45, 78])

    References
    ----------
    Bate A et al. (1998), European Journal of Clinical Pharmacology 54:315-321, doi:10.1007/s002280050466
    """

    drug: str
    reaction: str
    periods: pl.DataFrame
    first_crossed: date | None
    is_above_at_end: bool
    acceleration: Acceleration | None
    undated: int

    @classmethod
    def of(
        cls, frame: pl.DataFrame, drug: str, reaction: str, *, period: str = "month", recent: int = 3,
        level: float = 0.95, date_column: str = "date",
    ) -> Timeline:  # fmt: skip
        """The timeline of a pair in a table of reports (columns case_id, drug, reaction and a day; a row a pair).

        Parameters
        ----------
        period
            ``week`` (from Monday), ``month``, ``quarter`` or ``year``.
        recent
            How many of the last periods count as recent, at least 1.
        level
            Coverage of the interval, in (0, 1).

        Raises
        ------
        ParameterError
            A value outside its range; a missing column, an empty value, a day that is no date, no day at all, or a
            report with two days (the first row is 0).
        UnknownTermError
            No report names the drug or the reaction; the nearest are named.
        """
        check_level(level)
        if period not in _INTERVALS:
            raise ParameterError(f"period must be one of {', '.join(_INTERVALS)}, not {period!r}")
        if not recent >= 1:
            raise ParameterError(f"recent must be at least 1, not {recent!r}")
        dated, undated = _dated(frame, drug, reaction, date_column)
        daily = _sums(dated, "day")
        cumulated = information_component(*_observed_expected(_columns(daily, is_sum=True)), level=level)
        above = cumulated[:, 1] > 0
        periods = _periods(dated, _INTERVALS[period])
        return cls(
            drug=drug,
            reaction=reaction,
            periods=_scored(periods, level),
            first_crossed=daily["day"][int(above.argmax())] if above.any() else None,
            is_above_at_end=bool(above[-1]),
            acceleration=_acceleration(periods, recent),
            undated=undated,
        )


def _dated(frame: pl.DataFrame, drug: str, reaction: str, column: str) -> tuple[pl.DataFrame, int]:
    """One row a case with its day, and how many have none."""
    check_reports(frame, column)
    if frame[column].dtype != pl.Date:
        raise ParameterError(f"column {column} must hold days (polars Date), not {frame[column].dtype}")
    differs = frame.select(
        pl.col(column).is_not_null() & (pl.col(column) != pl.col(column).min().over("case_id"))
    ).to_series()
    if differs.any():
        raise ParameterError(f"the report of row {differs.arg_max()} has two days in column {column}")
    days = frame.group_by("case_id").agg(pl.col(column).min().alias("day"))
    cases = pair_cases(frame, drug, reaction).with_columns(n_total=True).join(days, on="case_id")
    known = cases.drop_nulls("day")
    if known.is_empty():
        raise ParameterError(f"column {column} has no value in any row")
    return known, len(cases) - len(known)


def _sums(cases: pl.DataFrame, by: str) -> pl.DataFrame:
    return cases.group_by(by).agg(pl.col(name).sum().cast(pl.Int64) for name in _COUNTS).sort(by)


def _periods(cases: pl.DataFrame, interval: str) -> pl.DataFrame:
    """Counts by period, those without reports between as zeros."""
    sums = _sums(cases.with_columns(pl.col("day").dt.truncate(interval).alias("period")), "period")
    every = pl.date_range(sums["period"][0], sums["period"][-1], interval, eager=True).alias("period").to_frame()
    return every.join(sums, on="period", how="left", maintain_order="left").with_columns(pl.col(_COUNTS).fill_null(0))


def _columns(sums: pl.DataFrame, *, is_sum: bool) -> tuple[NDArray[np.int64], ...]:
    return tuple((sums[name].cum_sum() if is_sum else sums[name]).to_numpy() for name in _COUNTS)


def _observed_expected(columns: tuple[NDArray[np.int64], ...]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    arrays = pair_columns("", "", *columns)
    return arrays.n, arrays.expected


def _scored(periods: pl.DataFrame, level: float) -> pl.DataFrame:
    scored = {"period": periods["period"]}
    for prefix, is_sum in (("", False), ("cumulative_", True)):
        columns = _columns(periods, is_sum=is_sum)
        n, expected = _observed_expected(columns)
        scored |= {prefix + name: pl.Series(column) for name, column in zip(_COUNTS, columns, strict=True)}
        scored[prefix + "expected"] = pl.Series(expected)
        scores = information_component(n, expected, level=level)
        for index, name in enumerate(("ic", "ic_lower", "ic_upper")):
            scored[prefix + name] = pl.Series(np.ascontiguousarray(scores[:, index]))
    return pl.DataFrame(scored)


def _acceleration(periods: pl.DataFrame, recent: int) -> Acceleration | None:
    n, expected = _observed_expected(_columns(periods, is_sum=False))
    expected = np.nan_to_num(expected)
    n_recent, n_before = int(n[-recent:].sum()), int(n[:-recent].sum())
    expected_recent, expected_before = float(expected[-recent:].sum()), float(expected[:-recent].sum())
    if not (expected_recent > 0 and expected_before > 0):
        return None
    from scipy import stats  # half of what importing this package would take

    points = information_component([n_recent, n_before], [expected_recent, expected_before], level=0.95)[:, 0]
    share = expected_recent / (expected_recent + expected_before)
    return Acceleration(
        n_recent=n_recent,
        n_before=n_before,
        expected_recent=expected_recent,
        expected_before=expected_before,
        log2_ratio=float(points[0] - points[1]),
        p_value=float(stats.binom.sf(n_recent - 1, n_recent + n_before, share)),
    )
