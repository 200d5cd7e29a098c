"""Health and metrics of a process over HTTP: ``/healthz`` (alive), ``/readyz`` (does its work), ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from cases import ConfigurationError

__all__ = ["HealthServer", "shifted"]


class HealthServer:
    """Serves on a thread of its own, so that it also answers while the process works.

    Parameters
    ----------
    listen
        ``host:port``; port 0 takes a free one (see `port`).
    registry
        Metrics to show.
    is_alive, is_ready
        Asked at every request; false gives 503.
    """

    def __init__(
        self,
        listen: str,
        *,
        registry: CollectorRegistry,
        is_alive: Callable[[], bool],
        is_ready: Callable[[], bool],
    ) -> None:
        host, _, port = listen.rpartition(":")
        checks = {"/healthz": is_alive, "/readyz": is_ready}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif (check := checks.get(self.path)) is not None:
                    fine = check()
                    self._answer(200 if fine else 503, "text/plain", b"ok\n" if fine else b"not ready\n")
                else:
                    self._answer(404, "text/plain", b"not found\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it so
                """Requests of a monitoring system are no news."""

        try:
            self._server = ThreadingHTTPServer((host.strip("[]") or "127.0.0.1", int(port)), Handler)
        except (OSError, ValueError, OverflowError) as error:
            raise ConfigurationError(
                f"metrics_listen {listen!r} cannot be listened on: {type(error).__name__}",
                hint="give host:port with a free port",
            ) from error
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def shifted(listen: str, by: int) -> str:
    """The same address with a port higher by `by`; port 0 stays 0."""
    host, _, port = listen.rpartition(":")
    return f"{host}:{int(port) + by if int(port) else 0}"
