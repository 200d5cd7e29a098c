"""The flagged buckets of the newest look, in the hub's database."""

from __future__ import annotations

from datetime import date

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from hub import schema
from hub.flagged_buckets import FALSE_DISCOVERY_RATE, BucketCandidate, FlaggedBucket
from privacy.protocol import SurveillanceProtocol

__all__ = ["ResidualReport", "read_flagged", "write_flagged"]

_candidates = msgspec.json.Decoder(tuple[BucketCandidate, ...])


class ResidualReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest look flagged; `kelsey protocol promote` reads it.

    Parameters
    ----------
    protocol_hash, era
        Under which it was released and counted.
    epoch, epoch_end
        Of the look; None before the first.
    false_discovery_rate
        Expected share of buckets among those flagged in which there is nothing.
    buckets
        By rising q value.
    """

    protocol_hash: str
    era: str
    epoch: int | None
    epoch_end: date | None
    false_discovery_rate: float
    buckets: tuple[FlaggedBucket, ...]


def write_flagged(
    connection: Connection, protocol: SurveillanceProtocol, flagged: tuple[FlaggedBucket, ...], *, epoch: int
) -> None:
    """Replace the flagged buckets, unless a later epoch was looked at already; call before the look is recorded."""
    if (_newest(connection, protocol) or 0) > epoch:
        return
    table = schema.flagged_bucket
    connection.execute(delete(table).where(table.c.era == protocol.era))
    rows = [
        {
            **{name: getattr(each, name) for name in ("bucket", "n", "n_sd", "expected", "q_value", "pair_count")},
            "era": protocol.era,
            "epoch": epoch,
            "candidates": msgspec.json.encode(each.candidates).decode(),
        }
        for each in flagged
    ]
    if rows:
        connection.execute(insert(table), rows)


def read_flagged(connection: Connection, protocol: SurveillanceProtocol) -> ResidualReport:
    """What the newest look flagged."""
    table = schema.flagged_bucket
    query = select(table).where(table.c.era == protocol.era).order_by(table.c.q_value, table.c.bucket)
    buckets = tuple(
        FlaggedBucket(
            bucket=row.bucket, n=row.n, n_sd=row.n_sd, expected=row.expected, q_value=row.q_value,
            pair_count=row.pair_count, candidates=_candidates.decode(row.candidates),
        )
        for row in connection.execute(query)
    )  # fmt: skip
    epoch = _newest(connection, protocol)
    return ResidualReport(
        protocol_hash=protocol.hash,
        era=protocol.era,
        epoch=epoch,
        epoch_end=None if epoch is None else protocol.calendar.last_day(epoch),
        false_discovery_rate=FALSE_DISCOVERY_RATE,
        buckets=buckets,
    )


def _newest(connection: Connection, protocol: SurveillanceProtocol) -> int | None:
    done = schema.evaluation
    epoch: int | None = connection.execute(
        select(func.max(done.c.epoch)).where(done.c.era == protocol.era)
    ).scalar_one()
    return epoch
