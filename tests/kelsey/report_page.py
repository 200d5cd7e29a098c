"""A page as a screen reader and a security reviewer read it, and made-up reports to make one of."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from click.testing import CliRunner

from kelsey.cli import cli

__all__ = ["ODD_DRUGS", "ODD_REACTIONS", "ReadPage", "made_up", "run_report", "write_csv"]

ODD_DRUGS = (
    "<script>alert(1)</script>", "a & b \"q\" 's'", "$x_1$ cost", "阿司匹林肠溶片",
    "أسبرين دواء طويل الاسم جدا", "W" * 120, "हिन्दी दवा", "x",
    "Очень длинное название лекарственного препарата с пояснением, которое не помещается",
    "a drug with a very long name (brand name, manufacturer, dose form, 500 mg film-coated tablets)",
)  # fmt: skip
ODD_REACTIONS = (
    "<b>rash</b>", "頭痛", "Гипотензия тяжёлая", 'id="x" href="#y"', "]]> --> nausea", "fever", "M" * 90,
    "pain", "שלום", "😀 mood",
)  # fmt: skip


class ReadPage(HTMLParser):
    """What a page holds: tags in order, tables by caption, texts of sections, labels of plots."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.plots: list[str] = []
        self.unlabelled_svgs = 0
        self.unscoped_headers = 0
        self.words: list[str] = []
        self._open: list[tuple[str, str]] = []
        self._rows: list[list[str]] = []
        self._caption: str | None = None
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append((tag, values))
        if values.get("role") == "img":
            self.plots.append(values.get("aria-label", ""))
        if tag == "svg" and not any(role == "img" for _, role in self._open):
            self.unlabelled_svgs += 1
        if tag == "th" and values.get("scope") not in ("col", "row"):
            self.unscoped_headers += 1
        if tag == "table":
            self._rows, self._caption = [], None
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")
        if tag not in ("meta", "br", "link", "img"):
            self._open.append((tag, values.get("role", "")))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, f"</{tag}> closes another tag"
        if tag == "table":
            assert self._caption is not None
            self.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self._open]
        if "style" in inside or "svg" in inside:
            return
        if inside[-1:] == ["caption"]:
            self._caption = data
        if {"th", "td"} & set(inside):
            self._rows[-1][-1] += data
        if data.strip():
            self.words.append(data.strip())

    def attributes(self, *names: str) -> list[str]:
        """Values of these attributes, wherever they stand."""
        return [values[name] for _, values in self.tags for name in names if name in values]

    def rows(self, caption: str) -> list[dict[str, str]]:
        """A table by its caption, a row a mapping by header."""
        header, *rows = self.tables[caption]
        return [dict(zip(header, row, strict=True)) for row in rows]


def made_up(
    drugs: Sequence[str], reactions: Sequence[str], *, count: int = 600, seed: int = 3
) -> list[tuple[str, str, str, str]]:
    """One pair a report; a third of them join the drug with the reaction of its own place in the list."""
    draw = random.Random(seed)
    rows = []
    for case in range(count):
        drug = draw.choice(drugs)
        own = reactions[drugs.index(drug) % len(reactions)]
        reaction = own if draw.random() < 0.33 else draw.choice(reactions)
        day = f"20{draw.randint(20, 24)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
        rows.append((str(case), drug, reaction, day))
    return rows


def write_csv(path: Path, header: str, rows: Sequence[Sequence[str]]) -> Path:
    """A CSV file with any names in it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def run_report(path: Path, *options: str, out: Path | None = None) -> tuple[int, str, Path]:
    """Exit code, output and page of `kelsey report`; no page is left by a run that fails."""
    out = out or path.with_suffix(".html")
    result = CliRunner().invoke(cli, ["report", str(path), "--out", str(out), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert out.exists() == (result.exit_code == 0)
    return result.exit_code, result.output, out
