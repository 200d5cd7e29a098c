"""Funnel of shrinkage: the crude ratio of observed to expected reports beside what shrinkage makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kelsey.page import Plot, Table
from kelsey.report.layout import DENSE, Layout, both, legend_above, log_scale, y_label
from kelsey.report.numbers import ReportNumbers
from kelsey.report.words import pair_name, ratio, times, whole
from kelsey.svg import PALETTE

__all__ = ["shrinkage"]

_LINKED = 60
_LISTED = 50
_LEFT = 1.0
_BANDS = ((1, 1), (2, 2), (3, 4), (5, 9), (10, 29), (30, 99), (100, None))

_Floats = NDArray[np.float64]


def shrinkage(numbers: ReportNumbers) -> Plot:
    """The plot of all pairs of the focus."""
    rows = numbers.order
    n, expected = numbers.scores["n"][rows], numbers.scores["expected"][rows]
    crude = n / expected
    shrunk = numbers.scores["ebgm"][rows] if numbers.fit else 2.0 ** numbers.scores["ic"][rows]
    name = "EBGM" if numbers.fit else "2^IC"
    dense = " The points are a picture, in which they cover each other." if len(rows) > DENSE else ""
    instead = "" if numbers.fit else " No prior fits this table, so the IC stands for the EBGM."
    worst = int(np.argmax(crude / shrunk))
    pair = pair_name(*numbers.pair_of(int(rows[worst])))
    return Plot(
        "What shrinkage did",
        **both(lambda layout: _draw(expected, crude, shrunk, name, layout)),
        caption=(
            "Each pair twice, at the number of reports expected of it: as an open circle the crude ratio of observed "
            f"to expected reports, as a triangle the shrunken ratio ({name}). To the left little is expected, and one "
            "report by chance makes a huge crude ratio: the circles fan out, the triangles are drawn towards what the "
            f"reports can support. To the right the two agree.{instead}{dense}"
        ),
        alternative=(
            f"Funnel plot of {times(len(rows), 'pair')}. The crude ratio reaches {ratio(float(crude.max()))}, the "
            f"{name} {ratio(float(shrunk.max()))}. The strongest shrinkage is that of {pair}: "
            f"{times(int(n[worst]), 'report')}, from {ratio(float(crude[worst]))} to {ratio(float(shrunk[worst]))}."
        ),
        data=_pairs(numbers, crude, shrunk, name) if len(rows) <= _LISTED else _bands(n, crude, shrunk, name),
    )


def _pairs(numbers: ReportNumbers, crude: _Floats, shrunk: _Floats, name: str) -> Table:
    scores = numbers.scores
    rows = [
        (
            *numbers.pair_of(row),
            whole(int(scores["n"][row])),
            ratio(float(scores["expected"][row])),
            ratio(float(crude[place])),
            ratio(float(shrunk[place])),
        )
        for place, row in enumerate(numbers.order.tolist())
    ]
    columns = ["reports", "expected", "observed / expected", name]
    return Table("crude and shrunken ratio", ["drug", "reaction", *columns], rows, numeric=frozenset(columns))


def _bands(n: NDArray[np.int64], crude: _Floats, shrunk: _Floats, name: str) -> Table:
    """The points in sum: by number of reports, as there are too many to list."""
    rows = []
    for low, high in _BANDS:
        inside = (n >= low) & (n <= (high or n.max(initial=low)))
        if inside.any():
            values = [(np.median(each[inside]), each[inside].max()) for each in (crude, shrunk)]
            said = str(low) if low == high else f"{low} to {high}" if high else f"{low} or more"
            rows.append((said, whole(int(inside.sum())), *(ratio(float(v)) for pair in values for v in pair)))
    columns = ["pairs", "median O/E", "largest O/E", f"median {name}", f"largest {name}"]
    return Table(
        "crude and shrunken ratio by number of reports",
        ["reports of the pair", *columns],
        rows,
        "O/E: observed over expected reports. There are too many pairs to list; kelsey score writes all.",
        frozenset(columns),
    )


def _draw(expected: _Floats, crude: _Floats, shrunk: _Floats, name: str, layout: Layout) -> Figure:
    figure, axes = layout.panel(3.6, left=_LEFT, right=0.25, top=0.55 if layout.is_narrow else 0.4, bottom=0.6)
    log_scale(axes.xaxis, expected.min() / 1.6, expected.max() * 1.6, labels=4 if layout.is_narrow else 8)
    both_ratios = np.concatenate([crude, shrunk])
    log_scale(axes.yaxis, min(0.5, both_ratios.min()) / 1.4, max(2.0, both_ratios.max()) * 1.4, labels=8)
    if len(expected) <= _LINKED:
        axes.vlines(expected, np.minimum(crude, shrunk), np.maximum(crude, shrunk), color="#999999", linewidth=0.8)
    dense = len(expected) > DENSE
    size = 2.6 if dense else 4 if len(expected) > 200 else 6
    series = ((crude, "o", PALETTE[1], "none", "crude ratio"), (shrunk, "^", PALETTE[0], "full", f"shrunken ({name})"))
    for values, marker, colour, fill, label in series:
        style: dict[str, Any] = {"color": colour, "fillstyle": fill, "markeredgewidth": 0.5 if dense else 0.9}
        axes.plot(expected, values, marker, markersize=size, rasterized=dense, zorder=2, **style)
        axes.plot([], [], marker, markersize=6, label=label, color=colour, fillstyle=fill)
    axes.axhline(1, color="#555555", linestyle="--", linewidth=1, zorder=3)
    axes.set_xlabel("expected reports (log scale)")
    y_label(axes, "ratio (log scale)", left=_LEFT)
    legend_above(axes, columns=1 if layout.is_narrow else 2)
    return figure
