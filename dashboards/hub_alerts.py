"""The alerts of the hub."""

from __future__ import annotations

from dashboards.alert_rule import AlertRule

__all__ = ["HUB_ALERTS"]


def _grew(metric: str, by: str, window: str) -> str:
    """Series that grew within the window, also one that has just appeared.

    `increase` alone misses the first event: a counter whose first sample is already 1 has not increased since.
    """
    return (
        f"(sum by ({by}) (increase({metric}[{window}])) > 0)"
        f" or (sum by ({by}) ({metric}) > 0 unless sum by ({by}) ({metric} offset {window}))"
    )


HUB_ALERTS = (
    AlertRule(
        name="KelseyHubDown",
        expr="absent(kelsey_hub_delivery_pending)",
        hold="10m",
        severity="critical",
        summary="The hub is not being scraped",
        description="""The hub takes no releases, or Prometheus no longer finds it. Sites keep finished releases and
            send them again.""",
    ),
    AlertRule(
        name="KelseyHubSiteSilent",
        expr="""time() - max by (site) (kelsey_hub_last_release_timestamp_seconds > 0)
            > on () group_left () kelsey_hub:release_deadline_seconds""",
        hold="1h",
        severity="warning",
        summary="Nothing from site {{ $labels.site }} for {{ $value | humanizeDuration }}",
        description="""The deadline for the next release of this site has passed. Totals go on without it: intervals
            widen and its pairs stop growing.""",
    ),
    AlertRule(
        name="KelseyHubReleaseRefused",
        expr=_grew("kelsey_hub_refusals_total", "reason", "1h"),
        hold="0m",
        severity="warning",
        summary="The hub refused a release: {{ $labels.reason }}",
        description="""A site, or somebody in its place, sent what the hub does not accept. Nothing of it is counted.
            The panel `Refusals` names the site.""",
    ),
    AlertRule(
        name="KelseyHubDeliveriesFailing",
        expr=_grew('kelsey_hub_deliveries_total{result="failed"}', "result", "1h"),
        hold="0m",
        severity="warning",
        summary="An alert was given up after its last try",
        description="""A subscriber did not take an alert although it was tried for as long as the schedule says. The
            panel `Deliveries that did not succeed` names the subscription and the answer.""",
    ),
    AlertRule(
        name="KelseyHubDeliveriesPending",
        expr="sum(kelsey_hub_delivery_pending) > 100",
        hold="30m",
        severity="warning",
        summary="{{ $value | humanize }} alerts wait to be delivered",
        description="Deliveries pile up: a subscriber is slow or away, or the hub cannot reach the outside.",
    ),
    AlertRule(
        name="KelseyHubEvaluationSlow",
        expr="histogram_quantile(0.95, sum by (le) (rate(kelsey_hub_evaluation_seconds_bucket[6h]))) > 60",
        hold="5m",
        severity="warning",
        summary="Scoring an epoch takes {{ $value | humanizeDuration }}",
        description="""Evaluation reads all cells of the protocol. It is late, not wrong: SDRs are raised
            when it ends.""",
    ),
    AlertRule(
        name="KelseyHubBackgroundFailing",
        expr="sum by (task) (increase(kelsey_hub_background_errors_total[30m])) >= 3",
        hold="10m",
        severity="warning",
        summary="The hub's {{ $labels.task }} keeps failing",
        description="""It is tried again and fails again: SDRs or alerts are late until the cause is mended.""",
    ),
    AlertRule(
        name="KelseyHubErrors",
        expr="""sum(rate(kelsey_hub_request_seconds_count{status=~"5.."}[15m]))
            / sum(rate(kelsey_hub_request_seconds_count[15m])) > 0.05""",
        hold="15m",
        severity="critical",
        summary="{{ $value | humanizePercentage }} of the requests end in an error of the hub",
        description="Sites and subscribers are turned away. The usual cause is the database.",
    ),
)
