"""The parts of a replay: signal log, page, plots, terminal tables, calendars, keys."""

from __future__ import annotations

import re
import stat
import xml.etree.ElementTree as ET
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from cases import ConfigurationError
from detectors.rules import STANDARD_RULES, load_presets
from detectors.score import score_all
from detectors.table import CountTable
from kelsey.calendars import calendar_for
from kelsey.console import table
from kelsey.keys import make_site_keys
from kelsey.page import Fact, Page, Plot, Table
from kelsey.plots import ForestRow, budget_plot, forest_plot, noise_plot, recall_plot, reports_plot
from kelsey.signal_log import SIGNAL_COLUMNS, SignalLog

DAYS = [date(2026, 1, 31), date(2026, 2, 28)]


def observe(log: SignalLog, counts: CountTable, day: date) -> None:
    arrays = counts.arrays()
    scores = score_all(arrays)
    log.observe(day, arrays, scores, {name: rule.flags(scores) for name, rule in load_presets(STANDARD_RULES).items()})


def test_a_signal_keeps_its_first_day_and_gets_its_last_values() -> None:
    counts = CountTable()
    for _ in range(400):
        counts.update(["other"], ["Fever"])
    log = SignalLog(view="pooled")
    observe(log, counts, DAYS[0])
    assert log.first == {}
    assert log.held == set()
    for _ in range(6):
        counts.update(["drug"], ["Rash"])
    observe(log, counts, DAYS[0])
    for _ in range(4):
        counts.update(["drug"], ["Rash"])
    observe(log, counts, DAYS[1])
    arrays = counts.arrays()
    rows = list(log.rows(arrays, score_all(arrays)))
    (row,) = [row for row in rows if row["drug"] == "drug"]
    assert (row["first_date"], row["reports_at_first"], row["reports_at_end"]) == ("2026-01-31", 6, 10)
    assert row["rule"] == "ema;evans;umc"
    assert isinstance(row["ic"], float)
    assert isinstance(row["ic_at_first"], float)
    assert row["ic"] > row["ic_at_first"]
    assert row["noisy_value"] is None
    assert tuple(row) == SIGNAL_COLUMNS


def test_a_pair_that_is_gone_at_the_end_is_still_listed() -> None:
    counts = CountTable()
    for _ in range(400):
        counts.update(["other"], ["Fever"])
    for _ in range(6):
        counts.update(["drug"], ["Rash"])
    log = SignalLog(view="site", site="a")
    observe(log, counts, DAYS[0])
    assert log.held == set(log.first) != set()
    for _ in range(6):
        counts.retract(["drug"], ["Rash"])
    observe(log, counts, DAYS[1])
    assert log.held == set()
    arrays = counts.arrays()
    (row,) = [row for row in log.rows(arrays, score_all(arrays)) if row["drug"] == "drug"]
    assert (row["site"], row["reports_at_end"], row["prr"]) == ("a", 0, None)


@pytest.mark.parametrize(
    ("unit", "count", "start"),
    [("day", 60, date(1990, 7, 2)), ("week", 9, date(1990, 7, 2)), ("month", 2, date(1990, 7, 1))],
)
def test_the_calendar_holds_both_days_and_no_more(unit: str, count: int, start: date) -> None:
    first, last = date(1990, 7, 2), date(1990, 8, 30)
    calendar = calendar_for(unit, first, last)
    assert (calendar.count, calendar.start) == (count, start)
    assert calendar.index(first) == 0
    assert calendar.index(last) == count - 1


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"} and value and not value.startswith(("#", "data:")):
                self.outside.append(value)


def plots() -> dict[str, str]:
    rng = np.random.default_rng(1)
    exact = rng.integers(0, 50, 40).astype(np.float64)
    return {
        "reports": reports_plot(DAYS, {"a": [3, 4], "b": [0, 9]}),
        "forest": forest_plot([ForestRow("drug <x> & y", {"exact": (2, 1, 4), "hub": (3, 0, 9)})], measure="ROR"),
        "empty": forest_plot([], measure="ROR"),
        "noise": noise_plot(exact, exact / 2, mean_weight=0.5, noise_sd=3.0, highlighted=exact > 45),
        "budget": budget_plot(DAYS, epsilon_spent=[3, 3], epsilon=3, noise_sd=[4, 5]),
        "recall": recall_plot(DAYS, {"exact": [1, 2], "hub": [0, 1]}, planted=3),
    }


def test_plots_are_well_formed_and_the_same_each_time() -> None:
    first, second = plots(), plots()
    for name, svg in first.items():
        assert ET.fromstring(svg).tag.endswith("svg"), name
    assert first == second


def test_the_page_is_self_contained_and_escapes_what_it_shows(tmp_path: Path) -> None:
    page = Page(
        title="T <script>",
        lead="lead",
        facts=[Fact("1", "one")],
        sections=[
            *(Plot(name, svg, "caption", "alternative text") for name, svg in plots().items()),
            Table("table", ["drug", "n"], [["<b>bold</b>", "3"]], "caption", frozenset({"n"})),
        ],
        notes=["note"],
    )
    page.write(tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text()
    links = _Links()
    links.feed(text)
    assert links.outside == []
    assert links.scripts == 0
    assert "<b>bold</b>" not in text
    assert "default-src 'none'" in text
    assert not re.search(r"https?://(?!www\.w3\.org|purl\.org|creativecommons\.org|matplotlib\.org)", text)
    assert text.count('aria-label="alternative text"') == 6


def test_terminal_tables_align_numbers_to_the_right() -> None:
    assert table([("a", 1), ("bb", 1000)], header=("what", "n")) == "what      n\na         1\nbb    1,000"
    assert table([]) == ""


def test_site_keys_are_private_usable_and_never_overwritten(tmp_path: Path) -> None:
    made = make_site_keys(tmp_path / "secrets")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in made}
    assert modes["pseudonym.key"] == modes["signing.pem"] == 0
    assert len((tmp_path / "secrets/pseudonym.key").read_bytes()) == 32
    private = load_pem_private_key((tmp_path / "secrets/signing.pem").read_bytes(), None)
    public = load_pem_public_key((tmp_path / "secrets/signing.pub").read_bytes())
    assert private.public_key() == public
    with pytest.raises(ConfigurationError, match="exists"):
        make_site_keys(tmp_path / "secrets")
