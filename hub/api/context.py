"""The parts of a served hub, put together once and handed to every route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from hub.activation import hub_activations
from hub.address_guard import AddressGuard, Resolver, resolve
from hub.api.bell import Bell
from hub.delivery import WebhookDeliverer
from hub.evaluation import Evaluator
from hub.intake import ReleaseIntake
from hub.keys import register_key
from hub.metrics import HubMetrics
from hub.release_shelf import ReleaseShelf
from hub.settings import HubSettings
from hub.signals import SignalBook
from hub.store import HubStore
from hub.subscriptions import SubscriptionBook
from hub.sum_intake import SumIntake
from privacy.protocol import SurveillanceProtocol

__all__ = ["Context", "HubContext", "build_context", "utc_now"]


def utc_now() -> datetime:
    """Now, with its time zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubContext:
    """Everything a route may need; made by `build_context`.

    `new_releases` and `new_events` are rung when there are some; `is_stopping` tells long answers to end.
    """

    settings: HubSettings
    store: HubStore
    protocol: SurveillanceProtocol
    intake: ReleaseIntake
    sum_intake: SumIntake | None
    evaluator: Evaluator
    shelf: ReleaseShelf
    signals: SignalBook
    subscriptions: SubscriptionBook
    guard: AddressGuard
    deliverer: WebhookDeliverer
    metrics: HubMetrics
    clock: Callable[[], datetime]
    new_releases: Bell = field(default_factory=Bell)
    new_events: Bell = field(default_factory=Bell)
    stopping: list[Callable[[], bool]] = field(default_factory=list)

    @property
    def is_stopping(self) -> bool:
        """Whether the server is on its way down."""
        return any(ask() for ask in self.stopping)

    @property
    def sites(self) -> list[str]:
        """Ids of the registered sites."""
        return [site.id for site in self.settings.site]


def build_context(
    settings: HubSettings, *, clock: Callable[[], datetime] = utc_now, resolver: Resolver = resolve
) -> HubContext:
    """Open the database, read protocol and keys, register the API keys of the settings.

    Raises `ConfigurationError` or `ServiceError`; on failure nothing stays open.
    """
    protocol, site_keys, aggregator_keys = settings.protocol(), settings.site_keys(), settings.aggregator_keys()
    guard = AddressGuard(settings.webhooks.allow_addresses, resolver=resolver)
    tls = settings.webhook_tls()
    store = HubStore(settings.database_url())
    try:
        hub_activations(store).require(protocol)
        for key in settings.api_key:
            register_key(store, settings.secret(key), name=key.name, role=key.role, site=key.site, at=clock())
        shelf, metrics = ReleaseShelf(), HubMetrics()
        sums = None if protocol.cohort is None else SumIntake(store, protocol, aggregator_keys, shelf=shelf)
        return HubContext(
            settings=settings,
            store=store,
            protocol=protocol,
            intake=ReleaseIntake(store, protocol, site_keys, shelf=shelf),
            sum_intake=sums,
            evaluator=Evaluator(store, protocol, shelf=shelf, weight_ratio=settings.hub.weight_ratio),
            shelf=shelf,
            signals=SignalBook(store),
            subscriptions=SubscriptionBook(store),
            guard=guard,
            deliverer=WebhookDeliverer(
                store, protocol, guard, metrics, source=settings.hub.public_url, clock=clock,
                timeout_seconds=settings.webhooks.timeout_seconds, tls=tls,
            ),
            metrics=metrics,
            clock=clock,
        )  # fmt: skip
    except BaseException:
        store.close()
        raise


def _context(request: Request) -> HubContext:
    context = request.app.state.context
    assert isinstance(context, HubContext)  # noqa: S101  set by create_app
    return context


Context = Annotated[HubContext, Depends(_context)]
