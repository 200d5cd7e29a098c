"""Two aggregators on loopback with mutual TLS, the sites' side of their interface, and what the hub makes of it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import numpy as np
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from numpy.typing import NDArray
from sqlalchemy import select

from hub import schema
from hub.aggregator.serve import AggregatorServer
from hub.aggregator.settings import load_aggregator_settings
from hub.api.context import utc_now
from hub.roles import Role as ApiRole
from hub.store import HubStore
from privacy import EpochCalendar, EpochVector, SurveillanceProtocol
from privacy.release import table_lengths
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import (
    SIGNATURE_HEADER,
    SITE_HEADER,
    Role,
    ShareReceipt,
    join_sums,
    open_sum_share,
    share_epoch,
    sign_request,
)
from tests.hub.authority import Authority
from tests.hub.secure_sum import COHORT, PUBLIC, ROLE_KEYS, SITE_KEYS
from tests.hub.secure_sum import PROTOCOL as OF_THIS_YEAR
from tests.hub.served_hub import ServedHub

PROTOCOL = msgspec.structs.replace(OF_THIS_YEAR, calendar=EpochCalendar("month", date(2020, 1, 1), 6))
"""All its epochs are over, whatever the day."""

_ROOT = Path(__file__).parents[2]
_WAIT_SECONDS = 30


class HandClock:
    """Says what it was set to."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def seal_exactly(
    site: str, epoch: int, weights: Mapping[int, int], protocol: SurveillanceProtocol = PROTOCOL
) -> dict[Role, bytes]:
    """A site's messages without noise, so that the sums are exact."""
    noise = {name: np.zeros(length, dtype=np.int64) for name, length in table_lengths(protocol).items()}
    return share_epoch(
        site=site, protocol=protocol, epoch=epoch, increment=EpochVector.of(weights), noise=noise, key=SITE_KEYS[site]
    )


