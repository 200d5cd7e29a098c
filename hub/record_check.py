"""Is what the hub has what it was sent: every release is put together again and verified with its sender's key.

Triggers refuse to change a stored release, but whoever runs the database can drop them. What was signed by a site or
by both aggregators they cannot forge, and what was left out shows in the numbers, and in a head written down before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Row, select

from hub import schema
from hub.record_head import RecordHead
from hub.store import HubStore
from hub.sum_intake import SUM_SITE
from privacy.packing import pack_integers
from privacy.protocol import SurveillanceProtocol
from privacy.release import ReleaseError, rebuild_line
from privacy.secure_sum import Role, ShareError, join_sums, open_sum_share

__all__ = ["RecordReport", "check_record"]


class RecordReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found.

    Parameters
    ----------
    releases, sums
        Looked at: lines of single sites, and sums of two aggregators' shares.
    unverified
        Of those, sums under another protocol than the hub's, of which the place in the record alone was checked.
    head
        Of the whole record; to be written down elsewhere.
    faults
        What is wrong, in words; empty where nothing is.
    """

    releases: int
    sums: int
    unverified: int
    head: RecordHead
    faults: list[str]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def check_record(
    store: HubStore,
    protocol: SurveillanceProtocol,
    *,
    site_keys: Mapping[str, Ed25519PublicKey],
    aggregator_keys: Mapping[Role, Ed25519PublicKey],
    published: RecordHead | None = None,
) -> RecordReport:
    """Verify every release and sum of the database, in the order in which they were taken in.

    Parameters
    ----------
    protocol
        The hub's, under which sums are put together again.
    site_keys, aggregator_keys
        Of their senders. A release of a site without a key is a fault.
    published
        A head of this record from before: the record must go on from it.
    """
    faults: list[str] = []
    counts = {"releases": 0, "sums": 0, "unverified": 0}
    head, heads = RecordHead(), {RecordHead()}
    sequences: dict[tuple[str, str], int] = {}
    with store.read() as connection:
        rows = connection.execute(select(schema.release).order_by(schema.release.c.number)).all()
        for row in rows:
            where = f"release {row.number}, {row.site}, era {row.era}, epoch {row.epoch}"
            head = head.after(site=row.site, era=row.era, epoch=row.epoch, digest=row.digest)
            if (row.number, row.chain) != (head.number, head.chain):
                faults.append(f"{where}: the record was changed here or before")
                head = RecordHead(row.number, row.chain)  # what comes after is judged by itself
            heads.add(head)
            is_sum = row.site == SUM_SITE
            counts["sums" if is_sum else "releases"] += 1
            if is_sum and row.protocol_hash != protocol.hash:
                counts["unverified"] += 1
                continue
            if not is_sum:
                expected = sequences.get((row.site, row.era), 0)
                sequences[row.site, row.era] = row.sequence + 1
                if row.sequence != expected:
                    faults.append(f"{where}: it is the site's number {row.sequence}, and {expected} is missing")
            found = _sum(connection, row, protocol, aggregator_keys) if is_sum else _line(connection, row, site_keys)
            faults += [f"{where}: {fault}" for fault in found]
    if published is not None and published not in heads:
        faults.append(f"the record does not go on from the head {published}: it is another, or releases were left out")
    return RecordReport(**counts, head=head, faults=faults)


def _tables(connection: Connection, row: Row[Any]) -> dict[str, bytes]:
    table = schema.release_vector
    query = select(table.c.name, table.c.data).where(
        table.c.site == row.site, table.c.era == row.era, table.c.epoch == row.epoch
    )
    return {name: bytes(data) for name, data in connection.execute(query)}


def _line(connection: Connection, row: Row[Any], keys: Mapping[str, Ed25519PublicKey]) -> Iterator[str]:
    """Faults of one site's release."""
    if row.site not in keys:
        yield "no key is registered for its site"
        return
    try:
        line = rebuild_line(
            _tables(connection, row), bytes(row.signature or b""), site=row.site, protocol_hash=row.protocol_hash,
            era=row.era, epoch=row.epoch, sequence=row.sequence, public_key=keys[row.site],
        )  # fmt: skip
    except ReleaseError:
        yield "it is not what the site signed"
        return
    if hashlib.sha256(line).hexdigest() != row.digest:
        yield "its digest is another one's"


def _sum(
    connection: Connection, row: Row[Any], protocol: SurveillanceProtocol, keys: Mapping[Role, Ed25519PublicKey]
) -> Iterator[str]:
    """Faults of one sum."""
    cohort, table = protocol.cohort, schema.sum_share
    query = select(table).where(table.c.era == row.era, table.c.epoch == row.epoch)
    kept = {Role(share.role): share for share in connection.execute(query)}
    if cohort is None or set(kept) != set(Role) or set(keys) != set(Role):
        yield "there are not two shares, or not the keys of both aggregators"
        return
    try:
        shares = {
            role: open_sum_share(bytes(kept[role].data), keys=keys, role=role, protocol=protocol, cohort=cohort)
            for role in Role
        }
        tables = join_sums(shares[Role.LEADER], shares[Role.HELPER], protocol)
    except ShareError:
        yield "its shares are not what the aggregators signed"
        return
    accepted = shares[Role.LEADER].acceptance.accepted
    if (accepted.era, accepted.epoch) != (row.era, row.epoch):
        yield "its shares are those of another epoch"
    if any(share.sites != len(accepted.members) for share in kept.values()):
        yield "the number of sites is not that of the accepted set"
    if {name: pack_integers(values) for name, values in tables.items()} != _tables(connection, row):
        yield "it is not what its two shares add up to"
    if hashlib.sha256(b"".join(bytes(kept[role].data) for role in Role)).hexdigest() != row.digest:
        yield "its digest is another one's"
