"""Heat map: the most reported drugs by class of reaction, each class counting a report once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from cases import ParameterError
from detectors import CountTable, PairArrays, score_pairs
from kelsey.page import Plot, Table
from kelsey.report.layout import POINTS_PER_INCH, Layout, both
from kelsey.report.numbers import ReportNumbers
from kelsey.report.words import decimal, pair_name, percent, times, whole
from kelsey.score_input import read_rows, unknown_name
from kelsey.svg import fitted, text_width

__all__ = ["heat_map"]

_DRUGS, _COLUMNS = 10, 8
_REACH = 3.0
_COLOURS = colormaps["PuOr_r"]  # ColorBrewer's, told apart by colour-blind readers
_NO_CLASS = "(no class)"


@dataclass(frozen=True, slots=True)
class _Grid:
    """Counts and IC of each drug (row) and column."""

    drugs: Sequence[str]
    columns: Sequence[str]
    n: NDArray[np.int64]
    expected: NDArray[np.float64]
    ic: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    def mark(self, row: int, column: int) -> str:
        """A triangle where the interval leaves 0 out."""
        return "▲" if self.lower[row, column] > 0 else "▼" if self.upper[row, column] < 0 else ""


def heat_map(numbers: ReportNumbers) -> Plot:
    """The plot of the drug in focus, if one is, and the most reported ones.

    Raises `ParameterError` where the file of classes names no reaction of the table.
    """
    path = numbers.settings.classes
    table, said = (numbers.table, "") if path is None else _class_table(numbers, path)
    grid = _grid(numbers, table)
    kind, kinds = ("reaction", "reactions") if path is None else ("class", "classes")
    above, below = int((grid.lower > 0).sum()), int((grid.upper < 0).sum())
    at = row, column = divmod(int(np.argmax(grid.lower)), len(grid.columns))
    level = percent(numbers.settings.level)
    chosen = "The drug in focus, then the" if numbers.settings.drug else "The"
    return Plot(
        "Drugs by reaction" if path is None else "Drugs by class of reactions",
        **both(lambda layout: _draw(grid, layout)),
        caption=(
            f"{chosen} most reported drugs (rows) by the most reported {kinds} "
            "(columns). In each cell the IC (1: reported twice as often as expected, −1: half as often) and below it "
            f"the number of reports{'' if path is None else ', each counted once a class'}. Orange is more than "
            f"expected, purple less. ▲ and ▼: the {level} interval lies wholly above or below 0; without either, the "
            f"reports leave it open. Hatched: no report.{said}"
        ),
        alternative=(
            f"Heat map of {times(len(grid.drugs), 'drug')} by {times(len(grid.columns), kind, kinds)}. The "
            f"interval of the IC lies above 0 in {above} and below in {below} of {grid.n.size} cells. The highest "
            f"lower limit is that of {pair_name(grid.drugs[row], grid.columns[column])}: "
            f"{times(int(grid.n[at]), 'report')}, IC {decimal(float(grid.ic[at]))} "
            f"({decimal(float(grid.lower[at]))} to {decimal(float(grid.upper[at]))})."
        ),
        data=_table(grid, kind),
    )


def _class_table(numbers: ReportNumbers, path: Path) -> tuple[CountTable, str]:
    """Counts by class, and what the classes leave out, in words."""
    rows = read_rows(path, ["reaction", "class"])
    for name in ("reaction", "class"):
        rows.refuse(rows.frame[name].fill_null("").str.strip_chars() == "", f"{name} has no value")
    classes = rows.frame.select("reaction", "class").unique(maintain_order=True)
    known = numbers.frame["reaction"].unique()
    absent = classes.filter(~pl.col("reaction").is_in(known.implode()))["reaction"].unique(maintain_order=True)
    if absent.len() == classes["reaction"].n_unique():
        hint = unknown_name(absent[0], known)
        raise ParameterError(f"{path}: no report names any of its reactions, {absent[0]!r} for one", hint=hint)
    frame = numbers.frame.join(classes, on="reaction", how="left", maintain_order="left_right").with_columns(
        pl.col("class").fill_null(_NO_CLASS)
    )
    table = CountTable.from_reports(
        frame["case_id"], frame["drug"], frame["class"], {name: frame[name] for name in numbers.settings.stratify}
    )
    unclassed = frame.filter(pl.col("class") == _NO_CLASS)["reaction"].n_unique()
    said = f" Without a class: {times(unclassed, 'reaction')} of the table." if unclassed else ""
    return table, said + (
        f" In no report: {times(absent.len(), 'reaction')} of the file of classes." * bool(len(absent))
    )


def _most_reported(names: Sequence[str], index: NDArray[np.int64], counts: NDArray[np.int64]) -> list[str]:
    """Names by their margin, largest first; equal ones in their order."""
    each, first = np.unique(index, return_index=True)
    order = np.argsort(-counts[first], kind="stable")
    return [names[place] for place in each[order].tolist()]


def _grid(numbers: ReportNumbers, table: CountTable) -> _Grid:
    arrays: PairArrays = table.arrays()
    focus = [numbers.settings.drug] if numbers.settings.drug else []
    drugs = list(dict.fromkeys([*focus, *_most_reported(arrays.drug_names, arrays.drug_index, arrays.n_drug)]))[:_DRUGS]
    every = _most_reported(arrays.reaction_names, arrays.reaction_index, arrays.n_reaction)
    columns = [name for name in every if name != _NO_CLASS][:_COLUMNS]
    scores = score_pairs(
        table,
        list(product(drugs, columns)),
        level=numbers.settings.level,
        stratified=bool(numbers.settings.stratify),
        names=("ic",),
    )
    shape = len(drugs), len(columns)
    parts = (scores[name].reshape(shape) for name in ("n", "expected", "ic", "ic_lower", "ic_upper"))
    return _Grid(drugs, columns, *parts)


def _table(grid: _Grid, kind: str) -> Table:
    rows = [
        (
            drug,
            name,
            whole(int(grid.n[row, column])),
            decimal(float(grid.expected[row, column]), 1),
            *(decimal(float(part[row, column])) for part in (grid.ic, grid.lower, grid.upper)),
        )
        for row, drug in enumerate(grid.drugs)
        for column, name in enumerate(grid.columns)
    ]
    columns = ["reports", "expected", "IC", "IC lower", "IC upper"]
    return Table("cells of the heat map", ["drug", kind, *columns], rows, numeric=frozenset(columns))


def _draw(grid: _Grid, layout: Layout) -> Figure:
    rows, columns = grid.n.shape
    narrow = layout.is_narrow
    step = 0.72 if narrow else 0.46
    left, right = (0.08, 0.08) if narrow else (2.75, 1.35)
    room = layout.width - left - right
    width = min(room, columns * (0.9 if narrow else 0.75))
    names = [fitted(name, width_points=(1.6 if narrow else 2.0) * POINTS_PER_INCH) for name in grid.columns]
    top = max(map(text_width, names)) / POINTS_PER_INCH * (1.0 if narrow else 0.71) + 0.25
    figure, axes = layout.panel(step * rows, left=left, right=layout.width - left - width, top=top, bottom=0.85)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.axis("off")
    scale = Normalize(-_REACH, _REACH, clip=True)
    for row, column in product(range(rows), range(columns)):
        _cell(axes, grid, row, column, _COLOURS(scale(grid.ic[row, column])), narrow)
    for row, drug in enumerate(grid.drugs):
        if narrow:
            name = fitted(drug, width_points=width * POINTS_PER_INCH * 0.9)
            axes.annotate(name, (0, row + 0.16), va="center", fontweight="bold")
        else:
            name = fitted(drug, width_points=(left - 0.2) * POINTS_PER_INCH)
            axes.annotate(name, (0, row + 0.5), xytext=(-8, 0), textcoords="offset points", ha="right", va="center")
    for column, text in enumerate(names):
        axes.annotate(
            text, (column + 0.5, 0), xytext=(0, 6), textcoords="offset points", rotation=90 if narrow else 45,
            rotation_mode="anchor", ha="left", va="center",
        )  # fmt: skip
    _key(figure, layout, left + 0.2, 3.3 if narrow else 4.0)
    return figure


def _cell(axes: Axes, grid: _Grid, row: int, column: int, colour: tuple[float, ...], narrow: bool) -> None:
    top, height = (row + 0.36, 0.6) if narrow else (row + 0.03, 0.94)
    n = int(grid.n[row, column])
    middle = column + 0.5
    size = 8.5 if narrow else 9.5
    if n == 0:
        box = Rectangle(
            (column + 0.03, top), 0.94, height, facecolor="white", edgecolor="#aaaaaa", hatch="////", linewidth=0
        )
        axes.add_patch(box)
        axes.text(
            middle, top + height / 2, "0", ha="center", va="center", fontsize=size,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip
        return
    axes.add_patch(Rectangle((column + 0.03, top), 0.94, height, facecolor=colour, linewidth=0))
    ink = "black" if _luminance(colour) > 0.179 else "white"  # where both have the same contrast
    value = f"{decimal(float(grid.ic[row, column]), 1)}{grid.mark(row, column)}"
    for text, share in ((value, 0.3), (_compact(n), 0.72)):
        axes.text(middle, top + height * share, text, ha="center", va="center", fontsize=size, color=ink)


def _luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance as the Web Content Accessibility Guidelines define it."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _compact(n: int) -> str:
    for factor, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if n >= 10 * factor or (n >= factor and factor > 10**3):
            return f"{n / factor:.0f}{letter}"
    return f"{n:,}"


def _key(figure: Figure, layout: Layout, left: float, width: float) -> None:
    """The colours with their values, below the cells."""
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((left / layout.width, 0.5 / height, width / layout.width, 0.14 / height))
    edges = np.linspace(-_REACH, _REACH, 49)
    axes.pcolormesh(edges, [0, 1], [(edges[1:] + edges[:-1]) / 2], cmap=_COLOURS, vmin=-_REACH, vmax=_REACH)
    axes.set_yticks([])
    axes.set_xticks([-3, -2, -1, 0, 1, 2, 3], ["−3", "−2", "−1", "0", "1", "2", "3"])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("IC" if layout.is_narrow else "IC (beyond 3 as at 3)", labelpad=1)
