"""Serves the hub over HTTP."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import uvicorn

from cases import ServiceError
from hub.api import create_routes
from hub.api.context import build_context
from hub.settings import HubSettings

__all__ = ["HubServer", "serve"]

_STOP_SECONDS = 10


class HubServer:
    """A hub on a bound socket: `address` is known before it runs.

    Parameters
    ----------
    settings
        As `load_hub_settings` gives them.
    on_started
        Called once when the first request can be answered.

    Raises
    ------
    ConfigurationError
        Settings, keys or protocol cannot be used.
    ServiceError
        The database does not answer, or the address is taken.
    """

    def __init__(self, settings: HubSettings, *, on_started: Callable[[], None] | None = None) -> None:
        context = build_context(settings)
        try:
            family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
            self._socket = socket.create_server((settings.host, settings.port), family=family)
        except OSError as error:
            context.store.close()
            raise ServiceError(
                f"the hub cannot listen on {settings.hub.listen}: {error.strerror}",
                hint="stop what uses the address, or change [hub] listen",
            ) from error
        config = uvicorn.Config(
            create_routes(context),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = _Server(config, on_started)
        context.stopping.append(lambda: self._server.should_exit)
        self._context = context

    @property
    def address(self) -> str:
        """``http://host:port`` as bound."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until `stop`, or until the process is asked to end; open requests are finished first."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def close(self) -> None:
        """Give socket and database back without having run."""
        self._socket.close()
        self._context.store.close()

    def stop(self) -> None:
        """Ask a running server to end; may be called from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's own, then the word that it is done."""
        await super().startup(sockets)
        if self.started and self._on_started is not None:
            self._on_started()


def serve(settings: HubSettings) -> None:
    """Serve until the process is asked to end (SIGINT, SIGTERM).

    Raises as `HubServer` does.
    """
    server = HubServer(settings)
    logging.getLogger(__name__).info("hub listening on %s", server.address)
    server.run()
