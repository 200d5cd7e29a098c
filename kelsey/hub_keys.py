"""The hub's API keys, managed beside its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hub.keys import NewApiKey, add_key, list_keys, revoke_key
from hub.roles import Role
from hub.settings import load_hub_settings
from hub.store import HubStore

__all__ = ["add_hub_key", "list_hub_keys", "revoke_hub_key"]


@contextmanager
def _store(config: Path) -> Iterator[HubStore]:
    store = HubStore(load_hub_settings(config).database_url())
    try:
        yield store
    finally:
        store.close()


def add_hub_key(config: Path, *, name: str, role: str, site: str | None) -> NewApiKey:
    """Make a key; raises `ParameterError` where role and site do not go together."""
    with _store(config) as store:
        return add_key(store, name=name, role=Role(role), at=datetime.now(UTC), site=site)


def list_hub_keys(config: Path) -> list[dict[str, Any]]:
    """All keys, oldest first, as plain data."""
    with _store(config) as store:
        return [msgspec.to_builtins(key) for key in list_keys(store)]


def revoke_hub_key(config: Path, identity: str) -> None:
    """End a key; raises `UnknownIdError` where there is none in use."""
    with _store(config) as store:
        revoke_key(store, identity, at=datetime.now(UTC))
