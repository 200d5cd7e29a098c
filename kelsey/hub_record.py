"""The record of a hub's releases, verified from its settings."""

from __future__ import annotations

from pathlib import Path

from hub.record_check import RecordReport, check_record
from hub.record_head import RecordHead
from hub.settings import load_hub_settings
from hub.store import HubStore

__all__ = ["verify_record"]


def verify_record(config: Path, *, published: str | None) -> RecordReport:
    """Look at every stored release; raises what settings and database raise, `ParameterError` for no head."""
    settings = load_hub_settings(config)
    earlier = None if published is None else RecordHead.parse(published)
    protocol, site_keys, aggregator_keys = settings.protocol(), settings.site_keys(), settings.aggregator_keys()
    store = HubStore(settings.database_url())
    try:
        return check_record(store, protocol, site_keys=site_keys, aggregator_keys=aggregator_keys, published=earlier)
    finally:
        store.close()
