"""An aggregator's SQL tables, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table

from hub.schema import UtcDateTime
from hub.schema import protocol_activation as hub_protocol_activation

__all__ = [
    "APPEND_ONLY",
    "SCHEMA_VERSION",
    "acceptance",
    "metadata",
    "protocol_activation",
    "refusal",
    "schema_version",
    "share",
    "sum_share",
]

SCHEMA_VERSION = 2

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

share = Table(  # what sites sent for epochs that are not agreed on yet; dropped when they are
    "share",
    metadata,
    Column("era", String(512), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("site", String(64), primary_key=True),
    Column("protocol_hash", String(64), nullable=False),
    Column("sharing", String(64), nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 of the message
    Column("data", LargeBinary, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

acceptance = Table(  # who is in an epoch's sum, signed by both aggregators
    "acceptance",
    metadata,
    Column("era", String(512), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("protocol_hash", String(64), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("agreed_at", UtcDateTime, nullable=False),
)

sum_share = Table(  # of the accepted sites together: uniformly random without the peer's
    "sum_share",
    metadata,
    Column("era", String(512), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("noise", LargeBinary, nullable=False),
)

refusal = Table(
    "refusal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String(64), nullable=False),  # "" where no registered site is named
    Column("reason", String(32), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

protocol_activation = hub_protocol_activation.to_metadata(metadata)  # the last row is the protocol it works under

APPEND_ONLY = (acceptance, sum_share, protocol_activation, refusal)
