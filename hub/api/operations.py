"""Routes for operation: probes, metrics, status."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from hub.api.access import ReadingKey
from hub.api.context import Context
from hub.status import store_status

__all__ = ["get_status", "healthz", "metrics", "readyz", "router"]

router = APIRouter(tags=["operations"])


@router.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """The process answers."""
    return "ok"


@router.get("/readyz", response_class=PlainTextResponse, responses={503: {"description": "The database is away"}})
def readyz(context: Context) -> str:
    """The hub can do its work: its database answers."""
    context.store.check()
    return "ok"


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(context: Context) -> Response:
    """Metrics for Prometheus; no drug, reaction or person is in them."""
    for state, count in context.signals.count_by_state().items():
        context.metrics.sdrs.labels(str(state)).set(count)
    context.metrics.delivery_pending.set(context.subscriptions.pending())
    with context.store.read() as connection:
        latest = context.shelf.last_received_by_site(connection)
    for site in context.sites:
        at = latest.get(site)
        context.metrics.last_release.labels(site).set(0.0 if at is None else at.timestamp())
    return Response(context.metrics.expose(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/status", tags=["operations"])
def get_status(caller: ReadingKey, context: Context) -> dict[str, Any]:
    """Sites, refusals, SDRs and subscriptions at a glance."""
    return store_status(context.store, context.protocol, sites=context.sites)
