"""Serves an aggregator over HTTPS with certificates on both sides, and its health on an address of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import APIRouter, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from hub.aggregator.routes import Service, router
from hub.aggregator.service import AggregatorService, build_service
from hub.aggregator.settings import AggregatorSettings
from hub.api.context import utc_now
from hub.api.problems import install_problems
from hub.bound_server import BoundServer
from hub.settings_file import split_address

__all__ = ["AggregatorServer", "serve_aggregator"]

_log = logging.getLogger("kelsey.aggregator")

_operations = APIRouter()


@_operations.get("/healthz", response_class=PlainTextResponse)
async def _healthz() -> str:
    """The process answers."""
    return "ok"


@_operations.get("/readyz", response_class=PlainTextResponse)
def _readyz(service: Service) -> str:
    """It can agree: its database answers, and the hub has said what was agreed on before."""
    service.store.check()
    service.runner.require_clearance()
    return "ok"


@_operations.get("/metrics", response_class=Response)
def _metrics(service: Service) -> Response:
    """Metrics for Prometheus."""
    with service.store.read() as connection:
        count, last = service.shelf.agreed_count(connection), service.shelf.last_agreed(connection)
    service.metrics.agreed.set(count)
    service.metrics.sites.set(0 if last is None else len(last[0].accepted.members))
    service.metrics.last_agreed.set(0 if last is None else last[1].timestamp())
    return Response(service.metrics.expose(), media_type=CONTENT_TYPE_LATEST)


def _application(service: AggregatorService, *routers: APIRouter, owns_service: bool = False) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if not owns_service:
            yield
            return
        service.start()
        try:
            yield
        finally:
            await run_in_threadpool(service.close)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    for each in routers:
        app.include_router(each)
    install_problems(app)
    app.state.service = service
    return app


class AggregatorServer:
    """An aggregator on bound sockets: its addresses are known before it runs.

    Parameters
    ----------
    settings
        As `load_aggregator_settings` gives them.
    clock
        Now, timezone-aware.
    on_started
        Called once when the first request can be answered.

    Raises
    ------
    ConfigurationError, IntegrityError
        Settings, keys or protocol cannot be used, or contradict each other.
    ServiceError
        Database or ledger cannot be opened, or an address is taken.
    """

    def __init__(
        self,
        settings: AggregatorSettings,
        *,
        clock: Callable[[], datetime] = utc_now,
        on_started: Callable[[], None] | None = None,
    ) -> None:
        service = build_service(settings, clock=clock)
        self._service = service
        self._servers: list[BoundServer] = []
        own = settings.aggregator
        try:
            host, port = split_address(own.listen, "[aggregator] listen")
            app = _application(service, router, _operations, owns_service=True)
            self._servers.append(
                BoundServer(
                    app, host=host, port=port, setting="[aggregator] listen", tls=settings.mutual_tls,
                    on_started=on_started,
                )
            )  # fmt: skip
            if own.health_listen is not None:
                host, port = split_address(own.health_listen, "[aggregator] health_listen")
                health = _application(service, _operations)
                self._servers.append(BoundServer(health, host=host, port=port, setting="[aggregator] health_listen"))
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """``https://host:port`` as bound; http without [tls]."""
        return self._servers[0].address

    @property
    def health_address(self) -> str | None:
        """``http://host:port`` of health and metrics, where they have an address of their own."""
        return self._servers[1].address if len(self._servers) > 1 else None

    def run(self) -> None:
        """Serve until `stop`, or until the process is asked to end; open requests are finished first."""
        threads = [threading.Thread(target=server.run, daemon=True) for server in self._servers[1:]]
        for thread in threads:
            thread.start()
        try:
            self._servers[0].run()
        finally:
            for server in self._servers[1:]:
                server.stop()
            for thread in threads:
                thread.join()

    def stop(self) -> None:
        """Ask a running server to end; may be called from any thread."""
        self._servers[0].stop()

    def close(self) -> None:
        """Give everything back without having run."""
        for server in self._servers:
            server.close()
        self._service.close()


def serve_aggregator(settings: AggregatorSettings) -> None:
    """Serve until the process is asked to end (SIGINT, SIGTERM). Raises as `AggregatorServer` does."""
    server = AggregatorServer(settings)
    _log.info("%s listening on %s", settings.aggregator.role, server.address)
    server.run()
