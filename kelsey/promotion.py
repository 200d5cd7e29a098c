"""The protocol of the next era, in which the candidates of flagged buckets have cells of their own.

An era has one protocol, so that a promotion takes effect with a new era: fresh wallets, a budget of its own. What was
flagged is a released number and costs nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import numpy as np

from cases import ConfigurationError, ParameterError
from hub.flag_shelf import ResidualReport
from privacy.active_cells import ActiveCells
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol

__all__ = ["Promotion", "promote", "read_report"]


@dataclass(frozen=True, slots=True)
class Promotion:
    """The next era's protocol, bound to its active cells.

    Parameters
    ----------
    protocol, cells
        Both are handed out.
    pairs
        Promoted, in the order of their cells.
    left_out
        Pairs of flagged buckets that the report did not name.
    """

    protocol: SurveillanceProtocol
    cells: ActiveCells
    pairs: tuple[tuple[str, str], ...]
    left_out: int


def read_report(path: Path) -> ResidualReport:
    """What a hub answered to ``GET /v1/residual``; raises `ConfigurationError` where the file holds something else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ResidualReport)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: not what a hub answers to GET /v1/residual: {error}", hint="save its answer as it is"
        ) from error


def promote(
    protocol: SurveillanceProtocol, report: ResidualReport, *, era: str, start: date, epochs: int | None = None
) -> Promotion:
    """Make the candidates of all buckets in `report` active.

    Parameters
    ----------
    protocol
        Under which the report was made, bound to its artefacts; everything that is not named here stays.
    era, start, epochs
        Of the next protocol; by default as many epochs as now.

    Raises
    ------
    ConfigurationError
        The report was made under another protocol, names a pair that its bucket does not hold, or the active cells
        become too many.
    ParameterError
        The era is the same, the protocol has no buckets, or nothing was flagged.
    """
    residual = protocol.layout.residual
    if residual is None:
        raise ParameterError("every pair of this protocol has a cell of its own: there is nothing to promote")
    if report.protocol_hash != protocol.hash:
        raise ConfigurationError(f"the report was made under protocol {report.protocol_hash}, this is {protocol.hash}")
    if era == protocol.era:
        raise ParameterError(f"era must be another than {era}, which has its protocol")
    cells = []
    for bucket in report.buckets:
        for pair in bucket.candidates:
            cell = protocol.cell(pair.drug, pair.reaction)
            if cell is None or protocol.layout.bucket(cell) != bucket.bucket:
                raise ConfigurationError(f"bucket {bucket.bucket} does not hold {pair.drug!r} with {pair.reaction!r}")
            cells.append(cell)
    if not cells:
        raise ParameterError("the report flags no bucket: there is nothing to promote")
    active = ActiveCells.of(
        np.concatenate([residual.active, np.array(cells, dtype=np.int64)]),
        drugs=protocol.drugs,
        reactions=protocol.reactions,
        source=f"as {protocol.active_cells}, with the candidates of {len(report.buckets)} buckets of era {report.era}",
    )
    calendar = EpochCalendar(protocol.calendar.unit, start, protocol.calendar.count if epochs is None else epochs)
    made = msgspec.structs.replace(protocol, era=era, calendar=calendar, active_cells=active.hash).bind(active)
    left_out = sum(bucket.pair_count - len(bucket.candidates) for bucket in report.buckets)
    return Promotion(made, active, tuple(protocol.pair(cell) for cell in sorted(cells)), left_out)
