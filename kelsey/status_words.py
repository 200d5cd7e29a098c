"""Nested status documents as indented text."""

from __future__ import annotations

from typing import Any

__all__ = ["status_text"]


def status_text(document: dict[str, Any]) -> str:
    """One line a value, groups indented under their name; what is not known is a dash.

    Examples
    --------
    >>> print(status_text({"site": "north", "lag": {"raw": 3, "cases": None}}))
    site: north
    lag:
      raw: 3
      cases: -
    """
    return "\n".join(_lines(document, 0))


def _lines(value: Any, depth: int) -> list[str]:
    pad = "  " * depth
    lines: list[str] = []
    items = value.items() if isinstance(value, dict) else ((f"{number}", item) for number, item in enumerate(value, 1))
    for name, item in items:
        if isinstance(item, dict | list | tuple) and item:
            lines.append(f"{pad}{name}:")
            lines += _lines(item, depth + 1)
        else:
            empty = item is None or item == {} or item in ([], ())
            shown = "-" if empty else f"{item:,}" if isinstance(item, int) and not isinstance(item, bool) else f"{item}"
            lines.append(f"{pad}{name}: {shown}")
    return lines
