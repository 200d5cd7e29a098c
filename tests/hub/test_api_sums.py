"""Sums over real HTTP: aggregators send, the hub evaluates by itself, and nobody else may."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import func, select

from hub import schema
from hub.roles import Role as ApiRole
from privacy.secure_sum import Acceptance, Role
from privacy.secure_sum.sum_share import maximum_sum_bytes
from tests.hub.federation import Federation
from tests.hub.secure_sum import PROTOCOL, PUBLIC, SITE_KEYS, House
from tests.hub.served_hub import ServedHub
from tests.hub.waiting import eventually


@pytest.fixture
def summing(database_url: str, tmp_path: Path) -> Iterator[ServedHub]:
    """A hub whose protocol is one of sums."""
    extra = ""
    for role, key in PUBLIC.items():
        (tmp_path / f"{role}.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        extra += f'[[aggregator]]\nrole = "{role}"\npublic_key_file = "{role}.pem"\n'
    members: Any = SimpleNamespace(
        protocol=PROTOCOL, site_keys={site: key.public_key() for site, key in SITE_KEYS.items()}
    )
    with ServedHub(members, database_url, tmp_path, extra=extra) as served:
        yield served


def test_two_shares_become_an_evaluated_sum(summing: ServedHub, tmp_path: Path) -> None:
    house = House(tmp_path / "house")
    house.send("north", 0, {0: 256})
    house.send("south", 0, {0: 100})
    house.agree(0)
    house.open()
    aggregator = summing.client(ApiRole.AGGREGATOR)
    lines = {role: next(iter(house.at_hub[role, 0])) for role in Role}
    first = aggregator.post("/v1/sums", content=lines[Role.LEADER])
    assert (first.status_code, first.json()["status"], first.json()["is_complete"]) == (200, "accepted", False)
    second = aggregator.post("/v1/sums", content=lines[Role.HELPER])
    assert second.json()["is_complete"]
    assert aggregator.post("/v1/sums", content=lines[Role.HELPER]).json()["status"] == "replayed"

    def evaluated() -> int | None:
        with summing.store.read() as connection:
            return int(connection.execute(select(func.count()).select_from(schema.evaluation)).scalar_one()) or None

    assert eventually(evaluated) == 1
    for role, line in lines.items():
        digest = hashlib.sha256(line).hexdigest()
        assert aggregator.get(f"/v1/sums/received/{role}").json() == {"0": digest}
    assert aggregator.get("/v1/sums/received/officer").status_code == 422
    answer = aggregator.get("/v1/sums/accepted")
    assert msgspec.json.decode(answer.content, type=list[Acceptance]) == [
        house.parties[Role.LEADER].aggregator.acceptance(0)
    ]
    house.stop()


def test_what_is_no_sum_is_refused_with_its_reason(summing: ServedHub) -> None:
    aggregator = summing.client(ApiRole.AGGREGATOR)
    nonsense = aggregator.post("/v1/sums", content=b"nonsense")
    assert (nonsense.status_code, nonsense.json()["code"]) == (422, "malformed")
    long = aggregator.post("/v1/sums", content=bytes(maximum_sum_bytes(PROTOCOL) + 1))
    assert (long.status_code, long.json()["code"]) == (413, "length")
    for role in (ApiRole.OFFICER, ApiRole.SITE, ApiRole.ADMIN):
        assert summing.client(role).post("/v1/sums", content=b"").status_code == 403


def test_a_hub_of_single_sites_forms_no_sums(served: ServedHub, federation: Federation) -> None:
    assert federation.protocol.cohort is None
    answer = served.client(ApiRole.AGGREGATOR).post("/v1/sums", content=b"")
    assert (answer.status_code, answer.json()["code"]) == (409, "protocol")
