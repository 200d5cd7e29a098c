"""Protocols and histories that several tests use."""

from __future__ import annotations

from datetime import date
from typing import Any

from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol

Names = int | tuple[str, ...]


def protocol(*, drugs: Names = 3, reactions: Names = 4, epochs: int = 12, **fields: Any) -> SurveillanceProtocol:
    """A small protocol; names by number are made up, `fields` replace any other field."""
    values: dict[str, Any] = {
        "name": "example",
        "version": "1",
        "era": "2026",
        "vocabulary": "example@1",
        "drugs": _names("drug", drugs),
        "reactions": _names("reaction", reactions),
        "calendar": EpochCalendar("month", date(2026, 1, 1), epochs),
        "epsilon": 3.0,
        "delta": 1e-6,
    }
    return SurveillanceProtocol(**(values | fields))


def _names(kind: str, names: Names) -> tuple[str, ...]:
    return tuple(f"{kind} {number}" for number in range(names)) if isinstance(names, int) else names
