"""A hub behind a real HTTP server on loopback, in a thread of the test's process."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.keys import add_key
from hub.roles import Role
from hub.serve import HubServer
from hub.settings import HubSettings, load_hub_settings
from hub.store import HubStore
from tests.hub.federation import NOW, Federation

_WAIT_SECONDS = 30


def write_settings(federation: Federation, database_url: str, folder: Path, *, extra: str = "") -> Path:
    """hub.toml with everything it names; `extra` is TOML put at the end of its [hub] table or after it."""
    federation.protocol.dump(folder / "protocol.json")
    sites = ""
    for name, key in federation.site_keys.items():
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pem").write_bytes(pem)
        sites += f'[[site]]\nid = "{name}"\npublic_key_file = "{name}.pem"\n'
    path = folder / "hub.toml"
    path.write_text(
        f'[hub]\ndatabase_url = "{database_url}"\nprotocol_file = "protocol.json"\nlisten = "127.0.0.1:0"\n'
        f'public_url = "https://hub.example"\nheartbeat_seconds = 0.2\n{extra}\n{sites}'
        + ('[webhooks]\nallow_addresses = ["127.0.0.1"]\ntimeout_seconds = 5\n' if "[webhooks]" not in extra else "")
    )
    return path


class ServedHub:
    """Runs `HubServer`; `client(role)` gives an HTTP client with a key of that role."""

    def __init__(self, federation: Federation, database_url: str, folder: Path, *, extra: str = "") -> None:
        self.federation = federation
        self.settings: HubSettings = load_hub_settings(write_settings(federation, database_url, folder, extra=extra))
        store = HubStore(database_url)
        self.keys = {
            role: add_key(
                store, name=f"the {role}", role=role, at=NOW, site="north" if role is Role.SITE else None
            ).secret
            for role in Role
        }
        store.close()
        started = threading.Event()
        self._server = HubServer(self.settings, on_started=started.set)
        self._thread = threading.Thread(target=self._server.run, name="hub")
        self._started = started
        self.store = HubStore(database_url)
        self._clients: list[httpx.Client] = []

    @property
    def address(self) -> str:
        """``http://127.0.0.1:port``."""
        return self._server.address

    def client(self, role: Role | None) -> httpx.Client:
        """A client with a key of the role; None for one without a key."""
        headers = {} if role is None else {"authorization": f"Bearer {self.keys[role]}"}
        client = httpx.Client(base_url=self.address, headers=headers, timeout=_WAIT_SECONDS, trust_env=False)
        self._clients.append(client)
        return client

    def key_of_site(self, site: str) -> str:
        """A new API key bound to a site."""
        with self.client(Role.ADMIN) as admin:
            answer = admin.post("/v1/keys", json={"name": site, "role": "site", "site": site})
            assert answer.status_code == 201, answer.text
            return str(answer.json()["secret"])

    def stop(self) -> None:
        """Ask the server to end."""
        self._server.stop()

    def is_stopped(self) -> bool:
        """Whether the server has ended, waiting for it."""
        self._thread.join(_WAIT_SECONDS)
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(_WAIT_SECONDS)
        self.clients = {role: self.client(role) for role in Role}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()
        self.stop()
        assert self.is_stopped()
        self.store.close()
