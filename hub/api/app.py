"""The ASGI application: routes, problem documents, background work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from fastapi import FastAPI

from hub.address_guard import Resolver, resolve
from hub.api import events, keys, operations, releases, residual, sdrs, subscriptions, sums
from hub.api.background import background_work
from hub.api.context import HubContext, build_context, utc_now
from hub.api.models import Problem
from hub.api.problems import install_problems
from hub.api.request_guard import RequestGuard
from hub.settings import HubSettings

__all__ = ["create_app", "create_routes"]

_DESCRIPTION = (
    "Takes in signed, differentially private releases of sites and raises signals of disproportionate reporting "
    "(SDRs). An SDR is a statistic; people validate, confirm, refute and close it here. Errors are problem documents "
    "(RFC 9457) with a stable code."
)


class _Api(FastAPI):
    """FastAPI that describes errors as what they are: problem documents."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            for path in document["paths"].values():
                for operation in path.values():
                    for status, answer in operation["responses"].items():
                        if status[0] in "45" and "application/json" in answer.get("content", {}):
                            answer["content"]["application/problem+json"] = answer["content"].pop("application/json")
        return super().openapi()


def create_routes(context: HubContext | None = None) -> FastAPI:
    """The routes alone; without a context they only describe themselves (OpenAPI)."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if context is None:
            yield
            return
        try:
            async with background_work(context):
                yield
        finally:
            context.store.close()

    app = _Api(
        title="Kelsey hub",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        responses={"4XX": {"model": Problem, "description": "Refused: a problem document"}},
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    for module in (releases, sums, sdrs, residual, events, subscriptions, keys, operations):
        app.include_router(module.router)
    install_problems(app)
    if context is not None:
        app.state.context = context
        app.add_middleware(RequestGuard, metrics=context.metrics)
    return app


def create_app(
    settings: HubSettings, *, clock: Callable[[], datetime] = utc_now, resolver: Resolver = resolve
) -> FastAPI:
    """A hub for an ASGI server; its background work runs while the server does.

    Parameters
    ----------
    clock
        Now, timezone-aware.
    resolver
        From a webhook's host to addresses.

    Raises
    ------
    ConfigurationError, ServiceError
        The settings, a file they name or the database cannot be used.
    """
    return create_routes(build_context(settings, clock=clock, resolver=resolver))
