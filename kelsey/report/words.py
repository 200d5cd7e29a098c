"""How the report says numbers and pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["decimal", "interval", "listed", "pair_name", "percent", "ratio", "short", "times", "whole"]

_NAME_LENGTH = 80


def whole(number: int) -> str:
    """A count."""
    return f"{number:,}"


def times(count: int, one: str, many: str = "") -> str:
    """A count with its noun: 1 report, 2 reports."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def decimal(value: float, digits: int = 2) -> str:
    """A number that may be undefined or infinite; never ``-0.00``."""
    if math.isnan(value):
        return "not defined"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")  # a hyphen is not read aloud


def ratio(value: float) -> str:
    """A ratio, chi-square or expected count to about three figures."""
    if not math.isfinite(value) or value == 0:
        return decimal(value)
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.1f} million"
    power = math.floor(math.log10(abs(float(f"{value:.3g}"))))  # of what is shown: 9.996 is 10.0
    return decimal(value, max(0, min(6, 2 - power)))


def percent(share: float) -> str:
    """A share or a level, as few digits as it has."""
    return f"{share * 100:.4g} %"


def interval(point: float, lower: float, upper: float) -> str:
    """A ratio with its limits."""
    return f"{ratio(point)} ({ratio(lower)} to {ratio(upper)})"


def short(name: str) -> str:
    """A name for running text, cut where it is very long."""
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1].rstrip() + "…"


def pair_name(drug: str, reaction: str) -> str:
    """A pair in running text."""
    return f"{short(drug)} with {short(reaction)}"


def listed(words: Sequence[str]) -> str:
    """Words as a list: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
