"""What the gate remembers: parts by number, whose store each partition has, and the sums of every closed epoch.

One SQLite file; the offset of the parts topic moves in the same transaction as the parts themselves. Bodies of parts
are let go once their epoch is closed, their digests stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from cases import IntegrityError
from privacy.epoch_vector import EpochVector
from privacy.secure_sum import Acceptance
from streams.epoch import EpochPart, decode_part, encode_part, part_digest
from streams.sqlite_file import open_sqlite, transaction

__all__ = ["GateStore", "PartVerdict"]

_VERSION = 3
_SCHEMA = """
CREATE TABLE offset (topic_partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE home (era TEXT NOT NULL, partition INTEGER NOT NULL, store_id TEXT NOT NULL,
                   is_away INTEGER NOT NULL DEFAULT 0,
                   is_closed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (era, partition)) WITHOUT ROWID;
CREATE TABLE part (era TEXT NOT NULL, partition INTEGER NOT NULL, sequence INTEGER NOT NULL, digest TEXT NOT NULL,
                   label INTEGER NOT NULL, epoch INTEGER, body BLOB NOT NULL,
                   PRIMARY KEY (era, partition, sequence)) WITHOUT ROWID;
CREATE TABLE settled (era TEXT NOT NULL, epoch INTEGER NOT NULL, is_in INTEGER NOT NULL, carried_to INTEGER,
                      acceptance BLOB NOT NULL, PRIMARY KEY (era, epoch)) WITHOUT ROWID;
CREATE TABLE closed (era TEXT NOT NULL, epoch INTEGER NOT NULL, body BLOB NOT NULL,
                     PRIMARY KEY (era, epoch)) WITHOUT ROWID
"""


class PartVerdict(StrEnum):
    """What the gate did with a part."""

    MERGED = "merged"
    REPEATED = "repeated"  # known under its number, with the same content
    WALLET_LOST = "wallet-lost"  # not from the store that knows what was paid: fails closed
    FOREIGN = "foreign"  # of another era or protocol


class GateStore:
    """State of the gate.

    Parameters
    ----------
    path
        The file; None keeps it in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._db = open_sqlite(path, schema=_SCHEMA, version=_VERSION)

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        self._db.close()

    def next_offset(self, topic_partition: int) -> int | None:
        """Offset of the first part not taken yet; None where none ever was."""
        row = self._db.execute("SELECT next FROM offset WHERE topic_partition = ?", (topic_partition,)).fetchone()
        return None if row is None else int(row[0])

    def take(
        self, parts: Sequence[EpochPart], *, era: str, protocol_hash: str, offset: tuple[int, int] | None = None
    ) -> list[PartVerdict]:
        """Keep new parts for the next epoch that closes; all of them and the `offset` (partition, next), or nothing.

        A partition has one store in an era: parts from another one are refused, as its wallets do not know what was
        paid before. They are taken again when the first store is back. Another part under a known number (a store put
        back from a backup, which has forgotten what it paid) closes the partition for the rest of the era.
        """
        verdicts = []
        with transaction(self._db):
            for part in parts:
                if part.era != era or part.protocol_hash != protocol_hash:
                    verdicts.append(PartVerdict.FOREIGN)
                else:
                    verdicts.append(self._take_one(part))
            if offset is not None:
                self._db.execute("INSERT OR REPLACE INTO offset VALUES (?, ?)", offset)
        return verdicts

    def close_epoch(self, era: str, epoch: int) -> EpochVector:
        """The sums of an epoch: fixed at the first call, the same at every later one.

        Takes in every kept part that no epoch has and that was sealed in this epoch or before, and what earlier epochs
        hold that are known to be counted nowhere (`settle`).
        """
        with transaction(self._db):
            if (known := self._closed(era, epoch)) is not None:
                return known
            (later,) = self._db.execute(
                "SELECT COUNT(*) FROM closed WHERE era = ? AND epoch > ?", (era, epoch)
            ).fetchone()
            if later:
                raise IntegrityError(f"epoch {epoch} cannot be closed after a later one")
            rows = self._db.execute(
                "SELECT body FROM part WHERE era = ? AND epoch IS NULL AND label <= ?", (era, epoch)
            )
            left = self._db.execute(
                "SELECT closed.body FROM closed JOIN settled USING (era, epoch) "
                "WHERE era = ? AND epoch < ? AND NOT is_in AND carried_to IS NULL",
                (era, epoch),
            )
            parts = [decode_part(body).vector for (body,) in rows] + [EpochVector.decode(body) for (body,) in left]
            closed = EpochVector.merge(parts)
            self._db.execute("INSERT INTO closed VALUES (?, ?, ?)", (era, epoch, closed.encode()))
            self._db.execute(
                "UPDATE part SET epoch = ?, body = x'' WHERE era = ? AND epoch IS NULL AND label <= ?",
                (epoch, era, epoch),
            )
            self._db.execute(
                "UPDATE settled SET carried_to = ? WHERE era = ? AND epoch < ? AND NOT is_in AND carried_to IS NULL",
                (epoch, era, epoch),
            )
            return closed

    def settle(self, era: str, agreed: Acceptance, *, is_in: bool) -> None:
        """Write down whether an epoch that was sealed is counted in its sum, and who said so; the first word stands."""
        row = (era, agreed.accepted.epoch, int(is_in), msgspec.json.encode(agreed))
        with transaction(self._db):
            self._db.execute("INSERT OR IGNORE INTO settled (era, epoch, is_in, acceptance) VALUES (?, ?, ?, ?)", row)

    def acceptance(self, era: str, epoch: int) -> Acceptance:
        """The set by which a settled epoch was settled."""
        (data,) = self._db.execute(
            "SELECT acceptance FROM settled WHERE era = ? AND epoch = ?", (era, epoch)
        ).fetchone()
        return msgspec.json.decode(data, type=Acceptance)

    def settled_epochs(self, era: str) -> dict[int, bool]:
        """Whether each epoch is counted in its sum, for those of which it is known."""
        rows = self._db.execute("SELECT epoch, is_in FROM settled WHERE era = ? ORDER BY epoch", (era,))
        return {epoch: bool(is_in) for epoch, is_in in rows}

    def closed_epochs(self, era: str) -> dict[int, EpochVector]:
        """Sums of all closed epochs of an era by epoch, in order."""
        rows = self._db.execute("SELECT epoch, body FROM closed WHERE era = ? ORDER BY epoch", (era,))
        return {epoch: EpochVector.decode(body) for epoch, body in rows}

    def lost_partitions(self, era: str) -> tuple[int, ...]:
        """Partitions that release nothing now, as their wallets are not there."""
        rows = self._db.execute(
            "SELECT partition FROM home WHERE era = ? AND (is_away OR is_closed) ORDER BY partition", (era,)
        )
        return tuple(partition for (partition,) in rows)

    def _closed(self, era: str, epoch: int) -> EpochVector | None:
        row = self._db.execute("SELECT body FROM closed WHERE era = ? AND epoch = ?", (era, epoch)).fetchone()
        return None if row is None else EpochVector.decode(row[0])

    def _take_one(self, part: EpochPart) -> PartVerdict:
        self._db.execute(
            "INSERT OR IGNORE INTO home (era, partition, store_id) VALUES (?, ?, ?)",
            (part.era, part.partition, part.store_id),
        )
        store_id, is_closed = self._db.execute(
            "SELECT store_id, is_closed FROM home WHERE era = ? AND partition = ?", (part.era, part.partition)
        ).fetchone()
        row = self._db.execute(
            "SELECT digest FROM part WHERE era = ? AND partition = ? AND sequence = ?",
            (part.era, part.partition, part.sequence),
        ).fetchone()
        digest = part_digest(part)
        if store_id == part.store_id and row is not None and row[0] == digest:
            return PartVerdict.REPEATED
        is_away = store_id != part.store_id
        is_forgetful = not is_away and row is not None
        self._db.execute(
            "UPDATE home SET is_away = ?, is_closed = MAX(is_closed, ?) WHERE era = ? AND partition = ?",
            (is_away, is_forgetful, part.era, part.partition),
        )
        if is_away or is_forgetful or is_closed:
            return PartVerdict.WALLET_LOST
        self._db.execute(
            "INSERT INTO part VALUES (?, ?, ?, ?, ?, NULL, ?)",
            (part.era, part.partition, part.sequence, digest, part.epoch, encode_part(part)),
        )
        return PartVerdict.MERGED
