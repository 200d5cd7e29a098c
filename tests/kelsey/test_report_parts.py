"""Parts of the report: numbers as words, names that fit their place, SVG that shares a page with others."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from kelsey.report.layout import Layout, log_scale, place_labels
from kelsey.report.words import decimal, interval, listed, percent, ratio, short, times
from kelsey.svg import as_svg, fitted, text_width


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "not defined"), (math.inf, "infinite"), (0.0, "0.00"), (0.0351234, "0.0351"), (1.0, "1.00"),
        (12.345, "12.3"), (9.996, "10.0"), (1234.5, "1,234"), (3.11e6, "3.1 million"), (-1.5, "−1.50"),
    ],
)  # fmt: skip
def test_ratios_are_said_to_three_figures(value: float, said: str) -> None:
    assert ratio(value) == said


def test_words() -> None:
    assert decimal(-0.001) == "0.00"
    assert decimal(-math.inf) == "minus infinite"
    assert interval(2.0, 1.0, math.inf) == "2.00 (1.00 to infinite)"
    assert (percent(0.95), percent(0.975)) == ("95 %", "97.5 %")
    assert (times(1, "class", "classes"), times(1200, "class", "classes")) == ("1 class", "1,200 classes")
    assert (listed(["a"]), listed(["a", "b", "c"]), listed([])) == ("a", "a, b and c", "")
    assert len(short("x" * 300)) == 80


@given(st.text(max_size=80), st.floats(min_value=20, max_value=400))
@settings(max_examples=30)
def test_a_fitted_name_fits_and_keeps_both_ends(text: str, width: float) -> None:
    shown = fitted(text, width_points=width)
    assert text_width(shown) <= width + 1e-6
    assert not re.search(r"[\x00-\x1f]", shown)
    head, mark, tail = shown.partition("…")
    whole = fitted(text, width_points=1e9)
    assert shown == whole or (mark and whole.startswith(head) and whole.endswith(tail))


def test_names_with_different_ends_stay_different() -> None:
    names = ["INFLUENZA (SEASONAL) (FLUOGEN)", "INFLUENZA (SEASONAL) (FLUZONE)"]
    assert len({fitted(name, width_points=150) for name in names}) == 2


def test_two_figures_on_a_page_share_no_id_and_labels_are_left_alone() -> None:
    def draw(label: str) -> str:
        figure = Figure()
        axes = figure.add_subplot()
        axes.plot([1, 2, 3], [1, 2, 9], "o")
        axes.set_title(label)
        return as_svg(figure)

    first, second = draw('id="x" href="#y" url(#z)'), draw("other")
    ids = [set(re.findall(r'<[^>]*\bid="([^"]*)"', svg)) for svg in (first, second)]
    assert ids[0] and ids[1] and not ids[0] & ids[1]
    assert "metadata" not in first


@given(st.floats(min_value=1e-6, max_value=1e3), st.floats(min_value=1.5, max_value=1e9))
@settings(max_examples=40)
def test_a_log_axis_has_few_labels_inside_its_range(low: float, span: float) -> None:
    axes = Figure().add_subplot()
    log_scale(axes.yaxis, low, low * span, labels=8)
    ticks = axes.get_yticks()
    assert len(ticks) <= 8
    assert all(low <= tick <= low * span for tick in ticks)
    assert len({label.get_text() for label in axes.get_yticklabels()}) == len(ticks)


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    _, axes = Layout(width=8.5).panel(3.0, left=0.5, right=0.5, top=0.5, bottom=0.5)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    points = np.array([[0.5, 0.5], [0.505, 0.5], [0.5, 0.51], [0.99, 0.99], [0.01, 0.01]])
    place_labels(axes, points, ["1", "2", "3", "4", "5"], points)
    notes = [text for text in axes.texts if isinstance(text, Annotation)]
    spots = {note.get_text(): axes.transData.transform(note.xy) * 72 / 170 + note.get_position() for note in notes}
    assert set(spots) == set("12345")
    for one in spots:
        for two in spots.keys() - {one}:
            assert (np.abs(spots[one] - spots[two]) >= (7, 13)).any()
