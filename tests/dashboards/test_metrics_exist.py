"""The seeded metrics are those the site and the hub declare, with the labels they declare."""

from __future__ import annotations

import pytest
from prometheus_client import Counter, Gauge, Histogram

from hub.metrics import HubMetrics
from streams.metrics import SiteMetrics
from tests.dashboards.metric_table import HUB_METRICS, SITE_METRICS, SeededMetric


@pytest.mark.parametrize(
    ("declared", "seeded"), [(SiteMetrics(), SITE_METRICS), (HubMetrics(), HUB_METRICS)], ids=["site", "hub"]
)
def test_seeded_metrics_are_the_declared_ones(declared: object, seeded: tuple[SeededMetric, ...]) -> None:
    found: dict[str, Counter | Gauge | Histogram] = {}
    for metric in vars(declared).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.describe()
            found[f"{family.name}_total" if isinstance(metric, Counter) else family.name] = metric
    assert {metric.name for metric in seeded} == set(found)
    kinds = {"counter": Counter, "gauge": Gauge, "timestamp": Gauge, "histogram": Histogram}
    for metric in seeded:
        assert isinstance(found[metric.name], kinds[metric.kind]), metric.name
        for labels in metric.labels:
            if labels:
                found[metric.name].labels(**labels)  # raises ValueError for other label names
            else:
                assert next(iter(found[metric.name].collect())).samples, metric.name
