"""Volcano plot: how strong each pair's disproportionality is, against how surely it is more than chance."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kelsey.page import Plot, Table, Text
from kelsey.report.layout import DENSE, Layout, both, legend_above, log_scale, place_labels, y_label
from kelsey.report.numbers import ReportNumbers
from kelsey.report.words import decimal, listed, pair_name, ratio, times, whole
from kelsey.svg import PALETTE

__all__ = ["marking_rules", "volcano"]

_TITLE = "Strength and certainty of every pair"
_FLOOR = 0.1
_CHANCE = 3.84
_NAMED = 5
_LISTED = 50
_LEFT = 1.0


def marking_rules(numbers: ReportNumbers) -> tuple[str, ...]:
    """Rules whose flags the plot marks: those asked for, else the one that reads the plotted measure."""
    if numbers.settings.rules is not None:
        return tuple(numbers.flags)
    return ("umc",)


def volcano(numbers: ReportNumbers) -> Plot | Text:
    """The plot of all pairs of the focus whose chi-square is defined; words where there is none."""
    rows = numbers.order
    ic, chi2 = numbers.scores["ic"][rows], numbers.scores["chi2"][rows]
    marked = marking_rules(numbers)
    flagged = np.zeros(len(rows), dtype=np.bool_)
    for name in marked:
        flagged |= numbers.flags[name][rows]
    defined = ~np.isnan(chi2)
    if not defined.any():
        why = "No pair has a chi-square: every report names the drug, or every report the reaction."
        return Text(_TITLE, ["This section is absent, as there is nothing to compare with.", why])
    rules = listed(marked) or "none that can be computed here"
    by = f"rule{'s' if len(marked) > 1 else ''} {rules}"
    left_out = int((~defined).sum())
    dense = (
        " An open circle high up on the right is a pair of one or two reports where next to none was expected: there "
        f"chi-square is not to be trusted. With {whole(len(rows))} pairs the points are a picture, in which they cover "
        "each other."
        if len(rows) > DENSE
        else ""
    )
    gone = f" Left out: {times(left_out, 'pair')} without a chi-square." if left_out else ""
    return Plot(
        _TITLE,
        **both(lambda layout: _draw(ic, chi2, flagged & defined, defined, layout)),
        caption=(
            "One point a pair. To the right: reported more often than expected (information component, IC: 1 is twice, "
            "2 four times as often). Up: harder to put down to chance (chi-square; the dashed line at 3.84 is where "
            "chance alone would bring 1 pair in 20, so of many pairs many lie above it). Triangles are flagged by the "
            f"{by}, open circles are not. Numbers are the ranks of the table above.{dense}{gone}"
        ),
        alternative=_finding(numbers, ic, chi2, flagged, by),
        data=_table(numbers, flagged, rules),
    )


def _finding(
    numbers: ReportNumbers, ic: NDArray[np.float64], chi2: NDArray[np.float64], flagged: NDArray[np.bool_], by: str
) -> str:
    pair = pair_name(*numbers.pair_of(int(numbers.order[0])))
    largest = pair_name(*numbers.pair_of(int(numbers.order[int(np.nanargmax(chi2))])))
    return (
        f"Volcano plot of {times(len(ic), 'pair')}, {whole(int(flagged.sum()))} of them flagged by the {by}; "
        f"{whole(int((ic > 0).sum()))} are reported more often than expected, {whole(int((chi2 > _CHANCE).sum()))} "
        f"have a chi-square above 3.84. Rank 1 is {pair}: IC {decimal(float(ic[0]))}, chi-square "
        f"{ratio(float(chi2[0]))}. The largest chi-square is {ratio(float(np.nanmax(chi2)))}, of {largest}."
    )


def _table(numbers: ReportNumbers, flagged: NDArray[np.bool_], rules: str) -> Table:
    scores = numbers.scores
    rows = []
    for rank, row in enumerate(numbers.order[:_LISTED].tolist()):
        values = [decimal(float(scores[name][row])) for name in ("ic", "ic_lower", "ic_upper")]
        chi2 = ratio(float(scores["chi2"][row]))
        said = "yes" if flagged[rank] else "no"
        rows.append((whole(rank + 1), *numbers.pair_of(row), whole(int(scores["n"][row])), *values, chi2, said))
    count = len(numbers.order)
    rest = f"The {_LISTED} strongest of {whole(count)} pairs; kelsey score writes all." if count > _LISTED else ""
    return Table(
        "IC and chi-square",
        ["rank", "drug", "reaction", "reports", "IC", "IC lower", "IC upper", "chi-square", f"flagged ({rules})"],
        rows,
        rest,
        numeric=frozenset({"rank", "reports", "IC", "IC lower", "IC upper", "chi-square"}),
    )


def _draw(
    ic: NDArray[np.float64],
    chi2: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    defined: NDArray[np.bool_],
    layout: Layout,
) -> Figure:
    figure, axes = layout.panel(3.6, left=_LEFT, right=0.2, top=0.55 if layout.is_narrow else 0.4, bottom=0.6)
    shown = np.maximum(np.where(defined, chi2, _FLOOR), _FLOOR)
    low, high = float(ic.min(initial=-1.0)), float(ic.max(initial=1.0))
    axes.set_xlim(low - 0.06 * (high - low), high + 0.1 * (high - low))
    log_scale(axes.yaxis, _FLOOR * 0.8, max(10.0, float(shown.max(initial=10.0))) * 1.6, labels=8)
    axes.axvline(0, color="#555555", linewidth=1, zorder=1)
    axes.axhline(_CHANCE, color="#555555", linestyle="--", linewidth=1, zorder=1)
    _points(axes, ic, shown, defined & ~flagged, "o", PALETTE[0], "not flagged")
    _points(axes, ic, shown, flagged, "^", PALETTE[1], "flagged")
    axes.set_xlabel("IC: 0 as expected, 1 twice, 2 four times")
    y_label(axes, "chi-square (log scale)", left=_LEFT)
    legend_above(axes, columns=2)
    first = [row for row in range(min(_NAMED, len(ic))) if defined[row]]
    points = np.column_stack([ic, shown])
    place_labels(axes, points[first], [str(row + 1) for row in first], points[defined])
    return figure


def _points(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], which: NDArray[np.bool_], marker: str, colour: str,
    label: str,
) -> None:  # fmt: skip
    """Markers, as a picture where there are very many; the legend's marker is a shape of its own either way."""
    many = int(which.sum())
    size = 5.5 if many <= 200 else 4 if many <= DENSE else 2.6
    axes.plot(
        x[which], y[which], marker, color=colour, markersize=size, markeredgewidth=0.4,
        fillstyle="full" if marker == "^" else "none", rasterized=many > DENSE, zorder=2,
    )  # fmt: skip
    axes.plot([], [], marker, color=colour, markersize=6, fillstyle="full" if marker == "^" else "none", label=label)
