"""Under which protocol a hub works: activated with the signatures of those who take part, and recorded for good."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from hub import schema
from hub.activation_book import Activation, ActivationBook
from hub.settings import HubSettings
from hub.store import HubStore

__all__ = ["activate", "hub_activations"]


def activate(settings: HubSettings, store: HubStore, *, activated_by: str, at: datetime) -> Activation:
    """Record that the hub works under the protocol of its settings from now on; a second time changes nothing.

    Raises what `ActivationBook.activate` raises, for registered sites and, for a sum, both aggregators.
    """
    return hub_activations(store).activate(
        settings.protocol(),
        settings.hub.protocol_file,
        site_keys=settings.site_keys(),
        aggregator_keys=settings.aggregator_keys(),
        activated_by=activated_by,
        at=at,
    )


def hub_activations(store: HubStore) -> ActivationBook:
    """What was activated at the hub."""
    return ActivationBook(store, schema.protocol_activation, used=_used, party="hub")


def _used(connection: Connection, era: str) -> set[str]:
    table = schema.release
    query = select(table.c.protocol_hash).where(table.c.era == era).distinct()
    return {row.protocol_hash for row in connection.execute(query)}
