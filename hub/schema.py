"""The hub's SQL tables, the same in SQLite and PostgreSQL; Grafana reads them.

Tables named in `APPEND_ONLY` are a record of what happened: triggers in both dialects refuse to change or delete
their rows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

__all__ = [
    "APPEND_ONLY",
    "MEASURES",
    "SCHEMA_VERSION",
    "UtcDateTime",
    "api_key",
    "delivery",
    "evaluation",
    "event",
    "event_counter",
    "flagged_bucket",
    "metadata",
    "pair_of_interest",
    "pair_overview",
    "pair_statistic",
    "protocol_activation",
    "refusal",
    "release",
    "release_vector",
    "schema_version",
    "sdr",
    "sdr_transition",
    "subscription",
    "sum_share",
]

SCHEMA_VERSION = 5

metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware times, kept in UTC in either dialect; a naive time is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Value as stored."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time must carry a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Value as read."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Every measure of a pair that is written; `MEASURES` is also the order in which they are shown.
MEASURES = (
    "n", "n_sd", "expected", "prr", "prr_lower", "prr_upper", "ror", "ror_lower", "ror_upper",
    "ic", "ic_lower", "ic_upper", "ebgm", "eb05", "eb95", "z", "q_value", "detectable_excess",
)  # fmt: skip


def _measures() -> list[Column[Any]]:
    """NULL where there is too little information, or where an upper bound is infinite."""
    return [Column(name, Double) for name in MEASURES]


schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

release = Table(
    "release",
    metadata,
    Column("site", String(64), primary_key=True),
    Column("era", String(64), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("epoch_end", Date, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("protocol_hash", String(64), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 of the signed line; of a sum, of both messages
    Column("signature", LargeBinary),  # of the line, which is put together again from the rest; NULL for a sum
    Column("received_at", UtcDateTime, nullable=False),
    Column("number", Integer, nullable=False, unique=True),  # in the order taken in, over all sites, from 1
    Column("chain", String(64), nullable=False),  # `hub.record_head`
    UniqueConstraint("site", "era", "sequence"),
)

release_vector = Table(
    "release_vector",
    metadata,
    Column("site", String(64), primary_key=True),
    Column("era", String(64), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("name", String(32), primary_key=True),  # pair, drug, reaction
    Column("data", LargeBinary, nullable=False),  # `privacy.packing`
)

sum_share = Table(  # messages of the aggregators, whole: what was opened can be checked by anybody who has their keys
    "sum_share",
    metadata,
    Column("era", String(64), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("sites", Integer, nullable=False),  # how many are in the sum, each with its noise
    Column("digest", String(64), nullable=False),  # SHA-256 of the message
    Column("acceptance", LargeBinary, nullable=False),  # JSON: which sites, with both signatures
    Column("data", LargeBinary, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

refusal = Table(
    "refusal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", String(64), nullable=False),  # "" where no registered site is named
    Column("reason", String(64), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

protocol_activation = Table(  # the last row is the protocol the hub works under
    "protocol_activation",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("protocol_hash", String(64), nullable=False),
    Column("era", Text, nullable=False),
    Column("activated_by", String(128), nullable=False),
    Column("activated_at", UtcDateTime, nullable=False),
    Column("signed_by", Text, nullable=False),  # JSON list
    Column("protocol", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),
)

evaluation = Table(
    "evaluation",
    metadata,
    Column("era", String(64), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("releases", Integer, nullable=False),  # how many it could use: a late one makes it due again
    Column("evaluated_at", UtcDateTime, nullable=False),
    Column("prior", String(64), nullable=False),  # version of the prior of EBGM
)

pair_of_interest = Table(
    "pair_of_interest",
    metadata,
    Column("era", String(64), primary_key=True),
    Column("cell", Integer, primary_key=True, autoincrement=False),
)

pair_overview = Table(
    "pair_overview",
    metadata,
    Column("era", String(64), primary_key=True),
    Column("drug", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),  # `hub.pair_overview`: arrays over the reactions
)

flagged_bucket = Table(  # of the newest look
    "flagged_bucket",
    metadata,
    Column("era", String(64), primary_key=True),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
    *(Column(name, Double, nullable=False) for name in ("n", "n_sd", "expected", "q_value")),
    Column("pair_count", Integer, nullable=False),
    Column("candidates", Text, nullable=False),  # JSON: drug, reaction, share
)

pair_statistic = Table(
    "pair_statistic",
    metadata,
    Column("era", String(64), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("epoch_end", Date, nullable=False),
    Column("drug", Text, primary_key=True),
    Column("reaction", Text, primary_key=True),
    *_measures(),
    Column("state", String(32), nullable=False),  # signal where any rule holds
    Column("rule_states", Text, nullable=False),  # JSON: state by rule
    Index("pair_statistic_series", "drug", "reaction", "epoch_end"),
)

sdr = Table(
    "sdr",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("drug", Text, nullable=False),
    Column("reaction", Text, nullable=False),
    Column("rule", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("era", String(64), nullable=False),
    Column("first_epoch", Integer, nullable=False),
    Column("first_date", Date, nullable=False),
    Column("last_epoch", Integer, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    *_measures(),
    UniqueConstraint("era", "drug", "reaction", "rule"),
    Index("sdr_state", "state"),
)

sdr_transition = Table(
    "sdr_transition",
    metadata,
    Column("sdr_id", String(32), ForeignKey("sdr.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("from_state", String(16)),  # NULL for the first
    Column("to_state", String(16), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Ids are handed out by `event_counter` in the writing transaction, whose row lock makes their order the order of
# commit: a reader that has seen id 7 will never meet a 6 afterwards.
event_counter = Table("event_counter", metadata, Column("last", Integer, primary_key=True, autoincrement=False))

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("type", String(64), nullable=False),
    Column("subject", String(32), nullable=False),  # SDR id
    Column("state", String(16), nullable=False),
    Column("drug", Text, nullable=False),
    Column("reaction", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("body", Text, nullable=False),  # JSON
)

subscription = Table(
    "subscription",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),  # API key id
    Column("url", Text, nullable=False),
    Column("secret", String(128), nullable=False),
    Column("drug", Text),
    Column("reaction", Text),
    Column("states", Text, nullable=False),  # JSON list; empty is all
    Column("status", String(16), nullable=False),  # active, stopped, deleted
    Column("created_at", UtcDateTime, nullable=False),
    Column("cursor", Integer, nullable=False),  # last event settled
    Column("attempt", Integer, nullable=False),  # attempts at the next one so far
    Column("due_at", UtcDateTime, nullable=False),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subscription_id", String(32), ForeignKey("subscription.id"), nullable=False),
    Column("event_id", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", String(16), nullable=False),  # delivered, retried, failed, stopped
    Column("http_status", Integer),
    Column("error", String(64)),
    Column("at", UtcDateTime, nullable=False),
    Index("delivery_of_subscription", "subscription_id", "id"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("site", String(64)),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the key
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

APPEND_ONLY = (release, release_vector, sum_share, protocol_activation, refusal, sdr_transition, event, delivery)
