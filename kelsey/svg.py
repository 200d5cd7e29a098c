"""Figures as inline SVG: one style, colours that colour-blind readers can tell apart, text that fits its place.

Colours are the Okabe-Ito palette; series differ in marker or line style too. Text stays text: searchable, and small.
"""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
import warnings
from functools import cache
from itertools import accumulate, takewhile
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

__all__ = ["MARKERS", "PALETTE", "STYLE", "as_svg", "fitted", "text_width"]

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE: Any = {  # matplotlib types the keys as one long Literal
    "svg.fonttype": "none",  # text stays text: searchable, and small
    "svg.hashsalt": "kelsey",  # the same plot gives the same bytes
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def as_svg(figure: Figure, *, is_cropped: bool = True) -> str:
    """The figure as an ``<svg>`` element for a page that holds others: ids that no other figure has, no metadata.

    `is_cropped` cuts the empty margins away; without it the size is that of the figure.
    """
    buffer = io.StringIO()
    FigureCanvasSVG(figure)
    nothing = dict.fromkeys(["Creator", "Date", "Format", "Type"])
    with warnings.catch_warnings():  # the reader's browser has the letters that matplotlib's own font lacks
        warnings.filterwarnings("ignore", message="(?s).*Glyph .* missing from", category=UserWarning)
        warnings.filterwarnings("ignore", message="(?s).*Matplotlib currently does not support", category=UserWarning)
        figure.savefig(buffer, format="svg", bbox_inches="tight" if is_cropped else None, metadata=nothing)
    text = re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), flags=re.DOTALL)
    return _with_own_ids(text)


def _with_own_ids(svg: str) -> str:
    """The ids that something refers to get a prefix from the content; the others go."""
    prefix = "k" + hashlib.sha256(svg.encode()).hexdigest()[:10]
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))

    def renamed(tag: re.Match[str]) -> str:
        text = re.sub(r' id="([^"]*)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", tag[0])
        return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", text)

    return re.sub(r"<[a-zA-Z][^>]*>", renamed, svg)  # in tags alone: what a label says stays


@cache
def _advance(character: str) -> float:
    """Width of a character in ems; that of a letter that the font lacks is a guess on the wide side."""
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    font = get_font(findfont(FontProperties(family="DejaVu Sans")))
    if font.get_char_index(ord(character)) == 0:
        return 0.75
    font.set_size(100, 72)
    return float(font.load_char(ord(character)).linearHoriAdvance / 65536 / 100)


def text_width(text: str, *, size: float = 10) -> float:
    """Width of one line of text in points, at font size `size`."""
    return sum(map(_advance, text)) * size


def fitted(text: str, *, width_points: float, size: float = 10) -> str:
    """`text` on one line; wider than `width_points` at font size `size`, it loses its middle: ends tell names apart."""
    room = width_points / size
    line = " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in text).split())
    if text_width(line, size=1) <= room:
        return line
    room -= _advance("…")
    head = _prefix(line, room * 0.6)
    tail = _prefix(line[::-1], room - text_width(head, size=1))[::-1]
    return f"{head.rstrip()}…{tail.lstrip()}"


def _prefix(text: str, room: float) -> str:
    """As many of the first characters as `room` ems hold."""
    widths = accumulate(map(_advance, text))
    return text[: sum(1 for _ in takewhile(lambda width: width <= room, widths))]
