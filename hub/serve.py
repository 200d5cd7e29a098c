"""Serves the hub over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hub.api import create_routes
from hub.api.context import build_context
from hub.bound_server import BoundServer
from hub.settings import HubSettings

__all__ = ["HubServer", "serve"]


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
            self._server = BoundServer(
                create_routes(context), host=settings.host, port=settings.port, setting="[hub] listen",
                on_started=on_started,
            )  # fmt: skip
        except BaseException:
            context.store.close()
            raise
        context.stopping.append(lambda: self._server.is_stopping)
        self._context = context

    @property
    def address(self) -> str:
        """``http://host:port`` as bound."""
        return self._server.address

    def run(self) -> None:
        """Serve until `stop`, or until the process is asked to end; open requests are finished first."""
        self._server.run()

    def close(self) -> None:
        """Give socket and database back without having run."""
        self._server.close()
        self._context.store.close()

    def stop(self) -> None:
        """Ask a running server to end; may be called from any thread."""
        self._server.stop()


def serve(settings: HubSettings) -> None:
    """Serve until the process is asked to end (SIGINT, SIGTERM).

    Raises as `HubServer` does.
    """
    server = HubServer(settings)
    logging.getLogger(__name__).info("hub listening on %s", server.address)
    server.run()
