"""The alerts of a site. They read the site's own Prometheus; one scrape job holds all processes of one site."""

from __future__ import annotations

from dashboards.alert_rule import AlertRule

__all__ = ["RELEASE_DEADLINE_SECONDS", "SITE_ALERTS"]

RELEASE_DEADLINE_SECONDS = 9 * 86_400
"""A weekly epoch, the grace for late parts, and a weekend. The charts let an operator set another."""

SITE_ALERTS = (
    AlertRule(
        name="KelseySiteDown",
        expr="absent(kelsey_consumer_lag_messages)",
        hold="10m",
        severity="critical",
        summary="No Kelsey worker has partitions",
        description="""Nothing counts cases at this site: no worker runs, Kafka gave none of them partitions, or
            Prometheus no longer finds them. Records wait in Kafka until its retention ends.""",
    ),
    AlertRule(
        name="KelseyConsumerLag",
        expr="sum by (job, topic) (kelsey_consumer_lag_messages) > 5000",
        hold="15m",
        severity="warning",
        summary="{{ $value | humanize }} messages wait in {{ $labels.topic }}",
        description="""The workers are behind the topic for a quarter of an hour. Raw messages are kept for a short time
            only: see that the lag falls before the retention of the topic ends.""",
    ),
    AlertRule(
        name="KelseyDeadLetterShare",
        expr="""sum by (job) (increase(kelsey_dead_letters_total[1h]))
            / sum by (job) (increase(kelsey_cases_total{outcome!="nullification"}[1h])
            or increase(kelsey_ignored_total[1h]) or increase(kelsey_dead_letters_total[1h])) > 0.05
            and sum by (job) (increase(kelsey_dead_letters_total[1h])) >= 20""",
        hold="15m",
        severity="warning",
        summary="{{ $value | humanizePercentage }} of the records of the last hour became dead letters",
        description="""More than one record in twenty could not become a case. The panel `Dead letters by reason` says
            why; a single reason that jumps usually means that a source changed its format.""",
    ),
    AlertRule(
        name="KelseySourceSilent",
        expr="time() - max by (job, source) (kelsey_source_last_success_timestamp_seconds > 0) > 3600",
        hold="15m",
        severity="warning",
        summary="Source {{ $labels.source }} has not answered for {{ $value | humanizeDuration }}",
        description="""The connector polls and gets no good answer. No record is lost as long as the source keeps them:
            the connector continues from its cursor.""",
    ),
    AlertRule(
        name="KelseyReleaseOverdue",
        expr="""time() - max by (job) (kelsey_release_last_sent_timestamp_seconds > 0)
            > on () group_left () kelsey_site:release_deadline_seconds
            and on (job) max by (job) (kelsey_epochs_released) < max by (job) (kelsey_epochs_planned)""",
        hold="1h",
        severity="critical",
        summary="No release for {{ $value | humanizeDuration }}",
        description="""The era is not over and the deadline for the next release has passed: the hub does not see this
            site's latest reports. Nothing is lost: the operations wait, and the next release holds them.""",
    ),
    AlertRule(
        name="KelseyReleaseNotDelivered",
        expr="""sum by (job) (kelsey_releases_total{state="sealed"})
            - sum by (job) (kelsey_releases_total{state="sent"}) > 0""",
        hold="1h",
        severity="warning",
        summary="{{ $value }} finished releases wait to be delivered",
        description="""The gate has charged, finished and stored a release and the hub has not accepted it. The gate
            sends the same bytes again until it does.""",
    ),
    AlertRule(
        name="KelseyBudgetNearlySpent",
        expr="""max by (job) (kelsey_epochs_planned) - max by (job) (kelsey_epochs_released) <= 2
            and max by (job) (kelsey_epochs_planned) > 0""",
        hold="1h",
        severity="warning",
        summary="The budget of this era pays for {{ $value }} more releases",
        description="""The era of the protocol ends soon. Without a new accepted protocol the gate stops, as it should,
            and the hub receives nothing more.""",
    ),
    AlertRule(
        name="KelseyWalletLost",
        expr="max by (job, instance) (kelsey_wallet_lost_partitions) > 0",
        hold="1m",
        severity="critical",
        summary="{{ $value }} partitions have lost their wallet",
        description="""The record of what each patient has already contributed is gone for these partitions, so the gate
            refuses their parts for the rest of the era. Counts at the site are complete: they are rebuilt from the
            case log.""",
    ),
    AlertRule(
        name="KelseyDriftBurst",
        expr="sum by (job) (increase(kelsey_drift_detections_total[1h])) > 10",
        hold="5m",
        severity="warning",
        summary="The reporting rate of {{ $value | humanize }} products changed within an hour",
        description="""Many products at once: look for a change in the data feed (a new source, a changed code system,
            a bulk import) before looking for one in medicine.""",
    ),
    AlertRule(
        name="KelseySourceUnusual",
        expr="max by (job, source) (kelsey_source_anomaly_score) > 4",
        hold="1h",
        severity="warning",
        summary='The latest week of {{ $labels.source }} is unlike its past (score {{ $value | printf "%.1f" }})',
        description="""Missing fields, unmapped terms, delay or number of cases of this source lie so far from its past
            as chance brings once in ten thousand weeks. Look at the data feed before the statistics.""",
    ),
    AlertRule(
        name="KelseyTriageAucFell",
        expr="(kelsey_triage_auc_ratio > 0) < avg_over_time(kelsey_triage_auc_ratio[7d:1h] offset 1d) - 0.1",
        hold="6h",
        severity="warning",
        summary='Triage AUC fell to {{ $value | printf "%.2f" }}',
        description="""Seriousness is foreseen worse than in the week before. Triage orders work at the site and decides
            nothing else; a fall often accompanies a change of source.""",
    ),
)
