"""Every Prometheus metric of an aggregator, declared once. Nothing but codes and counts is ever a label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

__all__ = ["AggregatorMetrics"]


class AggregatorMetrics:
    """An aggregator's metrics in a registry of their own; `reason`, `result` and `task` hold closed lists."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.shares = Counter("kelsey_aggregator_shares", "Shares received completely.", registry=registry)
        self.refusals = Counter(
            "kelsey_aggregator_share_refusals", "Requests and shares refused, by reason.", ["reason"], registry=registry
        )
        self.agreed = Gauge("kelsey_aggregator_agreed_epochs", "Epochs of the era agreed on.", registry=registry)
        self.sites = Gauge("kelsey_aggregator_sites_in_last_sum", "Sites in the newest agreed set.", registry=registry)
        self.last_agreed = Gauge(
            "kelsey_aggregator_last_agreed_timestamp_seconds", "When the newest set was agreed on; 0 before the first.",
            registry=registry,
        )  # fmt: skip
        self.pending = Gauge(
            "kelsey_aggregator_pending_sums", "Sealed shares of sums that the hub does not have yet.", registry=registry
        )
        self.forgotten = Gauge(
            "kelsey_aggregator_forgotten_epochs", "Epochs known to be agreed on, whose shares are missing here.",
            registry=registry,
        )  # fmt: skip
        self.is_cleared = Gauge(
            "kelsey_aggregator_is_cleared", "1 once the hub has said what was agreed on before, else 0.",
            registry=registry,
        )  # fmt: skip
        self.deliveries = Counter(
            "kelsey_aggregator_deliveries", "Attempts to give the hub a share of a sum.", ["result"], registry=registry
        )
        self.background_errors = Counter(
            "kelsey_aggregator_background_errors", "Failures of the aggregator's own work, by task; tried again.",
            ["task"], registry=registry,
        )  # fmt: skip

    def expose(self) -> bytes:
        """The registry in Prometheus' text format."""
        return generate_latest(self.registry)
