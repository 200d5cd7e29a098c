"""The one self-contained page that a demonstration, a back-test or a report leaves: works offline, needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["Fact", "Page", "Plot", "Table", "Text"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One number at the top of the page."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; columns named in `numeric` are set to the right."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numeric: frozenset[str] = frozenset()

    @property
    def heading_column(self) -> int:
        """Number of the column that says what a row is about: the first that is not numeric."""
        return next((place for place, name in enumerate(self.header) if name not in self.numeric), 0)


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot with what a reader should see in it; `alternative` says it to a screen reader.

    `narrow_svg` is shown instead on a narrow screen, where there is one; `data` stands behind a fold below the plot.
    """

    title: str
    svg: str
    caption: str
    alternative: str
    narrow_svg: str = ""
    data: Table | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A section of words alone, for instance why a plot is not there."""

    title: str
    paragraphs: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Title, facts, then sections in order, then notes."""

    title: str
    lead: str
    facts: Sequence[Fact]
    sections: Sequence[Plot | Table | Text]
    notes: Sequence[str]

    def write(self, path: Path) -> None:
        """Write the page as one HTML file."""
        environment = Environment(
            loader=PackageLoader("kelsey"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.tests["plot"] = lambda section: isinstance(section, Plot)
        environment.tests["table"] = lambda section: isinstance(section, Table)
        path.write_text(environment.get_template("page.html").render(page=self), encoding="utf-8")
