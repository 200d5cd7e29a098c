"""Every Prometheus metric of the hub, declared once. No drug or reaction name is ever a label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["HubMetrics"]

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EVALUATION_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class HubMetrics:
    """The hub's metrics in a registry of their own.

    Labels are bounded: `site` holds registered sites only, `reason` and `result` closed lists, `route` the routes'
    templates.
    """

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.releases = Counter(
            "kelsey_hub_releases", "Releases received, by result.", ["site", "result"], registry=registry
        )
        self.refusals = Counter("kelsey_hub_refusals", "Releases refused, by reason.", ["reason"], registry=registry)
        self.last_release = Gauge(
            "kelsey_hub_last_release_timestamp_seconds", "When a site's newest release arrived; 0 where none did.",
            ["site"], registry=registry,
        )  # fmt: skip
        self.sdrs = Gauge("kelsey_hub_sdrs", "SDRs by state.", ["state"], registry=registry)
        self.flagged_buckets = Gauge(
            "kelsey_hub_flagged_buckets", "Buckets of pairs without a cell of their own that the newest look flagged.",
            registry=registry,
        )  # fmt: skip
        self.deliveries = Counter(
            "kelsey_hub_deliveries", "Webhook attempts, by result.", ["result"], registry=registry
        )
        self.delivery_pending = Gauge(
            "kelsey_hub_delivery_pending", "Events not yet settled, over all active subscriptions.", registry=registry
        )
        self.evaluation = Histogram(
            "kelsey_hub_evaluation_seconds", "Time to evaluate an epoch.", registry=registry,
            buckets=_EVALUATION_BUCKETS,
        )  # fmt: skip
        self.requests = Histogram(
            "kelsey_hub_request_seconds", "Time to answer a request (streams: to their first byte).",
            ["route", "method", "status"], registry=registry, buckets=_REQUEST_BUCKETS,
        )  # fmt: skip
        self.background_errors = Counter(
            "kelsey_hub_background_errors", "Failures of the hub's own work, by task; each is tried again.", ["task"],
            registry=registry,
        )  # fmt: skip
        self.stream_clients = Gauge("kelsey_hub_stream_clients", "Open event streams.", registry=registry)

    def expose(self) -> bytes:
        """The registry in Prometheus' text format."""
        return generate_latest(self.registry)
