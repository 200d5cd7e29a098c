"""Routes for the aggregators of the secure sum: send a share of a sum, read which sites were in."""

from __future__ import annotations

from typing import Literal

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from hub.api.access import AggregatorKey, AnyKey
from hub.api.context import Context, HubContext
from hub.api.models import Problem, SumReceiptModel, model_of
from hub.api.problems import ProblemError
from hub.api.releases import read_limited
from hub.sum_intake import SumIntake
from privacy.secure_sum import Role
from privacy.secure_sum.sum_share import maximum_sum_bytes

__all__ = ["get_accepted_sets", "get_received_sums", "post_sum", "router"]

router = APIRouter(prefix="/v1", tags=["sums"])

_BODY = {
    "requestBody": {
        "required": True,
        "description": "The sealed message, byte for byte as the aggregator stored it",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _intake(context: HubContext) -> SumIntake:
    if context.sum_intake is None:
        raise ProblemError(409, "protocol", "this hub's protocol forms no sums", hint="its trust mode is per-site")
    return context.sum_intake


@router.post(
    "/sums",
    openapi_extra=_BODY,
    responses={status: {"model": Problem, "description": "Refused"} for status in (403, 409, 413, 422)},
)
async def post_sum(request: Request, caller: AggregatorKey, context: Context) -> SumReceiptModel:
    """Take in one aggregator's share of a sum. Sending the same bytes again is answered `replayed`."""
    intake = _intake(context)
    data = await read_limited(request, limit=maximum_sum_bytes(context.protocol))
    if data is None:
        raise ProblemError(413, "length", "the message is longer than any of this protocol")
    receipt = await run_in_threadpool(intake.accept, data, received_at=context.clock())
    if receipt.is_complete:
        context.new_releases.ring()
    return model_of(SumReceiptModel, receipt)


@router.get("/sums/accepted", response_class=Response, responses={200: {"content": {"application/json": {}}}})
def get_accepted_sets(caller: AnyKey, context: Context) -> Response:
    """The sites in the sum of each epoch, in order, each set signed by both aggregators.

    An aggregator reads it before it agrees on anything: one that was put back from a backup may have forgotten some.
    """
    return Response(msgspec.json.encode(_intake(context).acceptances()), media_type="application/json")


@router.get("/sums/received/{role}", response_class=Response, responses={200: {"content": {"application/json": {}}}})
def get_received_sums(role: Literal["leader", "helper"], caller: AggregatorKey, context: Context) -> Response:
    """SHA-256 of the share of each epoch's sum that the hub has of an aggregator, by epoch.

    An aggregator reads it before it sends the next: a hub that was put back from a backup has lost some.
    """
    return Response(msgspec.json.encode(_intake(context).received(Role(role))), media_type="application/json")
