"""A real webhook receiver on loopback: answers as told, keeps what it got."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import msgspec


class Received(msgspec.Struct, frozen=True):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers with `answers` in turn (status and headers), then with 204; `received` is what came."""

    def __init__(self, answers: list[tuple[int, Mapping[str, str]]] | None = None) -> None:
        self.received: list[Received] = []
        self.arrived = threading.Condition()
        waiting = list(answers or [])
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the name http.server wants
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, extra = waiting.pop(0) if waiting else (204, {})
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()
                with outer.arrived:
                    outer.received.append(Received(self.path, headers, body))
                    outer.arrived.notify_all()

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook?from=kelsey"

    def wait_for(self, count: int, timeout_seconds: float = 30.0) -> list[Received]:
        """What came, once it is at least `count` requests."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, timeout_seconds)
            return list(self.received)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
