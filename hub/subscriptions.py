"""Who gets told: webhook subscriptions, how far each has got, and the log of every attempt."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from hub import schema
from hub.errors import UnknownIdError
from hub.event_log import EventLog, SdrEvent
from hub.lifecycle import SdrState
from hub.store import HubStore
from hub.webhook_signature import new_webhook_secret

__all__ = ["Delivery", "DeliveryStatus", "Subscription", "SubscriptionBook", "SubscriptionStatus"]

_PAGE = 500


class SubscriptionStatus(StrEnum):
    """Whether a subscription is served."""

    ACTIVE = "active"
    STOPPED = "stopped"  # the receiver answered 410 Gone
    DELETED = "deleted"


class DeliveryStatus(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    RETRIED = "retried"  # failed, and will be tried again
    FAILED = "failed"  # failed for the last time; the next event's turn
    STOPPED = "stopped"  # 410: the subscription ends


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver of events and its place in them.

    `cursor` is the last event settled (delivered, given up, or not matching); `attempt` counts failures at the next.
    """

    id: str
    owner: str
    url: str
    secret: str
    drug: str | None
    reaction: str | None
    states: tuple[SdrState, ...]
    status: SubscriptionStatus
    created_at: datetime
    cursor: int
    attempt: int
    due_at: datetime

    def wants(self, event: SdrEvent) -> bool:
        """Whether an event passes the subscription's filter."""
        return (
            (self.drug is None or event.drug == self.drug)
            and (self.reaction is None or event.reaction == self.reaction)
            and (not self.states or event.state in self.states)
        )


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to deliver one event."""

    id: int
    subscription_id: str
    event_id: int
    attempt: int
    status: DeliveryStatus
    http_status: int | None
    error: str | None
    at: datetime


class SubscriptionBook:
    """Subscriptions in a store.

    Events are delivered at least once and in order: a receiver that fails holds up its own later events, nobody
    else's.

    Parameters
    ----------
    store
        The hub's database.
    """

    def __init__(self, store: HubStore) -> None:
        self._store = store
        self._log = EventLog()

    def add(
        self,
        *,
        owner: str,
        url: str,
        at: datetime,
        drug: str | None = None,
        reaction: str | None = None,
        states: Sequence[SdrState] = (),
        after: int | None = None,
    ) -> Subscription:
        """Subscribe a URL that `AddressGuard` has checked; events after `after`, by default from now on."""
        with self._store.write() as connection:
            subscription = Subscription(
                id="sub-" + secrets.token_hex(10), owner=owner, url=url, secret=new_webhook_secret(), drug=drug,
                reaction=reaction, states=tuple(states), status=SubscriptionStatus.ACTIVE, created_at=at,
                cursor=self._log.last_id(connection) if after is None else after, attempt=0, due_at=at,
            )  # fmt: skip
            values = msgspec.structs.asdict(subscription)
            values |= {"states": json.dumps([str(state) for state in states]), "status": str(subscription.status)}
            connection.execute(insert(schema.subscription).values(**values))
        return subscription

    def find(self, *, owner: str | None = None) -> list[Subscription]:
        """Subscriptions that were not deleted, oldest first; all of them, or one owner's."""
        table = schema.subscription
        query = select(table).where(table.c.status != str(SubscriptionStatus.DELETED)).order_by(table.c.created_at)
        if owner is not None:
            query = query.where(table.c.owner == owner)
        with self._store.read() as connection:
            return [_subscription(row) for row in connection.execute(query)]

    def get(self, identity: str, *, owner: str | None = None) -> Subscription:
        """One subscription; raises `UnknownIdError`, also where it belongs to somebody else than `owner`."""
        for subscription in self.find(owner=owner):
            if subscription.id == identity:
                return subscription
        raise UnknownIdError("there is no subscription with this id", hint="GET /v1/subscriptions lists them")

    def delete(self, identity: str, *, owner: str | None = None) -> None:
        """End a subscription; its deliveries stay in the log. Raises `UnknownIdError`."""
        self.get(identity, owner=owner)
        self._update(identity, status=str(SubscriptionStatus.DELETED))

    def deliveries(self, identity: str, *, limit: int = 100) -> list[Delivery]:
        """Latest attempts, newest first."""
        table = schema.delivery
        query = select(table).where(table.c.subscription_id == identity).order_by(table.c.id.desc()).limit(limit)
        with self._store.read() as connection:
            return [
                Delivery(**{**row._mapping, "status": DeliveryStatus(row.status)}) for row in connection.execute(query)
            ]

    def pending(self) -> int:
        """Events not yet settled, over all active subscriptions."""
        count = 0
        with self._store.read() as connection:
            for subscription in self._active(connection):
                events = self._log.after(connection, subscription.cursor, limit=_PAGE)
                count += sum(subscription.wants(event) for event in events)
        return count

    def due(self, *, at: datetime) -> list[Subscription]:
        """Active subscriptions whose next attempt may be made."""
        with self._store.read() as connection:
            return [item for item in self._active(connection) if item.due_at <= at]

    def next_event(self, subscription: Subscription) -> tuple[Subscription, SdrEvent] | None:
        """The next event it wants, and the subscription as it then stands; None when there is no such event yet.

        Events it does not want are stepped over for good, a page at a time.
        """
        while True:
            with self._store.read() as connection:
                events = self._log.after(connection, subscription.cursor, limit=_PAGE)
            for event in events:
                if subscription.wants(event):
                    return subscription, event
            if events:
                subscription = msgspec.structs.replace(subscription, cursor=events[-1].id, attempt=0)
                self._update(subscription.id, cursor=subscription.cursor, attempt=0)
            if len(events) < _PAGE:
                return None

    def claim(self, subscription: Subscription, *, until: datetime) -> bool:
        """Reserve the next attempt for this process; False where another one has it.

        A process that dies with a claim gives it back when `until` passes: the event is then sent again.
        """
        table = schema.subscription
        with self._store.write() as connection:
            changed = connection.execute(
                update(table)
                .where(
                    table.c.id == subscription.id,
                    table.c.due_at == subscription.due_at,
                    table.c.cursor == subscription.cursor,
                    table.c.status == str(SubscriptionStatus.ACTIVE),
                )
                .values(due_at=until)
            )
            return changed.rowcount == 1

    def settle(
        self,
        subscription: Subscription,
        event: SdrEvent,
        *,
        status: DeliveryStatus,
        http_status: int | None,
        error: str | None,
        at: datetime,
        delay_seconds: float = 0.0,
    ) -> None:
        """Log an attempt and move the subscription on, in one transaction."""
        attempt = subscription.attempt + 1
        values: dict[str, Any] = {"due_at": at + timedelta(seconds=delay_seconds)}
        if status is DeliveryStatus.RETRIED:
            values["attempt"] = attempt
        else:
            values |= {"attempt": 0, "cursor": event.id}
        table = schema.subscription
        with self._store.write() as connection:
            connection.execute(
                insert(schema.delivery).values(
                    subscription_id=subscription.id, event_id=event.id, attempt=attempt, status=str(status),
                    http_status=http_status, error=error, at=at,
                )
            )  # fmt: skip
            connection.execute(update(table).where(table.c.id == subscription.id).values(**values))
            if status is DeliveryStatus.STOPPED:
                active = table.c.status == str(SubscriptionStatus.ACTIVE)
                stopped = update(table).where(table.c.id == subscription.id, active)
                connection.execute(stopped.values(status=str(SubscriptionStatus.STOPPED)))

    def _active(self, connection: Connection) -> list[Subscription]:
        table = schema.subscription
        query = select(table).where(table.c.status == str(SubscriptionStatus.ACTIVE)).order_by(table.c.due_at)
        return [_subscription(row) for row in connection.execute(query)]

    def _update(self, identity: str, **values: object) -> None:
        table = schema.subscription
        with self._store.write() as connection:
            connection.execute(update(table).where(table.c.id == identity).values(**values))


def _subscription(row: Row[Any]) -> Subscription:
    values = dict(row._mapping)
    states = tuple(SdrState(state) for state in json.loads(values.pop("states")))
    return Subscription(**{**values, "status": SubscriptionStatus(values["status"])}, states=states)
