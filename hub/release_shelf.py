"""The releases the hub has taken in, with their noisy vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, insert, select

from hub import schema
from hub.record_head import RecordHead
from privacy.packing import pack_integers, unpack_integers
from privacy.release import Release

__all__ = ["RECORD_LOCK", "ReleaseShelf", "StoredRelease"]

RECORD_LOCK = "releases"
"""Held while a release is looked for and added: the record has one end."""


class StoredRelease(msgspec.Struct, frozen=True):
    """What is needed to tell a replay from a conflict."""

    epoch: int
    sequence: int
    digest: str


class ReleaseShelf:
    """Writes releases once and reads their vectors, inside the caller's transaction.

    Parameters
    ----------
    is_cached
        Keep the vectors in memory as well: for a hub that evaluates every epoch of a long play in one process.
        Costs about 4 bytes for each site, epoch and cell.
    """

    def __init__(self, *, is_cached: bool = False) -> None:
        self._cache: dict[tuple[str, str, int], dict[str, NDArray[np.integer]]] | None = {} if is_cached else None

    def add(
        self,
        connection: Connection,
        release: Release,
        *,
        line: bytes,
        signature: bytes | None,
        epoch_end: date,
        received_at: datetime,
    ) -> None:
        """Store a release at the end of the record; the caller holds the lock `RECORD_LOCK`.

        The tables' unique keys refuse a second one for its epoch or sequence number.
        """
        digest = hashlib.sha256(line).hexdigest()
        head = self.head(connection).after(site=release.site, era=release.era, epoch=release.epoch, digest=digest)
        connection.execute(
            insert(schema.release).values(
                site=release.site,
                era=release.era,
                epoch=release.epoch,
                epoch_end=epoch_end,
                sequence=release.sequence,
                protocol_hash=release.protocol_hash,
                size_bytes=len(line),
                digest=digest,
                signature=signature,
                received_at=received_at,
                number=head.number,
                chain=head.chain,
            )
        )
        key = {"site": release.site, "era": release.era, "epoch": release.epoch}
        rows = [{**key, "name": name, "data": pack_integers(table)} for name, table in release.tables.items()]
        connection.execute(insert(schema.release_vector), rows)

    def head(self, connection: Connection) -> RecordHead:
        """What stands for all releases that were ever taken in."""
        table = schema.release
        row = connection.execute(select(table.c.number, table.c.chain).order_by(table.c.number.desc()).limit(1)).first()
        return RecordHead() if row is None else RecordHead(*row)

    def last(self, connection: Connection, site: str, era: str) -> StoredRelease | None:
        """The site's newest release of the era."""
        table = schema.release
        query = select(table.c.epoch, table.c.sequence, table.c.digest)
        query = query.where(table.c.site == site, table.c.era == era).order_by(table.c.sequence.desc()).limit(1)
        row = connection.execute(query).one_or_none()
        return None if row is None else StoredRelease(*row)

    def find(self, connection: Connection, site: str, era: str, *, epoch: int, sequence: int) -> list[StoredRelease]:
        """Releases the site already made for this epoch or under this sequence number: at most two."""
        table = schema.release
        query = select(table.c.epoch, table.c.sequence, table.c.digest).where(
            table.c.site == site, table.c.era == era, (table.c.epoch == epoch) | (table.c.sequence == sequence)
        )
        return [StoredRelease(*row) for row in connection.execute(query)]

    def epochs(self, connection: Connection, era: str, *, up_to: int) -> dict[str, list[int]]:
        """Epochs each site has released, ascending, none later than `up_to`; sites without any are left out."""
        table = schema.release
        query = select(table.c.site, table.c.epoch).where(table.c.era == era, table.c.epoch <= up_to)
        found: dict[str, list[int]] = {}
        for site, epoch in connection.execute(query.order_by(table.c.site, table.c.epoch)):
            found.setdefault(site, []).append(epoch)
        return found

    def sites_in_sums(self, connection: Connection, era: str) -> dict[int, int]:
        """How many sites are in the sum of each epoch of which a share is there (`hub.sum_intake`)."""
        table = schema.sum_share
        query = select(table.c.epoch, table.c.sites).where(table.c.era == era)
        return {row.epoch: row.sites for row in connection.execute(query)}

    def last_epoch_by_site(self, connection: Connection, era: str) -> dict[str, int]:
        """Latest epoch each site has released."""
        table = schema.release
        query = (
            select(table.c.site, func.max(table.c.epoch).label("epoch"))
            .where(table.c.era == era)
            .group_by(table.c.site)
        )
        return {row.site: row.epoch for row in connection.execute(query)}

    def last_received_by_site(self, connection: Connection) -> dict[str, datetime]:
        """When each site's newest release arrived, over all eras."""
        table = schema.release
        query = select(table.c.site, func.max(table.c.received_at).label("at")).group_by(table.c.site)
        return {row.site: row.at for row in connection.execute(query)}

    def tables(
        self, connection: Connection, site: str, era: str, epoch: int, *, lengths: Mapping[str, int]
    ) -> Mapping[str, NDArray[np.integer]]:
        """The vectors of one release, exact. `lengths` are those the protocol prescribes."""
        key = (site, era, epoch)
        if self._cache is not None and key in self._cache:
            return self._cache[key]
        table = schema.release_vector
        query = select(table.c.name, table.c.data).where(
            table.c.site == site, table.c.era == era, table.c.epoch == epoch
        )
        tables: dict[str, NDArray[np.integer]] = {
            name: unpack_integers(data, length=lengths[name]) for name, data in connection.execute(query)
        }
        if self._cache is not None:
            self._cache[key] = tables = {name: _narrow(values) for name, values in tables.items()}
        return tables


def _narrow(values: NDArray[np.integer]) -> NDArray[np.integer]:
    """The same integers in 4 bytes each where they fit."""
    limit = np.iinfo(np.int32).max
    return values.astype(np.int32) if values.size and np.abs(values).max() < limit else values
