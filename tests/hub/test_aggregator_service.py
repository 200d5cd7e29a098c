"""Aggregators as they are run: real sockets, real certificates, real files."""

from __future__ import annotations

import logging
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

from hub.aggregator.links import Proposal
from hub.aggregator.share_uploads import CHUNK_LIMIT_BYTES
from hub.keys import register_key
from hub.roles import Role as ApiRole
from privacy.secure_sum import SIGNATURE_HEADER, Acceptance, AcceptedSet, Role, ShareReceipt, sign_request
from privacy.secure_sum.site_share import maximum_share_bytes
from tests.hub.aggregator_pair import (
    PROTOCOL,
    AggregatorPair,
    HandClock,
    aggregator_key,
    free_port,
    look,
    messages_at,
    put,
    seal_exactly,
    signed,
    summing_hub,
    total_at,
    upload,
)
from tests.hub.federation import NOW
from tests.hub.secure_sum import PUBLIC, ROLE_KEYS, SITES
from tests.hub.served_hub import ServedHub
from tests.hub.waiting import eventually

LEADER = (Role.LEADER,)
CELLS = PROTOCOL.cell_count


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ServedHub]:
    with summing_hub(f"sqlite:///{tmp_path / 'hub.sqlite'}", tmp_path / "hub") as served:
        yield served


@pytest.fixture
def pair(hub: ServedHub, tmp_path: Path) -> AggregatorPair:
    return AggregatorPair(tmp_path / "pair", hub_url=hub.address, hub_key=aggregator_key(hub))


@pytest.fixture
def alone(tmp_path: Path) -> AggregatorPair:
    """A pair whose hub does not answer."""
    return AggregatorPair(tmp_path / "pair", hub_url=f"http://127.0.0.1:{free_port()}", hub_key="k" * 40)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_three_epochs_reach_the_hub_exactly(pair: AggregatorPair, hub: ServedHub) -> None:
    expected, clock = np.zeros(CELLS), HandClock(PROTOCOL.calendar.closes_at(0) - timedelta(hours=1))
    with ExitStack() as stack:
        clients = {role: stack.enter_context(pair.client(role)) for role in Role}
        stack.enter_context(pair.serve(*Role, clock=clock))
        for epoch in range(3):
            for number, site in enumerate(SITES):
                expected[(epoch + number) % CELLS] += 100 + number
                for role, line in seal_exactly(site, epoch, {(epoch + number) % CELLS: 100 + number}).items():
                    upload(clients[role], site, epoch, line).verify(PUBLIC[role])
            assert clients[Role.HELPER].get(f"/v1/epochs/{epoch}").status_code == 404
            clock.now = PROTOCOL.calendar.closes_at(epoch) + timedelta(hours=1)
            eventually(lambda: len(messages_at(hub.store).get(epoch, {})) == 2)  # noqa: B023  called at once
            agreed = [
                msgspec.json.decode(clients[role].get(f"/v1/epochs/{epoch}").content, type=Acceptance) for role in Role
            ]
            assert agreed[0] == agreed[1]
            assert agreed[0].verify(PUBLIC[Role.LEADER], PUBLIC[Role.HELPER]).sites == SITES
    assert total_at(hub.store) == pytest.approx(expected, abs=1e-6)


def test_without_a_certificate_there_is_no_connection(alone: AggregatorPair) -> None:
    with alone.serve(*LEADER), alone.client(Role.LEADER, with_certificate=False) as stranger:
        with pytest.raises(httpx.TransportError):
            stranger.get("/healthz")
        with alone.client(Role.LEADER) as known:
            assert known.get("/healthz").text == "ok"


def test_an_upload_that_was_cut_goes_on_also_after_a_restart(alone: AggregatorPair) -> None:
    line = seal_exactly("north", 0, {0: 5})[Role.LEADER]
    with alone.client(Role.LEADER) as client:
        with alone.serve(*LEADER):
            assert put(client, "north", 0, line, offset=0, size=100).json() == {"offset": 100, "receipt": None}
            wrong = put(client, "north", 0, line, offset=50, size=100)
            assert (*problem(wrong), wrong.json()["offset"]) == (409, "offset", 100)
            assert put(client, "north", 0, line, offset=100, size=30).json()["offset"] == 130
        with alone.serve(*LEADER):
            assert look(client, "north", 0).json() == {"offset": 130, "receipt": None}
            receipt = upload(client, "north", 0, line, size=70)
            receipt.verify(PUBLIC[Role.LEADER])
            assert look(client, "north", 0).json()["offset"] == 0
            assert upload(client, "north", 0, line) == receipt
            again = put(client, "north", 0, line, offset=0, size=len(line))
            assert msgspec.convert(again.json()["receipt"], ShareReceipt) == receipt
    assert list((alone.folder / "leader" / "uploads").iterdir()) == []