def summing_hub(database_url: str, folder: Path) -> ServedHub:
    """A hub that knows both aggregators."""
    folder.mkdir(parents=True, exist_ok=True)
    extra = ""
    for role, key in PUBLIC.items():
        (folder / f"{role}.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        extra += f'[[aggregator]]\nrole = "{role}"\npublic_key_file = "{role}.pem"\n'
    members: Any = SimpleNamespace(
        protocol=PROTOCOL, site_keys={site: key.public_key() for site, key in SITE_KEYS.items()}
    )
    return ServedHub(members, database_url, folder, extra=extra)


class AggregatorPair:
    """Settings, keys and certificates of both; `serve` runs one in this process, `spawn` in one of its own."""

    def __init__(self, folder: Path, *, hub_url: str, hub_key: str, extra: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = Authority(folder)
        self.urls = {role: f"https://127.0.0.1:{free_port()}" for role in Role}
        _secret(folder / "hub.key", hub_key.encode())
        PROTOCOL.dump(folder / "protocol.json")
        for name, key in {**SITE_KEYS, **{str(role): key for role, key in ROLE_KEYS.items()}}.items():
            pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            (folder / f"{name}.pub").write_bytes(pem)
        self.configs = {role: self._configure(role, hub_url, extra) for role in Role}
        self.site_files = self.authority.issue("a-site")

    def _configure(self, role: Role, hub_url: str, extra: str) -> Path:
        other = Role.HELPER if role is Role.LEADER else Role.LEADER
        self.authority.issue(str(role))
        pem = ROLE_KEYS[role].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _secret(self.folder / f"{role}-signing.pem", pem)
        (self.folder / role).mkdir()
        path = self.folder / f"{role}.toml"
        path.write_text(
            f'[aggregator]\nrole = "{role}"\nprotocol_file = "protocol.json"\n'
            f'signing_key_file = "{role}-signing.pem"\n'
            f'database_url = "sqlite:///{self.folder / role / "aggregator.sqlite"}"\n'
            f'ledger_file = "{role}/ledger.sqlite"\nuploads_directory = "{role}/uploads"\n'
            f'listen = "{self.urls[role].removeprefix("https://")}"\nagreement_grace_seconds = 0\npoll_seconds = 0.05\n'
            f'{extra}\n[tls]\ncertificate_file = "{role}.crt"\nkey_file = "{role}.key"\n'
            'client_ca_file = "authority.pem"\n'
            f'[peer]\nurl = "{self.urls[other]}"\npublic_key_file = "{other}.pub"\nca_file = "authority.pem"\n'
            f'[hub]\nurl = "{hub_url}"\napi_key_file = "hub.key"\n'
            + "".join(f'[[site]]\nid = "{site}"\npublic_key_file = "{site}.pub"\n' for site in SITE_KEYS)
        )
        return path

    def client(self, role: Role, *, with_certificate: bool = True) -> httpx.Client:
        """What a site calls an aggregator with."""
        tls = ssl.create_default_context(cafile=self.authority.file)
        if with_certificate:
            tls.load_cert_chain(*self.site_files)
        return httpx.Client(
            base_url=self.urls[role], verify=tls, timeout=_WAIT_SECONDS, trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )  # fmt: skip

    @contextmanager
    def serve(self, *roles: Role, clock: Callable[[], datetime] = utc_now) -> Iterator[None]:
        """Run aggregators on threads, with a clock of their own."""
        servers, threads = [], []
        try:
            for role in roles:
                started = threading.Event()
                server = AggregatorServer(
                    load_aggregator_settings(self.configs[role]), clock=clock, on_started=started.set
                )
                thread = threading.Thread(target=server.run)
                servers.append(server)
                threads.append(thread)
                thread.start()
                assert started.wait(_WAIT_SECONDS)
            yield
        finally:
            for server in servers:
                server.stop()
            for thread in threads:
                thread.join(_WAIT_SECONDS)
                assert not thread.is_alive()

    def spawn(self, role: Role, *, kill_at: str | None = None) -> subprocess.Popen[bytes]:
        """Run one as a process, that dies at a step where it is told so."""
        config = str(self.configs[role])
        program = ["-m", "kelsey", "aggregator", "serve", "--config", config]
        if kill_at is not None:
            program = ["-m", "tests.hub.crashing_aggregator", config, kill_at]
        return subprocess.Popen([sys.executable, *program], cwd=_ROOT, stderr=subprocess.DEVNULL)


def _secret(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o600)


def signed(site: str, method: str, target: str, body: bytes = b"") -> dict[str, str]:
    """Headers of a site's request."""
    return {SITE_HEADER: site, SIGNATURE_HEADER: sign_request(SITE_KEYS[site], method, target, body)}


def put(client: httpx.Client, site: str, epoch: int, data: bytes, *, offset: int, size: int) -> httpx.Response:
    """Send one piece of a message."""
    piece = data[offset : offset + size]
    target = f"/v1/shares/{site}/{epoch}?offset={offset}&total={len(data)}"
    return client.put(target, content=piece, headers=signed(site, "PUT", target, piece))


def look(client: httpx.Client, site: str, epoch: int) -> httpx.Response:
    """Ask what is there of a message."""
    target = f"/v1/shares/{site}/{epoch}"
    return client.get(target, headers=signed(site, "GET", target))


def upload(client: httpx.Client, site: str, epoch: int, data: bytes, *, size: int = 1 << 20) -> ShareReceipt:
    """Send all of a message from where it was left."""
    state = look(client, site, epoch).raise_for_status().json()
    while state["receipt"] is None:
        state = put(client, site, epoch, data, offset=state["offset"], size=size).raise_for_status().json()
    return msgspec.convert(state["receipt"], ShareReceipt)


def messages_at(store: HubStore) -> dict[int, dict[Role, bytes]]:
    """What the hub was sent, by epoch."""
    found: dict[int, dict[Role, bytes]] = {}
    with store.read() as connection:
        for row in connection.execute(select(schema.sum_share)):
            found.setdefault(row.epoch, {})[Role(row.role)] = bytes(row.data)
    return found


def total_at(store: HubStore) -> NDArray[np.float64]:
    """The running total of the pair table in grid units, solved from the sums at the hub."""
    sums = {}
    for epoch, lines in sorted(messages_at(store).items()):
        shares = [
            open_sum_share(line, keys=PUBLIC, role=role, protocol=PROTOCOL, cohort=COHORT)
            for role, line in lines.items()
        ]
        sums[epoch] = join_sums(shares[0], shares[1], PROTOCOL)["pair"]
    strategy = ReleaseSpec.of(PROTOCOL).factorisation
    matrix = np.array([[strategy.row(t)[s] if s <= t else 0 for s in sums] for t in sums], dtype=float)
    total: NDArray[np.float64] = np.linalg.solve(matrix, np.stack(list(sums.values()))).sum(axis=0)
    return total


def aggregator_key(hub: ServedHub) -> str:
    """The hub's API key for aggregators."""
    return hub.keys[ApiRole.AGGREGATOR]
