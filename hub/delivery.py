"""Sends events to webhooks: signed, to checked addresses only, retried with patience, every attempt logged."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import msgspec

from hub.address_guard import AddressGuard
from hub.cloud_event import CONTENT_TYPE, encode_cloud_event
from hub.errors import WebhookAddressRefused
from hub.event_log import SdrEvent
from hub.metrics import HubMetrics
from hub.retry_schedule import next_delay_seconds, retry_after_seconds
from hub.store import HubStore
from hub.subscriptions import DeliveryStatus, Subscription, SubscriptionBook
from hub.thread_work import finish_in_thread
from hub.webhook_signature import sign_webhook
from privacy.protocol import SurveillanceProtocol

__all__ = ["WebhookDeliverer"]

_log = logging.getLogger(__name__)

_AT_ONCE = 16  # subscriptions served at the same time
_GONE = 410


class _Answer(msgspec.Struct, frozen=True):
    """What a receiver said, or why it could not be asked (`error`, a stable code)."""

    http_status: int | None = None
    error: str | None = None
    retry_after: float | None = None


class WebhookDeliverer:
    """Serves all due subscriptions, one event each at a time.

    A 2xx answer is a delivery. 410 ends the subscription. Everything else, redirects among it, is a failure and is
    retried on the schedule of `hub.retry_schedule`; Retry-After is honoured.

    Parameters
    ----------
    store, protocol
        The hub's database, and what was agreed.
    guard
        Checks every address before every call.
    source
        The hub's public address, named in each event.
    clock
        Now, timezone-aware.
    timeout_seconds
        For a whole call.
    tls
        Verifies receivers' certificates.
    jitter
        Uniform in [0, 1).
    """

    def __init__(
        self,
        store: HubStore,
        protocol: SurveillanceProtocol,
        guard: AddressGuard,
        metrics: HubMetrics,
        *,
        source: str,
        clock: Callable[[], datetime],
        timeout_seconds: float = 10.0,
        tls: ssl.SSLContext | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._book = SubscriptionBook(store)
        self._protocol = protocol
        self._guard = guard
        self._metrics = metrics
        self._source = source
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._tls = tls or ssl.create_default_context()
        self._jitter = jitter
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def step(self) -> int:
        """Make every attempt that is due; returns how many were made, 0 when there is nothing to do now."""
        due = await finish_in_thread(self._book.due, at=self._clock())
        made = await asyncio.gather(*(self._serve(subscription) for subscription in due))
        return sum(made)

    async def _serve(self, subscription: Subscription) -> int:
        async with self._slots:
            found = await finish_in_thread(self._book.next_event, subscription)
            if found is None:
                return 0
            subscription, event = found
            until = self._clock() + timedelta(seconds=3 * self._timeout_seconds)
            if not await finish_in_thread(self._book.claim, subscription, until=until):
                return 0
            answer = await self._post(subscription, event)
            await self._settle(subscription, event, answer)
            return 1

    async def _post(self, subscription: Subscription, event: SdrEvent) -> _Answer:
        body = encode_cloud_event(event, source=self._source, protocol=self._protocol)
        signed = sign_webhook(body, message_id=f"kelsey-event-{event.id}", at=self._clock(), secret=subscription.secret)
        try:
            checked = await self._guard.check(subscription.url)
        except WebhookAddressRefused:
            return _Answer(error="address-refused")
        host = f"[{checked.host}]" if ":" in checked.host else checked.host
        address = f"[{checked.address}]" if ":" in checked.address else checked.address
        headers = {**signed, "content-type": CONTENT_TYPE, "user-agent": "kelsey-hub", "host": f"{host}:{checked.port}"}
        # One client a call: a pooled connection must never serve another name on the same address.
        client = httpx.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=self._timeout_seconds
        )
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                client,
                client.stream(
                    "POST",
                    f"{checked.scheme}://{address}:{checked.port}{checked.path}",
                    content=body,
                    headers=headers,
                    extensions={"sni_hostname": checked.host},
                ) as response,
            ):
                wait = retry_after_seconds(response.headers.get("retry-after"), now=self._clock())
                return _Answer(http_status=response.status_code, retry_after=wait)
        except (TimeoutError, httpx.TimeoutException):
            return _Answer(error="timeout")
        except (httpx.HTTPError, ssl.SSLError, OSError):
            return _Answer(error="connection")

    async def _settle(self, subscription: Subscription, event: SdrEvent, answer: _Answer) -> None:
        attempt = subscription.attempt + 1
        delay: float | None = 0.0
        if answer.http_status is not None and 200 <= answer.http_status < 300:
            status = DeliveryStatus.DELIVERED
        elif answer.http_status == _GONE:
            status = DeliveryStatus.STOPPED
        else:
            delay = next_delay_seconds(attempt, jitter=self._jitter(), retry_after=answer.retry_after)
            status = DeliveryStatus.FAILED if delay is None else DeliveryStatus.RETRIED
        await finish_in_thread(
            self._book.settle,
            subscription,
            event,
            status=status,
            http_status=answer.http_status,
            error=answer.error,
            at=self._clock(),
            delay_seconds=delay or 0.0,
        )
        result = "failed" if status is DeliveryStatus.STOPPED else str(status)
        self._metrics.deliveries.labels(result).inc()
        level = logging.INFO if status is DeliveryStatus.DELIVERED else logging.WARNING
        _log.log(
            level, "webhook subscription=%s event=%d attempt=%d status=%s http_status=%s error=%s",
            subscription.id, event.id, attempt, status, answer.http_status, answer.error,
        )  # fmt: skip
