"""The plots of a replay's page, as inline SVG: no script, no download, readable without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kelsey.svg import MARKERS, PALETTE, STYLE, as_svg

__all__ = ["ForestRow", "budget_plot", "forest_plot", "noise_plot", "recall_plot", "reports_plot"]


@dataclass(frozen=True, slots=True)
class ForestRow:
    """A pair in a forest plot: point and interval on a ratio scale, once a view."""

    label: str
    intervals: Mapping[str, tuple[float, float, float]]


def _days(axes: Axes, days: Sequence[date]) -> NDArray[np.float64]:
    """Dates as the numbers that `axes`, now a date axis, wants."""
    axes.xaxis_date()
    return np.asarray(days, dtype="datetime64[D]").astype(np.float64)  # matplotlib counts days from 1970, too


def reports_plot(days: Sequence[date], counts: Mapping[str, Sequence[int]]) -> str:
    """New reports by epoch, stacked by site; `counts` holds one number a day of `days` for each site.

    More sites than there are colours to tell apart are added up.
    """
    if len(counts) > len(PALETTE):
        counts = {f"all {len(counts)} sites": np.sum([*counts.values()], axis=0).tolist()}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 3.2))
        axes = figure.add_subplot()
        width = max(1.0, 0.8 * (days[-1] - days[0]).days / max(1, len(days) - 1)) if days else 1.0
        base = np.zeros(len(days))
        for (site, values), colour in zip(counts.items(), PALETTE * 3, strict=False):
            axes.bar(_days(axes, days), values, width=width, bottom=base, label=site, color=colour)
            base += np.asarray(values, dtype=np.float64)
        axes.set_ylabel("new cases")
        axes.legend(frameon=False, ncols=min(4, max(1, len(counts))), loc="lower left", bbox_to_anchor=(0, 1))
        figure.autofmt_xdate()
        return as_svg(figure)


def forest_plot(rows: Sequence[ForestRow], *, measure: str) -> str:
    """Point and interval of each pair, one marker a view, log scale; an arrow where an interval reaches zero."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 0.6 + 0.42 * max(1, len(rows))))
        axes = figure.add_subplot()
        views = list(dict.fromkeys(view for row in rows for view in row.intervals))
        finite = [value for row in rows for interval in row.intervals.values() for value in interval if value > 0]
        left = min([0.5, *finite]) / 1.3
        right = max([2.0, *(value for value in finite if np.isfinite(value))]) * 1.3
        for number, view in enumerate(views):
            shift = (number - (len(views) - 1) / 2) * 0.28
            for height, row in enumerate(rows):
                if view not in row.intervals:
                    continue
                point, lower, upper = row.intervals[view]
                colour, marker = PALETTE[number], MARKERS[number]
                axes.plot([max(lower, left), min(upper, right)], [height + shift] * 2, color=colour, linewidth=1.6)
                if not lower > left:
                    axes.plot(left, height + shift, marker="<", color=colour, markersize=5, clip_on=False)
                label = view if height == next(i for i, other in enumerate(rows) if view in other.intervals) else None
                axes.plot(min(max(point, left), right), height + shift, marker, color=colour, markersize=5, label=label)
        axes.set_xscale("log")
        axes.set_xlim(left, right)
        axes.axvline(1, color="#666666", linestyle="--", linewidth=1)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel(f"{measure} with 95 % interval (log scale)")
        if views:
            axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.7 / max(1, len(rows))), ncols=3)
        return as_svg(figure)


def noise_plot(
    exact: NDArray[np.float64],
    noisy: NDArray[np.float64],
    *,
    mean_weight: float,
    noise_sd: float,
    highlighted: NDArray[np.bool_],
) -> str:
    """Exact reports of each pair (x) beside the hub's count (y); the line has slope `mean_weight`, the band two sd."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 4.2))
        axes = figure.add_subplot()
        top = float(max(exact.max(initial=1.0), noisy.max(initial=1.0))) * 1.05
        line = np.concatenate(([0.0], np.geomspace(0.1, top, 200)))
        expected = mean_weight * line
        axes.fill_between(
            line,
            expected - 2 * noise_sd,
            expected + 2 * noise_sd,
            color="#BBBBBB",
            alpha=0.5,
            label=f"±2 sd of the noise (sd {noise_sd:.1f})",
        )
        axes.plot(line, expected, color="#666666", linewidth=1)
        rest = ~highlighted
        axes.plot(
            exact[rest], noisy[rest], ".", markersize=3, color=PALETTE[0], label="pairs", rasterized=len(exact) > 5000
        )
        axes.plot(exact[highlighted], noisy[highlighted], "s", markersize=5, color=PALETTE[1], label="SDR at the hub")
        axes.set_xscale("symlog", linthresh=10)
        axes.set_yscale("symlog", linthresh=max(10.0, 3 * noise_sd))
        axes.set_xlim(left=-0.5)
        axes.set_xlabel("reports of the pair, all sites (exact)")
        axes.set_ylabel("hub's noisy count")
        axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
        return as_svg(figure)


def budget_plot(
    days: Sequence[date], *, epsilon_spent: Sequence[float], epsilon: float, noise_sd: Sequence[float]
) -> str:
    """Privacy budget over the era, and the noise of a pair's running total that it buys."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 3.0))
        left, right = figure.subplots(1, 2)
        left.step(
            _days(left, days), epsilon_spent, where="post", color=PALETTE[0], label="spent (reserved for the era)"
        )
        left.axhline(epsilon, color=PALETTE[1], linestyle="--", label="limit")
        left.set_ylim(0, epsilon * 1.25)
        left.set_ylabel("epsilon per patient and site")
        left.legend(frameon=False, loc="lower right")
        right.plot(_days(right, days), noise_sd, color=PALETTE[2])
        right.set_ylim(bottom=0)
        right.set_ylabel("noise sd of a pair at the hub")
        figure.autofmt_xdate()
        figure.tight_layout()
        return as_svg(figure)


def recall_plot(days: Sequence[date], found: Mapping[str, Sequence[int]], *, planted: int) -> str:
    """Planted pairs found by the end of each epoch, one line a view."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 3.0))
        axes = figure.add_subplot()
        for number, (view, values) in enumerate(found.items()):
            axes.step(
                _days(axes, days),
                values,
                where="post",
                color=PALETTE[number],
                linestyle=("-", "--", ":")[number % 3],
                label=view,
            )
        axes.axhline(planted, color="#666666", linewidth=1)
        axes.annotate(
            f"planted: {planted}", (float(_days(axes, days[:1])[0]), planted), xytext=(0, 4), textcoords="offset points"
        )
        axes.set_ylim(0, planted * 1.2 + 1)
        axes.set_ylabel("planted pairs raised")
        axes.legend(frameon=False, loc="lower right")
        figure.autofmt_xdate()
        return as_svg(figure)
