"""How a site stands: what was read and counted, what waits, what the budget is. Names nobody."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from privacy.ledger import BudgetLedger
from privacy.ledger_entry import ReleaseState
from streams.budget import budget_of
from streams.cursor_store import CursorStore
from streams.ingest_tally import IngestTally
from streams.kafka_connection import client_options
from streams.pairs import open_stores
from streams.partition_book import wallet_summary
from streams.settings import SiteSettings
from streams.topics import TopicRole, topic_name
from streams.wallet_summary import WalletSummary

__all__ = ["site_status"]


def site_status(settings: SiteSettings) -> dict[str, Any]:
    """Status of the site as far as this machine's data directory and Kafka know it.

    Keys: site, kafka (``reachable`` or why not), lag (messages by topic, None where Kafka is away), ingest (the table
    that adds up), wallet, budget (None without a protocol). A worker that runs meanwhile is not disturbed.
    """
    counters: Counter[str] = Counter()
    offsets: dict[tuple[TopicRole, int], int] = {}
    kafka = settings.require_kafka()
    for role, name in ((TopicRole.RAW, "intake"), (TopicRole.CASES, "casebook")):
        for store in open_stores(settings, name):
            offsets[role, store.partition] = store.next_offset(topic_name(kafka, role)) or 0
            if role is TopicRole.RAW:
                counters.update(store.counters())
    for name in ("replay", "connector"):
        path = settings.data_directory / f"{name}.sqlite"
        if path.exists():
            cursors = CursorStore(path)
            counters.update(cursors.counters())
            cursors.close()
    lag, reachable = _lag(settings, offsets)
    tally = IngestTally.of(counters)
    return {
        "site": settings.site.id,
        "kafka": reachable,
        "lag": lag,
        "ingest": msgspec.to_builtins(tally),
        "wallet": msgspec.to_builtins(_wallet(settings)),
        "budget": _budget(settings),
    }


def _lag(settings: SiteSettings, offsets: dict[tuple[TopicRole, int], int]) -> tuple[dict[str, int | None], str]:
    kafka = settings.require_kafka()
    lag: dict[str, int | None] = {}
    try:
        consumer = KafkaConsumer(**client_options(settings), client_id="kelsey-status", enable_auto_commit=False)
        try:
            for role in (TopicRole.RAW, TopicRole.CASES):
                places = [TopicPartition(topic_name(kafka, role), number) for number in range(kafka.partitions)]
                starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
                lag[role.value] = sum(
                    max(0, ends[place] - max(starts[place], offsets.get((role, place.partition), 0)))
                    for place in places
                )
        finally:
            consumer.close()
    except KafkaError as error:
        return {role.value: None for role in (TopicRole.RAW, TopicRole.CASES)}, f"not reachable: {type(error).__name__}"
    return lag, "reachable"


def _wallet(settings: SiteSettings) -> WalletSummary:
    total = WalletSummary(patients=0, exhausted=0, blocked_operations=0, pending_operations=0)
    for store in open_stores(settings, "casebook"):
        total += wallet_summary(store)
    return total


def _budget(settings: SiteSettings) -> dict[str, Any] | None:
    protocol = settings.protocol()
    path = settings.data_directory / "ledger.sqlite"
    if protocol is None:
        return None
    with BudgetLedger(path if path.exists() else None, is_read_only=path.exists()) as ledger:
        found: dict[str, Any] = msgspec.to_builtins(budget_of(ledger, protocol))
        found["releases"] = {
            state.value: sum(entry.state is state and entry.era == protocol.era for entry in ledger.entries())
            for state in ReleaseState
        }
    return found
