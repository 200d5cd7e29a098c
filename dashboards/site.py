"""The dashboard of one hospital site: is the record flow alive, is the data good, is the privacy budget in order.

It reads the site's own Prometheus and never leaves the site.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from dashboards.panels import PROMETHEUS, AnyPanel, assemble, prom, prometheus_variable, series, value
from dashboards.site_models import model_panels

__all__ = ["site_dashboard"]

_JOB = '{job=~"$job"}'
_GREEN, _AMBER, _RED = "green", "orange", "red"


def site_dashboard() -> Dashboard:
    """Build the site dashboard."""
    board = (
        Dashboard("Kelsey: site")
        .uid("kelsey-site")
        .description("Record flow, data quality, online models and privacy budget of a hospital site.")
        .time("now-24h", "now")
        .refresh("1m")
        .with_variable(prometheus_variable())
        .with_variable(_job_variable())
    )
    return assemble(
        board,
        {
            "At a glance": _glance(),
            "Record flow": _flow(),
            "Data quality": _quality(),
            "Online models": model_panels(),
            "Privacy": _privacy(),
        },
    )


def _job_variable() -> QueryVariable:
    """Choose the scrape job: one job holds all processes of one site."""
    return (
        QueryVariable("job")
        .label("Site job")
        .datasource(PROMETHEUS)
        .query({"query": "label_values(kelsey_live_cases, job)", "refId": "job"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _glance() -> list[AnyPanel]:
    return [
        value(
            "Live cases",
            "Cases counted at present, in their latest version; nullified ones are taken off.",
            "short",
            prom(f"sum(kelsey_live_cases{_JOB})", "cases"),
        ),
        value(
            "Waiting messages",
            "Messages in Kafka that a worker has not yet taken up.",
            "short",
            prom(f"sum(kelsey_consumer_lag_messages{_JOB})", "messages"),
            steps=[(None, _GREEN), (5_000, _AMBER), (50_000, _RED)],
        ),
        value(
            "Dead letters, 1 h",
            "Share of the last hour's records that could not become a case. They are kept at the site.",
            "percentunit",
            prom(
                f"sum(increase(kelsey_dead_letters_total{_JOB}[1h]))"
                f' / sum(increase(kelsey_cases_total{{outcome!="nullification",job=~"$job"}}[1h])'
                f" or increase(kelsey_ignored_total{_JOB}[1h]) or increase(kelsey_dead_letters_total{_JOB}[1h]))",
                "share",
            ),
            steps=[(None, _GREEN), (0.02, _AMBER), (0.05, _RED)],
            decimals=2,
        ),
        value(
            "Unmapped terms, 24 h",
            "Share of drug and reaction names that the vocabulary does not know; they are counted under no pair.",
            "percentunit",
            prom(
                f'sum(increase(kelsey_terms_total{{state="unmapped",job=~"$job"}}[24h]))'
                f" / clamp_min(sum(increase(kelsey_terms_total{_JOB}[24h])), 1)",
                "share",
            ),
            steps=[(None, _GREEN), (0.1, _AMBER), (0.3, _RED)],
            decimals=1,
        ),
        value(
            "Releases the budget still pays for",
            "Epochs of the era that are not released yet. The first release of an era pays epsilon for all of them.",
            "short",
            prom(f"max(kelsey_epochs_planned{_JOB}) - max(kelsey_epochs_released{_JOB})", "releases"),
            steps=[(None, _RED), (1, _AMBER), (3, _GREEN)],
        ),
        value(
            "Last release",
            "Time since the gate last had a release accepted by the hub.",
            "s",
            prom(f"time() - max(kelsey_release_last_sent_timestamp_seconds{_JOB} > 0)", "age"),
            steps=[(None, _GREEN), (8 * 86_400, _AMBER), (9 * 86_400, _RED)],
        ),
    ]


def _flow() -> list[AnyPanel]:
    return [
        series(
            "Records read",
            "Records taken from each source and made durable, a second.",
            "cps",
            prom(f"sum by (source) (rate(kelsey_records_read_total{_JOB}[$__rate_interval]))", "{{source}}"),
        ),
        series(
            "Case versions taken in",
            "New cases, versions that were not newer than what was known (superseded) and nullifications, a second.",
            "cps",
            prom(f"sum by (outcome) (rate(kelsey_cases_total{_JOB}[$__rate_interval]))", "{{outcome}}"),
        ),
        series(
            "From received to counted",
            "Time from the arrival of a record at the connector to its case being counted.",
            "s",
            *[
                prom(
                    f"histogram_quantile({q}, sum by (le) (rate(kelsey_case_seconds_bucket{_JOB}[$__rate_interval])))",
                    name,
                )
                for q, name in ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))
            ],
        ),
        series(
            "Consumer lag",
            "Messages between the end of each topic and what the workers have committed.",
            "short",
            prom(f"sum by (topic) (kelsey_consumer_lag_messages{_JOB})", "{{topic}}"),
            steps=[(None, "transparent"), (5_000, _AMBER), (50_000, _RED)],
        ),
        series(
            "Since the last good poll",
            "Time since each source last answered as it should, also when it had nothing new.",
            "s",
            prom(f"time() - max by (source) (kelsey_source_last_success_timestamp_seconds{_JOB} > 0)", "{{source}}"),
            steps=[(None, "transparent"), (3_600, _RED)],
        ),
        series(
            "Source errors",
            "Polls of each source that failed, an hour. They are retried.",
            "short",
            prom(f"sum by (source) (increase(kelsey_source_errors_total{_JOB}[1h]))", "{{source}}"),
        ),
    ]


def _quality() -> list[AnyPanel]:
    return [
        series(
            "Dead letters by reason",
            "Records that should have become a case and could not, an hour. docs/streams.md says "
            "what each reason means.",
            "short",
            prom(f"sum by (reason) (increase(kelsey_dead_letters_total{_JOB}[1h]))", "{{reason}}"),
            stacked=True,
        ),
        series(
            "Ignored by reason",
            "Records that rightly become no case of their own, an hour: near misses, context resources, "
            "nullifications.",
            "short",
            prom(f"sum by (reason) (increase(kelsey_ignored_total{_JOB}[1h]))", "{{reason}}"),
            stacked=True,
        ),
        series(
            "Unmapped share",
            "Share of names the vocabulary does not know, by kind, over six hours.",
            "percentunit",
            prom(
                f'sum by (kind) (increase(kelsey_terms_total{{state="unmapped",job=~"$job"}}[6h]))'
                f" / clamp_min(sum by (kind) (increase(kelsey_terms_total{_JOB}[6h])), 1)",
                "{{kind}}",
            ),
            steps=[(None, "transparent"), (0.3, _RED)],
            high=1.0,
        ),
    ]


def _privacy() -> list[AnyPanel]:
    return [
        series(
            "Epsilon charged",
            "Epsilon the ledger has charged in this era, and what the protocol grants. The whole era is charged with "
            "its first release; the gate never goes beyond the grant.",
            "short",
            prom(f"max by (job) (kelsey_budget_epsilon_spent{_JOB})", "charged"),
            prom(f"max by (job) (kelsey_budget_epsilon_limit{_JOB})", "granted"),
        ),
        series(
            "Epochs released",
            "Epochs released in this era and epochs the era has. When they meet, a new protocol must be agreed.",
            "short",
            prom(f"max by (job) (kelsey_epochs_released{_JOB})", "released"),
            prom(f"max by (job) (kelsey_epochs_planned{_JOB})", "planned"),
        ),
        series(
            "Release steps",
            "Releases charged (reserved), finished and stored (sealed), and accepted by the hub (sent), a day.",
            "short",
            prom(f"sum by (state) (increase(kelsey_releases_total{_JOB}[24h]))", "{{state}}"),
        ),
        series(
            "Patients at their contribution bound",
            "Patients whose further reports no longer change a release, as the privacy claim demands.",
            "short",
            prom(f"sum(kelsey_wallet_exhausted_patients{_JOB})", "patients"),
            width=12,
        ),
        series(
            "Blocked contributions",
            "Pair contributions kept back at the bound, a day. Local counts still hold them.",
            "short",
            prom(f"sum(increase(kelsey_wallet_blocked_operations_total{_JOB}[24h]))", "blocked"),
            width=8,
        ),
        value(
            "Lost wallets",
            "Partitions whose wallet was lost; they no longer contribute in this era.",
            "short",
            prom(f"sum(kelsey_wallet_lost_partitions{_JOB})", "partitions"),
            steps=[(None, _GREEN), (1, _RED)],
        ),
    ]
