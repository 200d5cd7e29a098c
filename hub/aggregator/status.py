"""How an aggregator stands, for people: from its files, whether it runs or not."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from hub.aggregator import schema
from hub.aggregator.settings import AggregatorSettings
from hub.aggregator.shelf import AggregatorShelf, aggregator_store
from privacy.ledger import BudgetLedger

__all__ = ["aggregator_status"]


def aggregator_status(settings: AggregatorSettings) -> dict[str, Any]:
    """JSON-able status; raises `ConfigurationError` or `ServiceError`.

    `waiting` counts the shares that are held by epoch, `sums` the epochs of the ledger by state.
    """
    protocol = settings.protocol()
    store = aggregator_store(settings.database_url())
    shelf, share, refusal = AggregatorShelf(protocol), schema.share, schema.refusal
    try:
        with store.read() as connection:
            agreed, last = shelf.agreed_count(connection), shelf.last_agreed(connection)
            query = select(share.c.epoch, func.count()).where(share.c.era == protocol.era).group_by(share.c.epoch)
            waiting = {f"epoch {epoch}": count for epoch, count in connection.execute(query.order_by(share.c.epoch))}
            refusals = connection.execute(select(refusal.c.reason, func.count()).group_by(refusal.c.reason))
            refused = {reason: count for reason, count in refusals}  # noqa: C416  rows are no pairs to mypy
    finally:
        store.close()
    sums: dict[str, int] = {}
    if settings.aggregator.ledger_file.exists():
        with BudgetLedger(settings.aggregator.ledger_file, is_read_only=True) as ledger:
            for entry in ledger.entries():
                if entry.era == protocol.era:
                    sums[str(entry.state)] = sums.get(str(entry.state), 0) + 1
    return {
        "role": str(settings.aggregator.role),
        "protocol": {
            "name": protocol.name,
            "version": protocol.version,
            "hash": protocol.hash,
            "era": protocol.era,
            "epochs": protocol.calendar.count,
            "minimum_cohort": protocol.minimum_cohort,
        },
        "registered_sites": len(settings.site),
        "agreed_epochs": agreed,
        "last_agreed": None
        if last is None
        else {
            "epoch": last[0].accepted.epoch,
            "epoch_end": protocol.calendar.last_day(last[0].accepted.epoch).isoformat(),
            "agreed_at": last[1].isoformat(),
            "sites": list(last[0].accepted.sites),
            "is_opened": last[0].accepted.is_opened,
        },
        "waiting": waiting,
        "refusals": refused,
        "sums": sums,
    }
