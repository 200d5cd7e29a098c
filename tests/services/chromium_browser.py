"""A headless Chromium that lays a page out at a given width and says what a reader would see."""

from __future__ import annotations

import html
import json
import re
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path

__all__ = ["ChromiumBrowser", "Measured"]

# the page stands unchanged, with its own security policy, in a frame of the width; the script is the frame's parent
_HARNESS = """<!doctype html><meta charset="utf-8"><body>
<iframe width="%d" height="900" src="%s"></iframe>
<script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
  const closed = root.scrollWidth;
  for (const fold of page.querySelectorAll("details")) fold.open = true;
  const svgs = [...page.querySelectorAll("svg")].filter(svg => svg.getClientRects().length);
  const said = {closed, open: root.scrollWidth, width: root.clientWidth, plots: svgs.length,
                smallest: 1e9, outside: [], overlapping: []};
  for (const svg of svgs) {
    const frame = svg.getBoundingClientRect(), level = [];
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect(), matrix = text.getScreenCTM();
      const size = parseFloat(getComputedStyle(text).fontSize) * Math.hypot(matrix.a, matrix.b);
      said.smallest = Math.min(said.smallest, size);
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
          box.bottom > frame.bottom + 1) said.outside.push(text.textContent);
      if (Math.abs(matrix.b) < 1e-6) level.push([text.textContent, box]);
    }
    level.forEach(([a, one], place) => level.slice(place + 1).forEach(([b, two]) => {
      const wide = Math.min(one.right, two.right) - Math.max(one.left, two.left);
      const high = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
      if (wide > 2 && high > 3) said.overlapping.push([a, b]);
    }));
  }
  const out = document.createElement("pre");
  out.id = "measured";
  out.textContent = JSON.stringify(said);
  document.body.append(out);
});
</script></body>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A page at one width, in pixels.

    Parameters
    ----------
    width
        Room that the document has.
    closed, open
        Width that the document takes with its folds closed, and open; more than `width` scrolls sideways.
    plots
        Plots that are visible.
    smallest
        Font size of the smallest text in a plot, as shown.
    outside
        Texts of plots that are cut by the plot's edge.
    overlapping
        Texts of one plot that cover each other.
    """

    width: int
    closed: int
    open: int
    plots: int
    smallest: float
    outside: list[str]
    overlapping: list[list[str]]


class ChromiumBrowser:
    """Runs a headless Chromium for each question; `folder` holds its profile and the pages asked about."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    def measure(self, page: Path, *, width: int) -> Measured:
        """Lay the page out at `width` pixels."""
        harness = self._folder / f"harness{next(self._numbers)}.html"
        harness.write_text(_HARNESS % (width, page.resolve().as_uri()), encoding="utf-8")
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--allow-file-access-from-files", f"--user-data-dir={self._folder / 'profile'}", "--dump-dom",
            harness.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        found = re.search(r'<pre id="measured">(.*?)</pre>', done.stdout, re.DOTALL)
        if found is None:
            raise RuntimeError(f"Chromium did not measure {page}: {done.stderr[-500:]}")
        return Measured(**json.loads(html.unescape(found[1])))
