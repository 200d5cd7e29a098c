"""Fixtures of the hub's tests: every store test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store import HubStore
from tests.hub.federation import Federation
from tests.hub.served_hub import ServedHub


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.sqlite'}"
    url = request.getfixturevalue("postgres_url")
    assert isinstance(url, str)
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[HubStore]:
    """An empty store."""
    store = HubStore(database_url)
    yield store
    store.close()


@pytest.fixture
def federation() -> Federation:
    """Three sites under a small protocol."""
    return Federation()


@pytest.fixture
def served(federation: Federation, database_url: str, tmp_path: Path) -> Iterator[ServedHub]:
    """A hub behind a real server on loopback, with a key for each role."""
    with ServedHub(federation, database_url, tmp_path) as served:
        yield served
