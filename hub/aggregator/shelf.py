"""What an aggregator remembers, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
import numpy as np
from sqlalchemy import Connection, delete, func, insert, select

from hub.aggregator import schema
from hub.sql_store import SqlStore
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Acceptance
from privacy.secure_sum.additive_share import Words

__all__ = ["AggregatorShelf", "HeldShare", "aggregator_store"]


def aggregator_store(database_url: str) -> SqlStore:
    """An aggregator's own database; raises what `SqlStore` raises."""
    return SqlStore(
        database_url,
        metadata=schema.metadata,
        version_table=schema.schema_version,
        version=schema.SCHEMA_VERSION,
        append_only=schema.APPEND_ONLY,
    )


class HeldShare(msgspec.Struct, frozen=True):
    """A message that waits for its epoch to be agreed on."""

    site: str
    sharing: str
    digest: str


class AggregatorShelf:
    """Reads and writes of one era.

    Parameters
    ----------
    protocol
        Whose era it is.
    """

    def __init__(self, protocol: SurveillanceProtocol) -> None:
        self._era = protocol.era
        self._protocol_hash = protocol.hash

    def hold(
        self, connection: Connection, epoch: int, share: HeldShare, data: bytes | memoryview, *, at: datetime
    ) -> None:
        """Keep a message."""
        values = {"era": self._era, "epoch": epoch, "protocol_hash": self._protocol_hash}
        values |= msgspec.structs.asdict(share)
        connection.execute(insert(schema.share).values(**values, data=bytes(data), received_at=at))

    def held(self, connection: Connection, epoch: int) -> dict[str, HeldShare]:
        """Messages of an epoch by site, without their bytes."""
        table = schema.share
        query = select(table.c.site, table.c.sharing, table.c.digest).where(
            table.c.era == self._era, table.c.epoch == epoch
        )
        return {row.site: HeldShare(*row) for row in connection.execute(query.order_by(table.c.site))}

    def data(self, connection: Connection, epoch: int, site: str) -> bytes:
        """Bytes of one message that is held."""
        table = schema.share
        query = select(table.c.data).where(table.c.era == self._era, table.c.epoch == epoch, table.c.site == site)
        return bytes(connection.execute(query).scalar_one())

    def drop(self, connection: Connection, epoch: int) -> None:
        """Forget the messages of an epoch."""
        table = schema.share
        connection.execute(delete(table).where(table.c.era == self._era, table.c.epoch == epoch))

    def agree(self, connection: Connection, agreed: Acceptance, content: Words, noise: Words, *, at: datetime) -> None:
        """Write down who is in an epoch, and the sums of their shares; once for an epoch."""
        key = {"era": self._era, "epoch": agreed.accepted.epoch}
        data = msgspec.json.encode(agreed)
        accepted = {"protocol_hash": self._protocol_hash, "data": data, "agreed_at": at}
        connection.execute(insert(schema.acceptance).values(**key, **accepted))
        connection.execute(insert(schema.sum_share).values(**key, content=_pack(content), noise=_pack(noise)))

    def acceptance(self, connection: Connection, epoch: int) -> Acceptance | None:
        """Who is in an epoch; None before it is agreed."""
        table = schema.acceptance
        query = select(table.c.data).where(table.c.era == self._era, table.c.epoch == epoch)
        data = connection.execute(query).scalar_one_or_none()
        return None if data is None else msgspec.json.decode(data, type=Acceptance)

    def acceptances(self, connection: Connection) -> Iterator[Acceptance]:
        """Of all agreed epochs, in order."""
        table = schema.acceptance
        query = select(table.c.data).where(table.c.era == self._era).order_by(table.c.epoch)
        for (data,) in connection.execute(query):
            yield msgspec.json.decode(data, type=Acceptance)

    def last_agreed(self, connection: Connection) -> tuple[Acceptance, datetime] | None:
        """The newest agreed set, and when that was; None before the first."""
        table = schema.acceptance
        query = select(table.c.data, table.c.agreed_at).where(table.c.era == self._era).order_by(table.c.epoch.desc())
        row = connection.execute(query.limit(1)).one_or_none()
        return None if row is None else (msgspec.json.decode(row.data, type=Acceptance), row.agreed_at)

    def agreed_count(self, connection: Connection) -> int:
        """Number of agreed epochs: they are agreed in order, so also the next one."""
        table = schema.acceptance
        query = select(func.count()).where(table.c.era == self._era)
        return int(connection.execute(query).scalar_one())

    def content(self, connection: Connection, epoch: int) -> Words:
        """Share of the summed increments of an agreed epoch."""
        return self._words(connection, epoch, schema.sum_share.c.content)

    def noise(self, connection: Connection, epoch: int) -> Words:
        """Share of the summed noise of an agreed epoch."""
        return self._words(connection, epoch, schema.sum_share.c.noise)

    def _words(self, connection: Connection, epoch: int, column: object) -> Words:
        table = schema.sum_share
        query = select(column).where(table.c.era == self._era, table.c.epoch == epoch)  # type: ignore[call-overload]  # a column of bytes
        return np.frombuffer(connection.execute(query).scalar_one(), dtype="<u8").astype(np.uint64)

    def refuse(self, connection: Connection, site: str, reason: str, *, at: datetime) -> None:
        """Count a refusal; of the message nothing is kept."""
        connection.execute(insert(schema.refusal).values(site=site, reason=reason, received_at=at))


def _pack(words: Words) -> bytes:
    return words.astype("<u8", copy=False).tobytes()
