"""Routes for sites: send a release, read the protocol."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from hub.api.access import AnyKey, SiteKey
from hub.api.context import Context
from hub.api.models import LatestReleaseModel, Problem, ReceiptModel, model_of
from hub.errors import ReleaseRefused
from hub.reasons import RefusalReason
from privacy.release import maximum_release_bytes

__all__ = ["get_latest_release", "get_protocol", "post_release", "read_limited", "router"]

router = APIRouter(prefix="/v1", tags=["releases"])

_BODY = {
    "requestBody": {
        "required": True,
        "description": "The sealed line, byte for byte as the gate stored it",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.post(
    "/releases",
    openapi_extra=_BODY,
    responses={status: {"model": Problem, "description": "Refused"} for status in (403, 409, 413, 422)},
)
async def post_release(request: Request, caller: SiteKey, context: Context) -> ReceiptModel:
    """Take in one signed release. Sending the same bytes again is answered `replayed`."""
    site = caller.site or ""
    try:
        line = await read_limited(request, limit=maximum_release_bytes(context.protocol))
        if line is None:
            reason = RefusalReason.OVERSIZED
            await run_in_threadpool(context.intake.record_refusal, site, reason, received_at=context.clock())
            raise ReleaseRefused(reason)
        receipt = await run_in_threadpool(context.intake.accept, line, received_at=context.clock(), sender=site)
    except ReleaseRefused as refused:
        context.metrics.refusals.labels(str(refused.reason)).inc()
        context.metrics.releases.labels(site if site in context.sites else "", "refused").inc()
        raise
    context.metrics.releases.labels(site, str(receipt.status)).inc()
    context.new_releases.ring()
    return model_of(ReceiptModel, receipt)


@router.get("/releases/latest")
def get_latest_release(caller: SiteKey, context: Context) -> LatestReleaseModel | None:
    """The caller's own newest release of the era in force, null before its first.

    A gate asks before it releases anything: a ledger that does not know this release was restored from an old backup.
    """
    era = context.protocol.era
    with context.store.read() as connection:
        found = context.shelf.last(connection, caller.site or "", era)
    return None if found is None else model_of(LatestReleaseModel, found, era=era)


@router.get("/protocol", response_class=Response, responses={200: {"content": {"application/json": {}}}})
def get_protocol(caller: AnyKey, context: Context) -> Response:
    """The surveillance protocol in force, canonical JSON; the ETag is its hash."""
    protocol = context.protocol
    return Response(protocol.encode(), media_type="application/json", headers={"etag": f'"{protocol.hash}"'})


async def read_limited(request: Request, *, limit: int) -> bytes | None:
    """The body; None, without reading on, as soon as it is known to be larger than `limit`."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            return None
    return bytes(body)
