"""Every pair at the newest look: its state and what could have been seen, so that silence is never mistaken for zero.

Series are kept of pairs of interest alone; this is the one row that any pair has. It is stored by drug, as arrays over
its reactions that have a count of their own, and replaced at every look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, insert, select

from hub import schema
from hub.pair_state import PairState
from privacy.protocol import SurveillanceProtocol

__all__ = ["PairOverview", "read_overview", "write_overview"]

_KEPT = ("n", "n_sd", "expected", "eb05", "detectable_excess")
_STATES = tuple(PairState)
_NUMBERS = np.dtype("<f4")


class PairOverview(msgspec.Struct, frozen=True, kw_only=True):
    """One pair at the newest look; None where there is too little information."""

    epoch: int
    epoch_end: date
    state: PairState
    n: float | None = None
    n_sd: float | None = None
    expected: float | None = None
    eb05: float | None = None
    detectable_excess: float | None = None


def write_overview(
    connection: Connection,
    protocol: SurveillanceProtocol,
    scores: Mapping[str, NDArray[np.float64]],
    states: NDArray[np.int64],
    *,
    epoch: int,
) -> None:
    """Replace what is known of every pair, unless a later epoch was looked at already.

    Parameters
    ----------
    scores
        Of `hub.statistics.noisy_scores`.
    states
        Index into `PairState` of each entry.
    """
    table, era = schema.pair_overview, protocol.era
    latest = connection.execute(select(func.max(table.c.epoch)).where(table.c.era == era)).scalar_one()
    if latest is not None and latest > epoch:
        return
    arrays = np.stack([*(scores[name] for name in _KEPT), states], axis=0).astype(_NUMBERS)
    by_drug = np.split(arrays, protocol.layout.drug_starts[1:-1], axis=1)
    connection.execute(delete(table).where(table.c.era == era))
    connection.execute(
        insert(table),
        [
            {"era": era, "drug": drug, "epoch": epoch, "data": part.tobytes()}
            for drug, part in zip(protocol.drugs, by_drug, strict=True)
        ],
    )


def read_overview(
    connection: Connection, protocol: SurveillanceProtocol, drug: str, reaction: str
) -> PairOverview | None:
    """What is known of a pair of the protocol; None before the first look, and where it shares a bucket with others."""
    layout = protocol.layout
    cell = protocol.cell(drug, reaction)
    place = None if cell is None else layout.own_position(cell)
    if cell is None or place is None:
        return None
    table = schema.pair_overview
    query = select(table.c.epoch, table.c.data).where(table.c.era == protocol.era, table.c.drug == drug)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    arrays = np.frombuffer(row.data, dtype=_NUMBERS).reshape(len(_KEPT) + 1, -1)
    *numbers, state = (float(value) for value in arrays[:, place - layout.drug_starts[cell // layout.reactions]])
    known = {name: value for name, value in zip(_KEPT, numbers, strict=True) if math.isfinite(value)}
    return PairOverview(
        epoch=row.epoch, epoch_end=protocol.calendar.last_day(row.epoch), state=_STATES[int(state)], **known
    )
