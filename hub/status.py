"""How the hub stands, for people: sites, refusals, SDRs, subscriptions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from hub import schema
from hub.release_shelf import ReleaseShelf
from hub.settings import HubSettings
from hub.signals import SignalBook
from hub.store import HubStore
from hub.subscriptions import SubscriptionBook
from hub.sum_intake import stored_acceptances
from privacy.protocol import SurveillanceProtocol

__all__ = ["status", "store_status"]


def status(settings: HubSettings) -> dict[str, Any]:
    """Status of the hub whose database the settings name; raises `ConfigurationError` or `ServiceError`."""
    protocol = settings.protocol()
    store = HubStore(settings.database_url())
    try:
        return store_status(store, protocol, sites=[site.id for site in settings.site])
    finally:
        store.close()


def store_status(store: HubStore, protocol: SurveillanceProtocol, *, sites: list[str]) -> dict[str, Any]:
    """JSON-able status; a registered site that never released stands in it with nulls.

    Under trust mode ``secure-sum`` sites release nothing here: of each is told in how many sums it was and up to which
    epoch, and what was received stands under ``secure-sum``.
    """
    release, refusal, evaluation = schema.release, schema.refusal, schema.evaluation
    by_site: dict[str, dict[str, Any]] = (
        {
            site: {"releases": 0, "last_epoch": None, "last_epoch_end": None, "last_received_at": None}
            for site in sorted(sites)
        }
        if protocol.cohort is None
        else _in_sums(store, protocol, sites)
    )
    with store.read() as connection:
        query = (
            select(
                release.c.site,
                func.count().label("releases"),
                func.max(release.c.epoch).label("epoch"),
                func.max(release.c.received_at).label("received_at"),
            )
            .where(release.c.era == protocol.era)
            .group_by(release.c.site)
        )
        for row in connection.execute(query):
            by_site[row.site] = {
                "releases": row.releases,
                "last_epoch": row.epoch,
                "last_epoch_end": protocol.calendar.last_day(row.epoch).isoformat(),
                "last_received_at": row.received_at.isoformat(),
            }
        refusals = connection.execute(select(refusal.c.reason, func.count()).group_by(refusal.c.reason))
        refused = {reason: count for reason, count in refusals}  # noqa: C416  rows are no pairs to mypy
        last = connection.execute(
            select(evaluation.c.epoch, evaluation.c.prior)
            .where(evaluation.c.era == protocol.era)
            .order_by(evaluation.c.epoch.desc())
            .limit(1)
        ).one_or_none()
    evaluated, prior = (None, None) if last is None else (last.epoch, last.prior)
    book = SubscriptionBook(store)
    with store.read() as connection:
        head = ReleaseShelf().head(connection)
    return {
        "protocol": {
            "name": protocol.name,
            "version": protocol.version,
            "hash": protocol.hash,
            "era": protocol.era,
            "epochs": protocol.calendar.count,
        },
        "sites": by_site,
        "record": str(head),
        "refusals": refused,
        "last_evaluated_epoch": evaluated,
        "prior": prior,
        "sdrs": {str(state): count for state, count in SignalBook(store).count_by_state().items()},
        "subscriptions": {
            "active": sum(str(item.status) == "active" for item in book.find()),
            "pending_deliveries": book.pending(),
        },
    }


def _in_sums(store: HubStore, protocol: SurveillanceProtocol, sites: list[str]) -> dict[str, dict[str, Any]]:
    epochs: dict[str, list[int]] = {site: [] for site in sorted(sites)}
    for acceptance in stored_acceptances(store, protocol.era):
        for site in acceptance.accepted.sites:
            epochs.setdefault(site, []).append(acceptance.accepted.epoch)
    return {
        site: {
            "sums": len(found),
            "last_epoch": found[-1] if found else None,
            "last_epoch_end": protocol.calendar.last_day(found[-1]).isoformat() if found else None,
        }
        for site, found in epochs.items()
    }