def test_what_is_no_share_is_refused_with_its_reason_and_nothing_of_it_kept(alone: AggregatorPair) -> None:
    lines = seal_exactly("north", 0, {0: 5})
    line = lines[Role.LEADER]
    limit = maximum_share_bytes(PROTOCOL)
    with alone.serve(*LEADER), alone.client(Role.LEADER) as client:

        def refusal(site: str, epoch: int, data: bytes) -> tuple[int, str]:
            return problem(put(client, site, epoch, data, offset=0, size=len(data)))

        assert refusal("north", 0, lines[Role.HELPER]) == (409, "recipient")
        assert refusal("north", 0, line[:-1]) == (422, "length")
        assert refusal("north", 0, b"x" * (limit + 1)) == (422, "length")
        assert refusal("north", 0, line[:-1] + bytes([line[-1] ^ 1])) == (422, "digest")
        assert refusal("north", 6, line) == (409, "epoch")
        other = msgspec.structs.replace(PROTOCOL, version="2")
        assert refusal("north", 0, seal_exactly("north", 0, {}, other)[Role.LEADER]) == (409, "protocol")
        # signed by one site, about another: the address and the caller do not fit
        target = "/v1/shares/south/0"
        assert problem(client.get(target, headers=signed("north", "GET", target))) == (403, "signature")
        assert problem(client.get(target, headers=signed("south", "GET", target + "?x"))) == (403, "signature")
        assert problem(client.get(target)) == (403, "unknown-site")
        stranger = {**signed("north", "GET", "/v1/shares/nobody/0"), "Kelsey-Site": "nobody"}
        assert problem(client.get("/v1/shares/nobody/0", headers=stranger)) == (403, "unknown-site")
        # the right message under another site's or epoch's address
        assert refusal("south", 0, line) == (422, "malformed")
        assert refusal("north", 1, line) == (422, "malformed")
        long = put(client, "north", 0, bytes(CHUNK_LIMIT_BYTES + 1), offset=0, size=CHUNK_LIMIT_BYTES + 1)
        assert problem(long) == (413, "length")
        assert upload(client, "north", 0, line).site == "north"
        changed = seal_exactly("north", 0, {0: 6})[Role.LEADER]
        assert refusal("north", 0, changed) == (409, "equivocation")
        metrics = client.get("/metrics").text
    assert 'kelsey_aggregator_share_refusals_total{reason="equivocation"} 1.0' in metrics
    assert "kelsey_aggregator_shares_total 1.0" in metrics
    assert list((alone.folder / "leader" / "uploads").iterdir()) == []


def test_before_the_hub_has_spoken_nothing_is_agreed_on(alone: AggregatorPair) -> None:
    with alone.serve(*Role), alone.client(Role.HELPER) as helper, alone.client(Role.LEADER) as leader:
        for client in (helper, leader):
            waits = client.get("/readyz")
            assert problem(waits) == (503, "service")
            assert "nothing is agreed on" in waits.json()["detail"]
        accepted = AcceptedSet(protocol_hash=PROTOCOL.hash, era=PROTOCOL.era, epoch=0, members=(), is_opened=False)
        proposal = Proposal(accepted, accepted.sign(ROLE_KEYS[Role.LEADER]))
        answer = helper.post("/v1/agreements", content=msgspec.json.encode(proposal))
        assert problem(answer) == (503, "service")
        # what both signed is another matter: that is how one learns what it has forgotten
        signed_by_both = Acceptance(
            accepted=accepted, leader=proposal.leader, helper=accepted.sign(ROLE_KEYS[Role.HELPER])
        )
        heeded = helper.post("/v1/heed", content=msgspec.json.encode(signed_by_both))
        assert heeded.json() == {"is_settled": True}
        assert helper.get("/v1/epochs/0").content == msgspec.json.encode(signed_by_both)
        forged = msgspec.structs.replace(signed_by_both, helper=bytes(64))
        assert problem(helper.post("/v1/heed", content=msgspec.json.encode(forged))) == (403, "signature")
        assert problem(helper.post("/v1/heed", content=b"{}")) == (422, "malformed")
        # once one of them holds it, the other follows
        eventually(lambda: leader.get("/v1/epochs/0").status_code == 200)
        assert "kelsey_aggregator_is_cleared 0.0" in leader.get("/metrics").text


def test_only_the_peer_is_told_what_is_held_and_only_the_helper_is_proposed_to(alone: AggregatorPair) -> None:
    with alone.serve(*LEADER), alone.client(Role.LEADER) as client:
        target = "/v1/holdings/0"
        assert problem(client.get(target, headers=signed("north", "GET", target))) == (403, "signature")
        by_peer = {SIGNATURE_HEADER: sign_request(ROLE_KEYS[Role.HELPER], "GET", target)}
        assert client.get(target, headers=by_peer).json() == {}
        assert problem(client.post("/v1/agreements", content=b"{}")) == (404, "not-found")
        assert problem(client.get("/v1/epochs/99999999999999999999")) == (404, "not-found")
        long = client.post("/v1/heed", content=bytes((4 << 20) + 1))
        assert problem(long) == (413, "oversized")


