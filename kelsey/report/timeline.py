"""Timeline of one pair: the information component on all reports so far, and the reports of each period."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from matplotlib.dates import AutoDateFormatter, AutoDateLocator
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from detectors.context import Timeline
from kelsey.page import Plot, Table, Text
from kelsey.report.layout import Layout, both, legend_above, y_label
from kelsey.report.numbers import ReportNumbers
from kelsey.report.words import decimal, pair_name, percent, times, whole
from kelsey.svg import PALETTE

__all__ = ["timeline"]

_TITLE = "How the pair came about: its IC over time"
_PERIODS = {"week": (120, "1w"), "month": (4 * 366, "1mo"), "quarter": (12 * 366, "1q"), "year": (None, "1y")}
_LOWEST = -3.0
_LEFT = 0.75


def timeline(numbers: ReportNumbers) -> tuple[Plot | Text, Timeline | None]:
    """The plot of the chosen pair, else of the strongest; words on why where there are no days."""
    if numbers.no_days:
        return Text(_TITLE, ["This section is absent, as it needs the day of each report.", numbers.no_days]), None
    drug, reaction = numbers.settings.pair or numbers.top(1)[0]
    days = numbers.frame["day"].drop_nulls().to_physical().to_numpy()
    span = int(days.max() - days.min())
    period = next(name for name, (longest, _) in _PERIODS.items() if longest is None or span <= longest)
    found = Timeline.of(
        numbers.frame, drug, reaction, period=period, level=numbers.settings.level, date_column="day"
    )  # fmt: skip
    return _section(found, period, numbers), found


def _section(found: Timeline, period: str, numbers: ReportNumbers) -> Plot:
    periods = found.periods
    ends = periods["period"].dt.offset_by(_PERIODS[period][1]) - timedelta(days=1)
    pair = pair_name(found.drug, found.reaction)
    last = periods.row(-1, named=True)
    level = percent(numbers.settings.level)
    crossed = (
        "The lower limit never lay above 0."
        if found.first_crossed is None
        else f"The lower limit first lay above 0 on {found.first_crossed}, and "
        f"{'does' if found.is_above_at_end else 'does not'} at the end."
    )
    undated = f" {times(found.undated, 'report')} without a day {'is' if found.undated == 1 else 'are'} left out."
    is_cut = bool((periods["cumulative_ic_lower"] < _LOWEST).any())
    cut = f" What lies below −{-_LOWEST:.0f} is cut off." if is_cut else ""
    ic, lower, upper = (decimal(last[f"cumulative_{name}"]) for name in ("ic", "ic_lower", "ic_upper"))
    crude = " The strata do not enter here." if numbers.settings.stratify else ""
    return Plot(
        _TITLE,
        **both(lambda layout: _draw(found, ends, level, layout)),
        caption=(
            f"{pair}. Above: the IC on all reports up to the end of each {period}, with its {level} interval; 0 is as "
            "expected. The triangle marks the first day on which the lower limit lay above 0: when someone looking "
            "every day would have noticed, with more false alarms than a single look has. Below: the reports of the "
            f"pair in each {period}.{cut}"
            f"{undated if found.undated else ''}{crude}"
        ),
        alternative=(
            f"Timeline of {pair} by {period} from {periods['period'][0]} to {ends[-1]}: "
            f"{times(last['cumulative_n'], 'report')} where {decimal(last['cumulative_expected'], 1)} are expected, IC "
            f"{ic} ({lower} to {upper}) at the end. {crossed}"
        ),
        data=_table(periods, period),
    )


def _table(periods: pl.DataFrame, period: str) -> Table:
    rows = [
        (
            str(row["period"]),
            whole(row["n"]),
            whole(row["cumulative_n"]),
            decimal(row["cumulative_expected"], 1),
            *(decimal(row[f"cumulative_{name}"]) for name in ("ic", "ic_lower", "ic_upper")),
        )
        for row in periods.rows(named=True)
    ]
    columns = ["reports", "reports so far", "expected so far", "IC so far", "IC lower", "IC upper"]
    return Table(f"IC by {period}", [f"{period} from", *columns], rows, numeric=frozenset(columns))


def _draw(found: Timeline, ends: pl.Series, level: str, layout: Layout) -> Figure:
    narrow = layout.is_narrow
    top = 0.8 if narrow else 0.4
    figure, axes = layout.panel(3.6, left=_LEFT, right=0.35, top=top, bottom=0.45)
    frame = axes.get_position()
    axes.set_position((frame.x0, frame.y0 + frame.height * 0.34, frame.width, frame.height * 0.66))
    below = figure.add_axes((frame.x0, frame.y0, frame.width, frame.height * 0.27), sharex=axes)
    x = ends.to_numpy().astype("datetime64[D]").astype(np.float64)  # matplotlib counts days from 1970, too
    starts = found.periods["period"].to_numpy().astype("datetime64[D]").astype(np.float64)
    ic, lower, upper = (
        np.maximum(found.periods[f"cumulative_{name}"].to_numpy(), _LOWEST) for name in ("ic", "ic_lower", "ic_upper")
    )
    axes.fill_between(x, lower, upper, color=PALETTE[4], alpha=0.35, linewidth=0, label=f"{level} interval")
    axes.plot(x, lower, color=PALETTE[0], linewidth=0.8, linestyle=":")
    axes.plot(x, upper, color=PALETTE[0], linewidth=0.8, linestyle=":")
    if len(x) == 1:
        axes.vlines(x, lower, upper, color=PALETTE[4], linewidth=3)
    axes.plot(x, ic, color=PALETTE[0], marker="o", markersize=3 if len(x) > 12 else 5, linewidth=1.8, label="IC so far")
    axes.axhline(0, color="#555555", linestyle="--", linewidth=1)
    if found.first_crossed is not None:
        day = float(np.datetime64(found.first_crossed, "D").astype(np.int64))
        axes.axvline(day, color=PALETTE[1], linewidth=1, linestyle="-.")
        label = f"lower limit first above 0: {found.first_crossed}"
        axes.plot([day], [0], "^", color=PALETTE[1], markersize=9, linestyle="none", label=label)
    axes.set_ylim(min(-0.5, float(lower.min()) * 1.05), max(0.5, float(upper.max()) * 1.08 + 0.1))
    y_label(axes, "IC", left=_LEFT)
    axes.tick_params(labelbottom=False)
    widths = np.maximum(x - starts + 1, 1)
    below.bar(starts, found.periods["n"].to_numpy(), width=widths * 0.85, align="edge", color="#666666")
    y_label(below, "reports", left=_LEFT)
    below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    below.set_ylim(0, max(1.0, float(found.periods["n"].to_numpy().max()) * 1.1))
    axes.set_xlim(starts[0] - 0.01 * (x[-1] - starts[0]) - 1, x[-1] + 0.02 * (x[-1] - starts[0]) + 1)
    below.xaxis_date()
    locator = AutoDateLocator(minticks=2, maxticks=4 if narrow else 8)  # type: ignore[no-untyped-call]  # matplotlib
    below.xaxis.set_major_locator(locator)
    below.xaxis.set_major_formatter(AutoDateFormatter(locator))  # type: ignore[no-untyped-call]  # matplotlib
    legend_above(axes, columns=1 if narrow else 3)
    return figure
