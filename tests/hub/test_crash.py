"""A hub that is killed between storing a release and answering: the site sends again, nothing is counted twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from hub import schema
from hub.keys import add_key
from hub.roles import Role
from hub.store import HubStore
from tests.hub.federation import NOW, Federation
from tests.hub.served_hub import ServedHub, write_settings

ROOT = Path(__file__).parents[2]


def test_killed_between_store_and_answer(federation: Federation, database_url: str, tmp_path: Path) -> None:
    config = write_settings(federation, database_url, tmp_path)
    store = HubStore(database_url)
    secret = add_key(store, name="north", role=Role.SITE, site="north", at=NOW).secret
    line = federation.sites["north"].release(0)
    headers = {"authorization": f"Bearer {secret}"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.hub.crashing_hub", str(config)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{address}/v1/releases", content=line, headers=headers, timeout=30, trust_env=False)
        assert process.wait(30) == -signal.SIGKILL
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.release)).scalar_one() == 1
    with ServedHub(federation, database_url, tmp_path) as served:
        client = served.client(None)
        again = client.post("/v1/releases", content=line, headers=headers)
        assert (again.status_code, again.json()["status"]) == (200, "replayed")
        following = client.post("/v1/releases", content=federation.sites["north"].release(1), headers=headers)
        assert following.json()["status"] == "accepted"
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(schema.release)).scalar_one() == 2
    store.close()
