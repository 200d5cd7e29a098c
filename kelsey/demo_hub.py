"""The demonstration's hub, served: the database the demonstration left, and a settings file to look at."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cases import ServiceError
from hub.keys import add_key
from hub.roles import Role
from hub.serve import serve
from hub.settings import load_hub_settings
from hub.store import HubStore

__all__ = ["require_free_port", "serve_demo"]


def require_free_port(port: int) -> None:
    """Raise `ServiceError` where `serve_demo` could not listen: said before minutes are played, not after."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        said = f"127.0.0.1:{port} cannot be listened on: {why}"
        raise ServiceError(said, hint="choose another with --port") from error


def serve_demo(out: Path, *, port: int, announce: Callable[[str], None]) -> None:
    """Serve what `run_demo` left in `out` on 127.0.0.1 until stopped; an officer's key is made and announced."""
    config = out / "hub.toml"
    config.write_text(
        "[hub]\n"
        f'database_url = "sqlite:///{(out / "hub.db").absolute()}"\n'
        'protocol_file = "protocol.json"\n'
        f'listen = "127.0.0.1:{port}"\n'
        f'public_url = "http://127.0.0.1:{port}"\n',
        encoding="utf-8",
    )
    settings = load_hub_settings(config)
    store = HubStore(settings.database_url())
    try:
        key = add_key(store, name="demo officer", role=Role.OFFICER, at=datetime.now(UTC))
    finally:
        store.close()
    base = f"http://127.0.0.1:{port}"
    announce(f"the hub is up; what it can do: {base}/v1/openapi.json")
    announce(f"SDRs: curl -H 'Authorization: Bearer {key.secret}' {base}/v1/sdrs")
    announce("Ctrl-C stops it")
    serve(settings)
