"""Two layouts of every plot, wide and narrow, with margins in inches: nothing overlaps, whatever the names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from numpy.typing import NDArray

from kelsey.svg import STYLE, as_svg

__all__ = [
    "DENSE",
    "POINTS_PER_INCH",
    "Layout",
    "both",
    "legend_above",
    "log_scale",
    "place_labels",
    "y_label",
]

POINTS_PER_INCH = 72
DENSE = 2_000
"""More points than this are drawn as a picture: as shapes the page would be too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A width in inches at which text of 10 points is legible."""

    width: float

    @property
    def is_narrow(self) -> bool:
        """Whether it is the one for a telephone."""
        return self.width < 6

    def panel(self, height: float, *, left: float, right: float, top: float, bottom: float) -> tuple[Figure, Axes]:
        """A figure whose axes are `height` inches high inside the margins given."""
        whole = height + top + bottom
        figure = Figure(figsize=(self.width, whole), dpi=170)
        axes = figure.add_axes(
            (left / self.width, bottom / whole, (self.width - left - right) / self.width, height / whole)
        )
        return figure, axes


_WIDE, _NARROW = Layout(width=8.5), Layout(width=3.85)


def both(draw: Callable[[Layout], Figure]) -> dict[str, str]:
    """The plot in both layouts, as `kelsey.page.Plot` takes them."""
    with mpl.rc_context(STYLE | {"text.parse_math": False}):  # a name may hold a dollar sign
        return {
            name: as_svg(draw(layout), is_cropped=False) for name, layout in (("svg", _WIDE), ("narrow_svg", _NARROW))
        }


def log_scale(axis: Any, low: float, high: float, *, labels: int) -> None:
    """Set a logarithmic axis from `low` to `high` with about as many `labels`, in plain figures."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks: list[float] = []
    for factors, stride in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3), ((1,), 4), ((1,), 6)):
        powers = range(first - first % stride, last + 1, stride)
        ticks = [tick for power in powers for factor in factors if low <= (tick := factor * 10.0**power) <= high]
        if len(ticks) <= labels:
            break
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter([_plain(tick) for tick in ticks]))
    axis.set_minor_locator(NullLocator())


def _plain(tick: float) -> str:
    if 1 <= tick < 1e6:
        return f"{tick:,.0f}"
    if 1e-4 <= tick < 1:
        return f"{tick:g}"
    power = math.floor(math.log10(tick) + 1e-9)
    factor = round(tick / 10.0**power)
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{'' if factor == 1 else f'{factor}×'}10{digits}"


def y_label(axes: Axes, text: str, *, left: float) -> None:
    """Name the vertical axis at the edge of the figure, `left` inches from the axes, however wide the numbers are."""
    width = axes.get_position().width * axes.figure.bbox.width / axes.figure.dpi
    axes.set_ylabel(text)
    axes.yaxis.set_label_coords((0.2 - left) / width, 0.5)


def legend_above(axes: Axes, *, columns: int) -> None:
    """Put the legend above the axes, where no point is."""
    axes.legend(
        frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderaxespad=0.2,
        handletextpad=0.5, columnspacing=1.4,
    )  # fmt: skip


def place_labels(axes: Axes, points: NDArray[np.float64], texts: list[str], others: NDArray[np.float64]) -> None:
    """Write short labels beside `points`, shape (labels, 2), where they cover no label and the fewest of `others`."""
    if not len(points):
        return
    scale = POINTS_PER_INCH / axes.figure.dpi
    spots, rest = (axes.transData.transform(each) * scale for each in (points, others))
    frame = axes.get_window_extent()
    low, high = np.array([frame.x0, frame.y0]) * scale, np.array([frame.x1, frame.y1]) * scale
    angles = np.arange(16) * math.pi / 8
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    taken: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for point, spot, text in zip(points, spots, texts, strict=True):
        half = np.array([3.6 * len(text) + 2, 7.0])
        near = rest[(np.abs(rest - spot) < 100).all(axis=1)]
        best: tuple[float, NDArray[np.float64]] | None = None
        for reach in (13.0, 20.0, 28.0, 38.0, 50.0, 64.0, 80.0):
            for offset in reach * circle:
                middle = spot + offset
                if ((middle - half < low) | (middle + half > high)).any():
                    continue
                if any((np.abs(middle - at) < half + size).all() for at, size in taken):
                    continue
                cost = 3.0 * float((np.abs(near - middle) < half + 2).all(axis=1).sum()) + reach / 13
                if best is None or cost < best[0]:
                    best = cost, offset
        if best is None:
            continue
        taken.append((spot + best[1], half))
        axes.annotate(
            text, tuple(point), xytext=tuple(best[1]), textcoords="offset points", ha="center", va="center",
            fontweight="bold", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
            arrowprops={"arrowstyle": "-", "color": "#222222", "linewidth": 0.8, "shrinkA": 4, "shrinkB": 2}, zorder=5,
        )  # fmt: skip
