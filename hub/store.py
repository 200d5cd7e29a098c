"""Where the hub keeps its state."""

from __future__ import annotations

from hub import schema
from hub.sql_store import SqlStore

__all__ = ["HubStore"]


class HubStore(SqlStore):
    """Transactions on the hub's database (`hub.schema`).

    Parameters
    ----------
    database_url
        As `SqlStore` takes it; raises what it raises.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__(
            database_url,
            metadata=schema.metadata,
            version_table=schema.schema_version,
            version=schema.SCHEMA_VERSION,
            append_only=schema.APPEND_ONLY,
            first_rows={schema.event_counter.name: {"last": 0}},
        )
