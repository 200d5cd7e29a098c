"""Around every request: a limit on its body, and the time it took."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.problems import problem
from hub.metrics import HubMetrics

__all__ = ["RequestGuard"]

_LIMIT_BYTES = 64 * 1024  # of every body but a release's or a sum's, which have limits of their own
_UNLIMITED = ("/v1/releases", "/v1/sums")


class _TooLargeError(Exception):
    """A body grew past the limit; stops whoever is reading it."""


class RequestGuard:
    """ASGI middleware.

    Parameters
    ----------
    app
        What it stands around.
    metrics
        Where `kelsey_hub_request_seconds` is observed.
    """

    def __init__(self, app: ASGIApp, *, metrics: HubMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but http is passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, size, is_too_large, is_answered = time.perf_counter(), 0, False, False

        async def limited() -> Message:
            nonlocal size, is_too_large
            message = await receive()
            size += len(message.get("body", b""))
            if size > _LIMIT_BYTES and scope["path"] not in _UNLIMITED:
                is_too_large = True
                raise _TooLargeError
            return message

        async def observed(message: Message) -> None:
            nonlocal is_answered
            if is_too_large and not is_answered:
                return  # the application's own words about a body it could not read
            await answered(message)

        async def answered(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                self._observe(scope, message["status"], start)
            await send(message)

        try:
            await self._app(scope, limited, observed)
        except _TooLargeError:
            pass
        except Exception:
            if not is_answered:  # the server's outermost layer answers for us
                self._observe(scope, 500, start)
            raise
        if is_too_large and not is_answered:
            refusal = problem(413, "oversized", f"a request body has at most {_LIMIT_BYTES} bytes here")
            await refusal(scope, receive, answered)

    def _observe(self, scope: Scope, status: int, start: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        seconds = time.perf_counter() - start
        self._metrics.requests.labels(route, _method(scope["method"]), str(status)).observe(seconds)


def _method(name: str) -> str:
    return name if name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
