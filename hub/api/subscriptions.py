"""Routes for webhook subscriptions. A key sees its own; an admin's key sees all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.concurrency import run_in_threadpool

from cases import UnknownTermError
from hub.api.access import SubscriberKey
from hub.api.context import Context
from hub.api.models import (
    NO_NUL,
    DeliveryModel,
    NewSubscriptionModel,
    Problem,
    SubscriptionModel,
    SubscriptionRequest,
    model_of,
)
from hub.keys import ApiKey
from hub.roles import Role

__all__ = [
    "delete_subscription",
    "get_subscription",
    "list_deliveries",
    "list_subscriptions",
    "post_subscription",
    "router",
]

router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])

_Id = Annotated[str, Path(max_length=64, pattern=NO_NUL)]
_UNKNOWN = {"model": Problem, "description": "There is no such subscription"}


def _scope(caller: ApiKey) -> str | None:
    return None if caller.role is Role.ADMIN else caller.id


@router.post(
    "", status_code=201, responses={422: {"model": Problem, "description": "Refused, e.g. webhook-address-refused"}}
)
async def post_subscription(
    wanted: SubscriptionRequest, caller: SubscriberKey, context: Context
) -> NewSubscriptionModel:
    """Subscribe a public https address. The answer holds the signing secret, this once."""
    for name, known in ((wanted.drug, context.protocol.drugs), (wanted.reaction, context.protocol.reactions)):
        if name is not None and name not in known:
            raise UnknownTermError("the protocol's active set has no such name")
    await context.guard.check(wanted.url)
    subscription = await run_in_threadpool(
        context.subscriptions.add,
        owner=caller.id,
        url=wanted.url,
        at=context.clock(),
        drug=wanted.drug,
        reaction=wanted.reaction,
        states=wanted.states,
        after=wanted.after,
    )
    context.new_events.ring()
    return model_of(NewSubscriptionModel, subscription)


@router.get("")
def list_subscriptions(caller: SubscriberKey, context: Context) -> list[SubscriptionModel]:
    """Subscriptions and how far each has got."""
    return [model_of(SubscriptionModel, item) for item in context.subscriptions.find(owner=_scope(caller))]


@router.get("/{subscription_id}", responses={404: _UNKNOWN})
def get_subscription(subscription_id: _Id, caller: SubscriberKey, context: Context) -> SubscriptionModel:
    """One subscription."""
    return model_of(SubscriptionModel, context.subscriptions.get(subscription_id, owner=_scope(caller)))


@router.delete("/{subscription_id}", status_code=204, response_class=Response, responses={404: _UNKNOWN})
def delete_subscription(subscription_id: _Id, caller: SubscriberKey, context: Context) -> Response:
    """End a subscription; its delivery log stays."""
    context.subscriptions.delete(subscription_id, owner=_scope(caller))
    return Response(status_code=204)


@router.get("/{subscription_id}/deliveries", responses={404: _UNKNOWN})
def list_deliveries(
    subscription_id: _Id,
    caller: SubscriberKey,
    context: Context,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[DeliveryModel]:
    """Latest attempts, newest first."""
    context.subscriptions.get(subscription_id, owner=_scope(caller))
    return [model_of(DeliveryModel, item) for item in context.subscriptions.deliveries(subscription_id, limit=limit)]
