"""Under which protocol an aggregator works: activated with the signatures of sites and of both aggregators."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from hub.activation_book import Activation, ActivationBook
from hub.aggregator import schema
from hub.aggregator.settings import AggregatorSettings
from hub.sql_store import SqlStore

__all__ = ["activate_aggregator", "aggregator_activations"]


def activate_aggregator(
    settings: AggregatorSettings, store: SqlStore, *, activated_by: str, at: datetime
) -> Activation:
    """Record that the aggregator works under the protocol of its settings from now on; again changes nothing.

    Raises what `ActivationBook.activate` raises, for registered sites and both aggregators.
    """
    return aggregator_activations(store).activate(
        settings.protocol(),
        settings.aggregator.protocol_file,
        site_keys=settings.site_keys(),
        aggregator_keys=settings.aggregator_keys(),
        activated_by=activated_by,
        at=at,
    )


def aggregator_activations(store: SqlStore) -> ActivationBook:
    """What was activated at the aggregator."""
    return ActivationBook(store, schema.protocol_activation, used=_used, party="aggregator")


def _used(connection: Connection, era: str) -> set[str]:
    """Also of shares that still wait: they were made for one protocol, and cannot be added under another."""
    return {
        row.protocol_hash
        for table in (schema.acceptance, schema.share)
        for row in connection.execute(select(table.c.protocol_hash).where(table.c.era == era).distinct())
    }
