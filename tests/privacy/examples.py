"""Protocols and histories that several tests use."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from privacy.active_cells import ActiveCells
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol

SOURCE = "chosen for a test"
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


def with_buckets(active: Iterable[int], *, buckets: int, **fields: Any) -> SurveillanceProtocol:
    """A protocol whose pairs share `buckets` unless they are `active`, bound to its artefact."""
    plain = protocol(**fields, active_cells="0" * 64, residual_buckets=buckets)
    cells = ActiveCells.of(np.array(list(active)), drugs=plain.drugs, reactions=plain.reactions, source=SOURCE)
    return msgspec.structs.replace(plain, active_cells=cells.hash).bind(cells)


def dump_cells(under: SurveillanceProtocol, path: Path, *others: int) -> None:
    """Write the artefact of active cells that a protocol names, or one of `others` under the same lists."""
    numbers = np.array(others) if others else under.layout.active
    ActiveCells.of(numbers, drugs=under.drugs, reactions=under.reactions, source=SOURCE).dump(path)
