"""Every metric the dashboards may name, with the labels its series carry: what a seeded Prometheus holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["HUB_METRICS", "SITE_METRICS", "SeededMetric", "openmetrics"]


@dataclass(frozen=True, slots=True)
class SeededMetric:
    """A metric, one label set per series, and how its value moves: `slope` a second from `start`."""

    name: str
    kind: Literal["counter", "gauge", "timestamp", "histogram"]
    labels: tuple[Mapping[str, str], ...] = ({},)
    start: float = 10.0
    slope: float = 0.01


def _each(name: str, *values: str) -> tuple[Mapping[str, str], ...]:
    return tuple({name: value} for value in values)


SITE_METRICS = (
    SeededMetric("kelsey_records_read_total", "counter", _each("source", "ehr", "bulk"), slope=1.0),
    SeededMetric("kelsey_cases_total", "counter", _each("outcome", "case", "superseded", "nullification")),
    SeededMetric("kelsey_ignored_total", "counter", _each("reason", "context", "potential")),
    SeededMetric("kelsey_dead_letters_total", "counter", _each("reason", "no-drug", "invalid-json")),
    SeededMetric(
        "kelsey_terms_total",
        "counter",
        tuple({"kind": kind, "state": state} for kind in ("drug", "reaction") for state in ("mapped", "unmapped")),
    ),
    SeededMetric("kelsey_case_seconds", "histogram"),
    SeededMetric("kelsey_consumer_lag_messages", "gauge", ({"topic": "kelsey.raw", "partition": "0"},)),
    SeededMetric("kelsey_live_cases", "gauge"),
    SeededMetric("kelsey_drift_detections_total", "counter"),
    SeededMetric("kelsey_drifting_products", "gauge"),
    SeededMetric("kelsey_pair_rate_rises_total", "counter"),
    SeededMetric("kelsey_pairs_with_changed_rate", "gauge"),
    SeededMetric("kelsey_source_quality_changes_total", "counter", ({"source": "ehr", "indicator": "no-age"},)),
    SeededMetric("kelsey_source_anomaly_score", "gauge", _each("source", "ehr", "bulk"), start=1.0, slope=0),
    SeededMetric("kelsey_triage_auc_ratio", "gauge", start=0.8, slope=0),
    SeededMetric("kelsey_triage_calibration_error_ratio", "gauge", start=0.02, slope=0),
    SeededMetric("kelsey_wallet_exhausted_patients", "gauge"),
    SeededMetric("kelsey_wallet_blocked_operations_total", "counter"),
    SeededMetric("kelsey_wallet_lost_partitions", "gauge", start=0, slope=0),
    SeededMetric("kelsey_budget_epsilon_spent", "gauge", start=1, slope=0),
    SeededMetric("kelsey_budget_epsilon_limit", "gauge", start=3, slope=0),
    SeededMetric("kelsey_epochs_released", "gauge", start=3, slope=0),
    SeededMetric("kelsey_epochs_planned", "gauge", start=52, slope=0),
    SeededMetric("kelsey_releases_total", "counter", _each("state", "reserved", "sealed", "sent")),
    SeededMetric("kelsey_release_last_sent_timestamp_seconds", "timestamp"),
    SeededMetric("kelsey_source_last_success_timestamp_seconds", "timestamp", _each("source", "ehr", "bulk")),
    SeededMetric("kelsey_source_errors_total", "counter", _each("source", "ehr")),
)
HUB_METRICS = (
    SeededMetric(
        "kelsey_hub_releases_total",
        "counter",
        tuple({"site": "a", "result": result} for result in ("accepted", "replayed", "refused")),
    ),
    SeededMetric("kelsey_hub_refusals_total", "counter", _each("reason", "bad-signature")),
    SeededMetric("kelsey_hub_last_release_timestamp_seconds", "timestamp", _each("site", "a", "b")),
    SeededMetric("kelsey_hub_sdrs", "gauge", _each("state", "raised", "validated")),
    SeededMetric("kelsey_hub_flagged_buckets", "gauge"),
    SeededMetric("kelsey_hub_deliveries_total", "counter", _each("result", "delivered", "retried", "failed")),
    SeededMetric("kelsey_hub_delivery_pending", "gauge"),
    SeededMetric("kelsey_hub_evaluation_seconds", "histogram"),
    SeededMetric(
        "kelsey_hub_request_seconds", "histogram", ({"route": "/v1/releases", "method": "POST", "status": "202"},)
    ),
    SeededMetric("kelsey_hub_stream_clients", "gauge"),
    SeededMetric("kelsey_hub_background_errors_total", "counter", _each("task", "evaluation", "delivery"), slope=0),
)


def openmetrics(metrics: tuple[SeededMetric, ...], *, job: str, times: range) -> Iterator[str]:
    """Write the metrics as OpenMetrics lines with one sample for each of `times` (epoch seconds)."""
    for metric in metrics:
        family = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
        kind = "gauge" if metric.kind == "timestamp" else metric.kind
        yield f"# TYPE {family} {kind}"
        for labels in metric.labels:
            for suffix, extra, factor in _samples(metric):
                pairs = {"job": job, "instance": f"{job}:9464", **labels, **extra}
                text = ",".join(f'{key}="{value}"' for key, value in pairs.items())
                for time in times:
                    moved = (metric.start + metric.slope * (time - times.start)) * factor
                    value = time - 60 if metric.kind == "timestamp" else moved
                    yield f"{metric.name}{suffix}{{{text}}} {value} {time}"
    yield "# EOF"


def _samples(metric: SeededMetric) -> list[tuple[str, dict[str, str], float]]:
    if metric.kind != "histogram":
        return [("", {}, 1.0)]
    buckets: list[tuple[str, dict[str, str], float]] = [
        ("_bucket", {"le": bound}, share) for bound, share in (("0.1", 0.5), ("1.0", 0.9), ("+Inf", 1.0))
    ]
    return [*buckets, ("_count", {}, 1.0), ("_sum", {}, 0.2)]