def test_log_and_metrics_hold_identifiers_only(
    pair: AggregatorPair, hub: ServedHub, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "Zanthippe-Quill"
    clock = HandClock(PROTOCOL.calendar.closes_at(0))
    with caplog.at_level(logging.DEBUG), pair.serve(*Role, clock=clock), pair.client(Role.LEADER) as client:
        body = canary.encode()
        answers = [
            put(client, "north", 0, body, offset=0, size=len(body)),
            client.post("/v1/heed", content=body),
            client.post("/v1/heed", content=b'{"' + body + b'": 1}'),
            client.get(f"/v1/shares/{canary}/0", headers={"Kelsey-Site": canary, "Kelsey-Signature": canary}),
            client.get(f"/v1/epochs/{canary}"),
            client.get("/v1/epochs/5", params={canary: canary}),
        ]
        assert [answer.status_code for answer in answers] == [422, 422, 422, 403, 422, 404]
        eventually(lambda: client.get("/v1/epochs/0").status_code == 200)
        shown = client.get("/metrics").text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("kelsey", "hub", "uvicorn"))]
    assert any("epoch 0 agreed" in line for line in ours)
    assert canary not in shown + "\n".join([*ours, *(answer.text for answer in answers)])
    for path in pair.folder.rglob("*"):
        assert not path.is_file() or canary.encode() not in path.read_bytes(), path


def test_health_has_an_address_of_its_own_without_tls(tmp_path: Path) -> None:
    port = free_port()
    pair = AggregatorPair(
        tmp_path / "pair", hub_url=f"http://127.0.0.1:{free_port()}", hub_key="k" * 40,
        extra=f'health_listen = "127.0.0.1:{port}"',
    )  # fmt: skip
    with pair.serve(*LEADER), httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert client.get("/healthz").text == "ok"
        assert problem(client.get("/readyz")) == (503, "service")
        assert "kelsey_aggregator_agreed_epochs 0.0" in client.get("/metrics").text
        assert client.get("/v1/epochs/0").status_code == 404
        assert client.post("/v1/heed", content=b"{}").status_code == 404


def test_killed_processes_lose_nothing_and_count_nothing_twice(hub: ServedHub, tmp_path: Path) -> None:
    """The leader while a share arrives, the leader with an agreement just made, the helper with a sum just booked."""
    secret, expected = "k" * 40, np.zeros(CELLS)
    pair = AggregatorPair(tmp_path / "pair", hub_url=hub.address, hub_key=secret)
    kill_at = {Role.LEADER: "agreed", Role.HELPER: "reserved"}
    with ExitStack() as stack:

        def start(role: Role, step: str | None = None) -> subprocess.Popen[bytes]:
            return stack.enter_context(_killed_at_the_end(pair.spawn(role, kill_at=step)))

        clients = {role: stack.enter_context(pair.client(role)) for role in Role}
        processes = {role: start(role, kill_at[role]) for role in Role}
        for client in clients.values():
            _answered(client)
        for epoch in range(3):
            for number, site in enumerate(SITES):
                expected[(epoch + number) % CELLS] += 10 + number
                for role, line in seal_exactly(site, epoch, {(epoch + number) % CELLS: 10 + number}).items():
                    put(clients[role], site, epoch, line, offset=0, size=len(line) // 2).raise_for_status()
                    if (epoch, number, role) == (1, 2, Role.LEADER):
                        processes[role].kill()
                        processes[role].wait(30)
                        processes[role] = start(role, kill_at[role])
                        _answered(clients[role])
                        assert look(clients[role], site, epoch).json()["offset"] == len(line) // 2
                    upload(clients[role], site, epoch, line)
        assert messages_at(hub.store) == {}
        register_key(hub.store, secret, name="both", role=ApiRole.AGGREGATOR, at=NOW)  # now the hub speaks to them
        for role in Role:
            assert processes[role].wait(60) == -signal.SIGKILL
            processes[role] = start(role)

        def is_complete() -> bool:
            found = messages_at(hub.store)
            return len(found) == 3 and all(len(lines) == 2 for lines in found.values())

        eventually(is_complete, timeout_seconds=60)
    assert total_at(hub.store) == pytest.approx(expected, abs=1e-6)


@contextmanager
def _killed_at_the_end(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def _answered(client: httpx.Client) -> None:
    def ask() -> bool:
        try:
            return client.get("/healthz").is_success
        except httpx.TransportError:
            return False

    eventually(ask, timeout_seconds=60)
