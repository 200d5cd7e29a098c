"""The two plots of a simulation: who finds how much, and what size of signal is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from kelsey.svg import MARKERS, PALETTE, STYLE, as_svg

__all__ = ["band_plot", "recall_by_cadence_plot"]


def recall_by_cadence_plot(recall: Mapping[str, Mapping[str, float]], *, exact: float) -> str:
    """Recall (y) by cadence (x), one marker and line a federation; the line across is what exact counts find.

    Parameters
    ----------
    recall
        By federation, then by cadence; the same cadences in each, in order.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 3.6))
        axes = figure.add_subplot()
        axes.axhline(exact, color="#666666", linewidth=1, linestyle="--", label="exact counts of all patients")
        cadences: Sequence[str] = []
        for number, (name, values) in enumerate(recall.items()):
            cadences = list(values)
            axes.plot(
                range(len(cadences)),
                list(values.values()),
                marker=MARKERS[number % len(MARKERS)],
                color=PALETTE[number % len(PALETTE)],
                linestyle=("-", "--", ":")[number % 3],
                label=name,
            )
        axes.set_xticks(range(len(cadences)), cadences)
        axes.set_xlim(-0.3, max(0.3, len(cadences) - 0.7))
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("true associations found")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        return as_svg(figure)


def band_plot(recall: Mapping[str, Sequence[float]], *, bands: Sequence[str]) -> str:
    """Recall of the associations of each size, bars side by side, one colour and hatching a view."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 3.4))
        axes = figure.add_subplot()
        width = 0.8 / max(1, len(recall))
        for number, (name, values) in enumerate(recall.items()):
            shift = (number - (len(recall) - 1) / 2) * width
            axes.bar(
                np.arange(len(bands)) + shift,
                np.nan_to_num(np.asarray(values)),
                width=width,
                color=PALETTE[number % len(PALETTE)],
                hatch=("", "//", "..", "xx")[number % 4],
                edgecolor="white",
                label=name,
            )
        axes.set_xticks(range(len(bands)), bands)
        axes.set_xlabel("patients who reported the pair")
        axes.set_ylim(0, 1.02)
        axes.set_ylabel("true associations found")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        return as_svg(figure)
