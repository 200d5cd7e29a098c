"""A federation under secure sum on this computer: a hub, two aggregators and its sites, each a process of its own.

For the demonstration: plain HTTP on 127.0.0.1, keys drawn for the run, everything in one folder.
"""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Self

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import func, select

from cases import ServiceError
from hub import schema
from hub.keys import add_key
from hub.roles import Role as ApiRole
from hub.store import HubStore
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Role

__all__ = ["LoopbackHouse"]

_log = logging.getLogger(__name__)

_END_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_ANSWER_SECONDS = 60
_MOST_STARTS = 4
_NEVER_SECONDS = 100 * 365 * 86_400  # the leader goes on when all sites are in, and not before


class LoopbackHouse:
    """Starts the processes, waits for what they come to, and ends them.

    Parameters
    ----------
    folder
        Of this run; settings, keys, databases and logs are put there.
    protocol
        Of trust mode ``secure-sum``.
    sites
        Their ids.

    Raises
    ------
    ServiceError
        A site's process ended before its time, or another one again and again; the message names its log.
    """

    def __init__(self, folder: Path, protocol: SurveillanceProtocol, sites: Iterable[str]) -> None:
        self._folder = folder.absolute()
        self._protocol = protocol
        self._sites = tuple(sites)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}
        self._starts = Counter[str]()
        self._logs: list[IO[bytes]] = []
        self._ports = dict(zip(("hub", *Role), _free_ports(1 + len(Role)), strict=True))
        self._folder.mkdir(parents=True, exist_ok=True)
        protocol.dump(self._folder / "protocol.json")
        for name in (*self._sites, *Role):
            self._draw(name)
        store = HubStore(self._database("hub"))
        keys = {
            role: add_key(store, name=role, role=role, at=datetime.now(UTC)).secret
            for role in (ApiRole.AGGREGATOR, ApiRole.OFFICER, ApiRole.ADMIN)
        }
        store.close()
        self._write_secret("aggregator.key", keys[ApiRole.AGGREGATOR].encode())
        self._officer = httpx.Client(
            base_url=self._url("hub"), headers={"authorization": f"Bearer {keys[ApiRole.OFFICER]}"}, trust_env=False
        )

    def start(self, site_files: Mapping[str, Any]) -> None:
        """Start hub, aggregators and sites; `site_files` holds what each site is told, to which its keys are added."""
        sites = "".join(f'[[site]]\nid = "{name}"\npublic_key_file = "{name}.pub"\n' for name in self._sites)
        aggregators = "".join(f'[[aggregator]]\nrole = "{role}"\npublic_key_file = "{role}.pub"\n' for role in Role)
        self._write(
            "hub.toml",
            f'[hub]\ndatabase_url = "{self._database("hub")}"\nprotocol_file = "protocol.json"\n'
            f'listen = "127.0.0.1:{self._ports["hub"]}"\n{sites}{aggregators}',
        )
        self._launch("hub", "-m", "kelsey", "hub", "serve", "--config", str(self._folder / "hub.toml"))
        for role, peer in ((Role.LEADER, Role.HELPER), (Role.HELPER, Role.LEADER)):
            self._write(
                f"{role}.toml",
                f'[aggregator]\nrole = "{role}"\nprotocol_file = "protocol.json"\nsigning_key_file = "{role}.pem"\n'
                f'database_url = "{self._database(role)}"\nledger_file = "{role}-ledger.sqlite"\n'
                f'uploads_directory = "{role}-uploads"\nlisten = "127.0.0.1:{self._ports[role]}"\n'
                f"agreement_grace_seconds = {_NEVER_SECONDS}\npoll_seconds = {_LOOK_SECONDS}\n"
                f'[peer]\nurl = "{self._url(peer)}"\npublic_key_file = "{peer}.pub"\n'
                f'[hub]\nurl = "{self._url("hub")}"\napi_key_file = "aggregator.key"\n{sites}',
            )
            self._launch(role, "-m", "kelsey", "aggregator", "serve", "--config", str(self._folder / f"{role}.toml"))
        links = [
            {"role": role, "url": self._url(role), "public_key_file": str(self._folder / f"{role}.pub")}
            for role in Role
        ]
        for name in self._sites:
            told = {
                **site_files[name],
                "protocol_file": str(self._folder / "protocol.json"),
                "signing_key_file": str(self._folder / f"{name}.pem"),
                "secure_sum": {"aggregator": links},
            }
            self._write(f"{name}.json", json.dumps(told))
            self._launch(name, "-m", "kelsey.demo_site", str(self._folder / f"{name}.json"))

    def wait(self, *, on_epoch: Callable[[int], None], timeout_seconds: float) -> None:
        """Return when the hub has evaluated the era's last epoch; `on_epoch` is told of every one more.

        Raises `ServiceError` where a process fails, or after the time.
        """
        store = HubStore(self._database("hub"))
        try:
            end, seen = time.monotonic() + timeout_seconds, 0
            while seen < self._protocol.calendar.count:
                self.look()
                if time.monotonic() > end:
                    raise ServiceError(f"the hub has seen {seen} of {self._protocol.calendar.count} epochs in time")
                evaluated = _evaluated(store)
                for _ in range(evaluated - seen):
                    on_epoch(1)
                seen = evaluated
                time.sleep(_LOOK_SECONDS)
        finally:
            store.close()

    def sdrs(self) -> list[dict[str, Any]]:
        """All SDRs the hub raised, as an officer reads them from its API."""
        found: list[dict[str, Any]] = []
        offset: int | None = 0
        while offset is not None:
            page = self._ask("/v1/sdrs", {"limit": 1000, "offset": offset})
            found += page["items"]
            offset = page["next_offset"]
        return found

    def _ask(self, path: str, parameters: dict[str, int]) -> Any:
        """The hub's answer; one that has just ended is started again first."""
        end = time.monotonic() + _ANSWER_SECONDS
        while True:
            try:
                return self._officer.get(path, params=parameters).raise_for_status().json()
            except httpx.TransportError as error:
                if time.monotonic() > end:
                    raise ServiceError(f"the hub does not answer: {error}", hint=f"see {self._log('hub')}") from error
                self.look()
                time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """End every process that was started."""
        self._officer.close()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for log in self._logs:
            log.close()

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, _leave)  # whoever ends this process ends the others with it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        signal.signal(signal.SIGTERM, self._before)

    def look(self) -> None:
        """Start the hub or an aggregator again that has ended; raise `ServiceError` for a site, which is lost.

        To be called now and then until `wait`, which does so itself.
        """
        for name, process in list(self._processes.items()):
            code = process.poll()
            if code is None or (code == 0 and name in self._sites):
                continue
            said = f"the process of {name} ended with code {code}"
            if name in self._sites or self._starts[name] >= _MOST_STARTS:
                raise ServiceError(said, hint=f"see {self._log(name)}")
            _log.warning("%s; it is started again", said)
            self._begin(name)

    def _launch(self, name: str, *arguments: str) -> None:
        self._commands[name] = [sys.executable, *arguments]
        self._begin(name)

    def _begin(self, name: str) -> None:
        log = self._log(name).open("ab")
        self._logs.append(log)
        self._starts[name] += 1
        self._processes[name] = subprocess.Popen(  # noqa: S603  our own
            self._commands[name], stdout=log, stderr=log, cwd=Path.cwd()
        )

    def _draw(self, name: str) -> None:
        key = Ed25519PrivateKey.generate()
        self._write_secret(f"{name}.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self._folder / f"{name}.pub").write_bytes(public)

    def _write_secret(self, name: str, data: bytes) -> None:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_bytes(data)

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="utf-8")

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _database(self, name: str) -> str:
        return f"sqlite:///{self._folder / f'{name}.db'}"

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _evaluated(store: HubStore) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.evaluation)).scalar_one())


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
