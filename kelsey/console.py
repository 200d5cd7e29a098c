"""What commands say: aligned tables, progress on a terminal only, and errors as one line with the way out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import click

__all__ = ["Advance", "progress", "table"]


class Advance(Protocol):
    """Moves a progress bar on by some steps."""

    def __call__(self, steps: int = 1) -> None:
        """Move on by `steps`."""


def table(rows: Iterable[Sequence[Any]], *, header: Sequence[str] = ()) -> str:
    """Rows as aligned plain text; numbers to the right, the rest to the left.

    Examples
    --------
    >>> print(table([("read", 12), ("cases", 9)]))
    read   12
    cases   9
    """
    lines = [tuple(header)] if header else []
    body = [tuple(row) for row in rows]
    cells = [[_text(cell) for cell in row] for row in [*lines, *body]]
    if not cells:
        return ""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    numeric = [all(isinstance(row[column], int | float) for row in body) for column in range(len(widths))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    return str(cell)


@contextmanager
def progress(label: str, length: int) -> Iterator[Advance]:
    """A progress bar on standard error; silent where that is not a terminal."""
    if not sys.stderr.isatty():

        def silent(steps: int = 1) -> None:
            del steps

        yield silent
        return
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:

        def advance(steps: int = 1) -> None:
            bar.update(steps)

        yield advance
