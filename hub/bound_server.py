"""An ASGI application on a bound socket: its address is known before it runs, and it can be stopped from any thread."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

from cases import ConfigurationError, ServiceError

__all__ = ["BoundServer", "MutualTls"]

_STOP_SECONDS = 10


class MutualTls(NamedTuple):
    """Files of a server that shows a certificate, and asks for one."""

    certificate_file: Path
    key_file: Path
    client_ca_file: Path


class BoundServer:
    """Uvicorn without its own logging.

    Parameters
    ----------
    application
        What is served.
    host, port
        Where; port 0 takes a free one.
    setting
        The setting that holds the address, for errors.
    tls
        None: plain HTTP.
    on_started
        Called once when the first request can be answered.

    Raises
    ------
    ServiceError
        The address is taken or is none of this computer.
    ConfigurationError
        The files of `tls` hold something else.
    """

    def __init__(
        self,
        application: Any,
        *,
        host: str,
        port: int,
        setting: str,
        tls: MutualTls | None = None,
        on_started: Callable[[], None] | None = None,
    ) -> None:
        self._scheme = "http" if tls is None else "https"
        files: dict[str, Any] = {}
        if tls is not None:
            files = {
                "ssl_certfile": str(tls.certificate_file),
                "ssl_keyfile": str(tls.key_file),
                "ssl_ca_certs": str(tls.client_ca_file),
                "ssl_cert_reqs": ssl.CERT_REQUIRED,
            }
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
            **files,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                "[tls] certificate_file, key_file or client_ca_file cannot be used",
                hint="they must be readable PEM files, and the key that of the certificate",
            ) from error
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise ServiceError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                hint=f"stop what uses the address, or change {setting}",
            ) from error
        self._server = _Server(config, on_started)

    @property
    def address(self) -> str:
        """``http://host:port`` as bound; https with `tls`."""
        host, port = self._socket.getsockname()[:2]
        return f"{self._scheme}://[{host}]:{port}" if ":" in host else f"{self._scheme}://{host}:{port}"

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._server.should_exit

    def run(self) -> None:
        """Serve until `stop`, or until the process is asked to end; open requests are finished first."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Ask a running server to end; may be called from any thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """Give the socket back without having run."""
        self._socket.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's own, then the word that it is done."""
        await super().startup(sockets)
        if self.started and self._on_started is not None:
            self._on_started()
