"""The panels of the hub dashboard that say whether the hub itself works: deliveries, answers, background work."""

from __future__ import annotations

from dashboards import hub_sql
from dashboards.panels import AnyPanel, prom, series, sql_series, sql_table

__all__ = ["delivery_panels", "service_panels"]

_AMBER, _RED = "orange", "red"


def delivery_panels() -> list[AnyPanel]:
    """Alerts on their way to subscribers."""
    return [
        sql_series(
            "Delivery attempts by status",
            "Webhook attempts a day, by what became of them.",
            "short",
            hub_sql.DELIVERIES,
            bars=True,
        ),
        sql_table(
            "Deliveries that did not succeed",
            "The latest attempts that did not end as delivered, with the subscriber's answer.",
            "none",
            hub_sql.FAILED_DELIVERIES,
            width=12,
            height=8,
            styles={"at": {"unit": "dateTimeAsIso"}},
        ),
        series(
            "Deliveries",
            "Deliveries an hour that succeeded, were put back for another try, or were given up.",
            "short",
            prom("sum by (result) (increase(kelsey_hub_deliveries_total[1h]))", "{{result}}"),
        ),
        series(
            "Waiting deliveries",
            "Alerts still to be delivered.",
            "short",
            prom("sum(kelsey_hub_delivery_pending)", "pending"),
            steps=[(None, "transparent"), (50, _AMBER), (500, _RED)],
        ),
        series(
            "Listeners on the event stream",
            "Clients connected to the server-sent events.",
            "short",
            prom("sum(kelsey_hub_stream_clients)", "clients"),
        ),
    ]


def service_panels() -> list[AnyPanel]:
    """The API and the work behind it."""
    seconds = "kelsey_hub_request_seconds"
    return [
        series(
            "Answer time",
            "Time in which 95 % of the requests to each route were answered.",
            "s",
            prom(
                f"histogram_quantile(0.95, sum by (le, route) (rate({seconds}_bucket[$__rate_interval])))", "{{route}}"
            ),
        ),
        series(
            "Requests by status",
            "Requests a second, by HTTP status.",
            "reqps",
            prom(f"sum by (status) (rate({seconds}_count[$__rate_interval]))", "{{status}}"),
            stacked=True,
        ),
        series(
            "Evaluation of an epoch",
            "Time to score all pairs of an epoch: mean and 95 %.",
            "s",
            prom(
                "sum(rate(kelsey_hub_evaluation_seconds_sum[6h])) / sum(rate(kelsey_hub_evaluation_seconds_count[6h]))",
                "mean",
            ),
            prom("histogram_quantile(0.95, sum by (le) (rate(kelsey_hub_evaluation_seconds_bucket[6h])))", "95 %"),
            steps=[(None, "transparent"), (60, _RED)],
        ),
        series(
            "Failures of background work",
            "Evaluations and deliveries that ended in an error of the hub's own, an hour. Each is tried again.",
            "short",
            prom("sum by (task) (increase(kelsey_hub_background_errors_total[1h]))", "{{task}}"),
            width=24,
        ),
    ]
