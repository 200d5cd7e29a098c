"""Forest plot: the reporting odds ratio of the strongest pairs beside the shrunken ratio, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kelsey.page import Plot, Table
from kelsey.report.layout import POINTS_PER_INCH, Layout, both, legend_above, log_scale
from kelsey.report.numbers import ReportNumbers
from kelsey.report.words import interval, pair_name, percent, times, whole
from kelsey.svg import MARKERS, PALETTE, fitted, text_width

__all__ = ["forest"]

_Interval = tuple[float, float, float]
_LABEL_INCHES = 3.1


@dataclass(frozen=True, slots=True)
class _Row:
    drug: str
    reaction: str
    n: int
    crude: _Interval
    shrunk: _Interval


def forest(numbers: ReportNumbers) -> Plot:
    """The plot of the chosen pair, if one is chosen, and the strongest ones."""
    chosen = [numbers.settings.pair] if numbers.settings.pair else []
    pairs = list(dict.fromkeys([*chosen, *numbers.top(numbers.settings.top)]))
    scores = numbers.scores_of(pairs)
    values = np.column_stack([scores[name] for name in numbers.shrunk])
    if numbers.fit is None:
        values = 2.0**values
    rows = [
        _Row(
            *pair,
            int(scores["n"][i]),
            (float(scores["ror"][i]), float(scores["ror_lower"][i]), float(scores["ror_upper"][i])),
            (float(values[i, 0]), float(values[i, 1]), float(values[i, 2])),
        )
        for i, pair in enumerate(pairs)
    ]
    level = percent(numbers.settings.level)
    views = (f"ROR, {level} interval", "EBGM, 90 % interval" if numbers.fit else f"2^IC, {level} interval")
    first = next((row for row in rows if (row.drug, row.reaction) not in chosen), rows[0])
    shrunk = views[1].split(",")[0]
    above = sum(row.shrunk[1] > 1 for row in rows)
    return Plot(
        "The strongest pairs: how much more often than expected",
        **both(lambda layout: _draw(rows, views, layout)),
        caption=(
            f"One row a pair{', the chosen one first' if chosen else ''}. The marker is the estimate, the bar its "
            "interval: the range that the reports do not contradict. Right of the dashed line at 1, the pair is "
            "reported more often than expected; a bar that crosses the line leaves it open. The circle (ROR) is the "
            f"plain ratio; the square ({shrunk}) is drawn towards 1 where reports are few. An arrow: the bar goes on."
        ),
        alternative=(
            f"Forest plot of {times(len(rows), 'pair')}. The strongest is {pair_name(first.drug, first.reaction)}: "
            f"{times(first.n, 'report')}, {shrunk} {interval(*first.shrunk)}, ROR {interval(*first.crude)}. "
            f"The lower limit of the {shrunk} lies above 1 in {above} of {len(rows)}."
        ),
        data=Table(
            "pairs of the forest plot",
            ["drug", "reaction", "reports", *views],
            [
                (row.drug, row.reaction, whole(row.n), interval(*row.crude), interval(*row.shrunk)) for row in rows
            ],
            numeric=frozenset({"reports", *views}),
        ),
    )  # fmt: skip


def _limits(rows: Sequence[_Row]) -> tuple[float, float]:
    """Ends of the axis; the longest bars go on beyond them."""
    values = np.array([part for row in rows for part in (row.crude, row.shrunk)])
    values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    points, lower, upper = (column[~np.isnan(column)] for column in values.T)
    left = min([0.5, *np.maximum(lower, points.min(initial=1) / 20)]) / 1.15
    right = max([2.0, *np.minimum(upper, points.max(initial=1) * 10)]) * 1.15
    return max(left, 1e-4), right


def _draw(rows: Sequence[_Row], views: Sequence[str], layout: Layout) -> Figure:
    step = 0.76 if layout.is_narrow else 0.46
    figure, axes = layout.panel(
        step * len(rows) + (0.0 if layout.is_narrow else 0.05),
        left=0.12 if layout.is_narrow else _LABEL_INCHES + 0.15,
        right=0.2 if layout.is_narrow else max(text_width(_count(row)) for row in rows) / POINTS_PER_INCH + 0.25,
        top=0.55 if layout.is_narrow else 0.4,
        bottom=0.6,
    )
    left, right = _limits(rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    log_scale(axes.xaxis, left, right, labels=5 if layout.is_narrow else 9)
    shift, half = (0.22, 0.22) if layout.is_narrow else (0.0, 0.5)  # beside the names, never through them
    for place, row in enumerate(rows):
        if place:
            axes.axhline(place - 0.5, color="#dddddd", linewidth=0.8, zorder=0)
        axes.vlines(
            1, place + shift - half, place + shift + half, color="#555555", linestyle="--", linewidth=1, zorder=1
        )
        for number, values in enumerate((row.crude, row.shrunk)):
            height = place + shift + 0.11 * (2 * number - 1)
            _bar(axes, values, height, number, views[number] if place == 0 else None)
        _labels(axes, row, place, layout)
    axes.set_xlabel("times as often as expected (log scale)")
    legend_above(axes, columns=1 if layout.is_narrow else 2)
    return figure


def _bar(axes: Axes, values: _Interval, height: float, number: int, label: str | None) -> None:
    """Marker and interval; an arrow where the interval leaves the axis. Nothing but the legend where undefined."""
    left, right = axes.get_xlim()
    point, lower, upper = values
    colour = PALETTE[number]
    inside = min(max(point, left), right)
    axes.plot([inside], [height], MARKERS[number], color=colour, markersize=6, label=label, zorder=3)
    if np.isnan(lower) or np.isnan(upper):
        return
    axes.plot([max(lower, left), min(upper, right)], [height] * 2, color=colour, linewidth=1.8, zorder=2)
    for limit, end, arrow in ((left, lower, "<"), (right, upper, ">")):
        if (end < limit) == (arrow == "<") and end != limit:
            axes.plot([limit], [height], arrow, color=colour, markersize=5, clip_on=False, zorder=3)


def _count(row: _Row) -> str:
    return f"n = {row.n:,}"


def _labels(axes: Axes, row: _Row, place: int, layout: Layout) -> None:
    """Names beside the row, or above it where there is no room beside."""
    count = times(row.n, "report")
    if layout.is_narrow:
        room = (layout.width - 0.3) * POINTS_PER_INCH
        reaction = fitted(row.reaction, width_points=room - 7.0 * len(count))
        lines = [(fitted(row.drug, width_points=room * 0.9), 0.34, "bold"), (f"{reaction} ({count})", 0.12, "normal")]
        for text, up, weight in lines:
            axes.annotate(
                text, (0, place - up), xycoords=("axes fraction", "data"), va="center", fontweight=weight
            )  # fmt: skip
        return
    room = _LABEL_INCHES * POINTS_PER_INCH
    for text, up, weight in ((row.drug, 7, "bold"), (row.reaction, -7, "normal")):
        size = 0.9 if weight == "bold" else 1.0  # bold letters are wider
        axes.annotate(
            fitted(text, width_points=room * size), (0, place), xycoords=("axes fraction", "data"),
            xytext=(-8, up), textcoords="offset points", ha="right", va="center", fontweight=weight,
        )  # fmt: skip
    axes.annotate(
        _count(row), (1, place), xycoords=("axes fraction", "data"), xytext=(10, 0), textcoords="offset points",
        va="center",
    )  # fmt: skip
