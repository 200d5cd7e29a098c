"""Which pairs have a cell of their own in one protocol and in the next, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from cases import ConfigurationError
from privacy.protocol import SurveillanceProtocol

__all__ = ["cell_change"]


def cell_change(old: SurveillanceProtocol, new: SurveillanceProtocol) -> tuple[str, str]:
    """Before and after, with what was added and removed where the artefacts of both are at hand."""
    before, after = _active(old), _active(new)
    said = _words(new, after)
    if before is not None and after is not None and UNSET not in (old.active_cells, new.active_cells):
        rows, columns = (_numbers(getattr(old, kind), getattr(new, kind)) for kind in ("drugs", "reactions"))
        row, column = rows[before // len(old.reactions)], columns[before % len(old.reactions)]
        kept = np.where((row >= 0) & (column >= 0), row * len(new.reactions) + column, -1)
        both = int(np.isin(kept, after).sum())
        said += f": {after.size - both:,} added, {before.size - both:,} removed"
    return _words(old, before), said


def _active(protocol: SurveillanceProtocol) -> NDArray[np.int64] | None:
    """Product cells; None where the artefact is not at hand."""
    try:
        return protocol.layout.active
    except ConfigurationError:
        return None


def _words(protocol: SurveillanceProtocol, active: NDArray[np.int64] | None) -> str:
    if protocol.active_cells is UNSET:
        return "every pair"
    return f"artefact {protocol.active_cells[:12]}" if active is None else f"{active.size:,} pairs"


def _numbers(old: Sequence[str], new: Sequence[str]) -> NDArray[np.int64]:
    """Number in `new` of each name in `old`, -1 where it is gone."""
    number = {name: index for index, name in enumerate(new)}
    return np.array([number.get(name, -1) for name in old], dtype=np.int64)
