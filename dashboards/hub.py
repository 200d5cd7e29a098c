"""The dashboard of the hub: which pairs stand out, how sure that is through the noise, and whether the hub works.

Drug and reaction names come from the hub's PostgreSQL tables only; Prometheus labels never hold them.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable
from grafana_foundation_sdk.models.dashboard import VariableRefresh, VariableSort

from dashboards import hub_sql
from dashboards.hub_service import delivery_panels, service_panels
from dashboards.panels import (
    POSTGRES,
    AnyPanel,
    assemble,
    postgres_variable,
    prom,
    prometheus_variable,
    series,
    sql_series,
    sql_table,
    value,
)

__all__ = ["hub_dashboard"]

_GREEN, _AMBER, _RED = "green", "orange", "red"
_BAND = {"custom.lineWidth": 1, "custom.lineStyle": {"fill": "dash", "dash": [6, 6]}, "custom.fillOpacity": 0}
_PAIR_LINK = {
    "title": "Show this pair over time",
    "url": "/d/kelsey-hub?var-drug=${__data.fields.drug:percentencode}"
    "&var-reaction=${__data.fields.reaction:percentencode}&${prometheus:queryparam}&${postgres:queryparam}",
}


def hub_dashboard() -> Dashboard:
    """Build the hub dashboard."""
    board = (
        Dashboard("Kelsey: hub")
        .uid("kelsey-hub")
        .description("Signals of disproportionate reporting seen through the noise, releases by site, delivery health.")
        .time("now-1y", "now")
        .refresh("5m")
        .with_variable(prometheus_variable())
        .with_variable(postgres_variable())
        .with_variable(_term_variable("drug", "Drug", hub_sql.DRUGS))
        .with_variable(_term_variable("reaction", "Reaction", hub_sql.REACTIONS_OF_DRUG))
    )
    return assemble(
        board,
        {
            "At a glance": _glance(),
            "Signals of disproportionate reporting": _sdrs(),
            "The chosen pair: ${drug} and ${reaction}": _pair(),
            "Releases and refusals": _releases(),
            "Deliveries to subscribers": delivery_panels(),
            "Service": service_panels(),
        },
    )


def _term_variable(name: str, label: str, sql: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(POSTGRES)
        .query(sql)
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(VariableSort.DISABLED)
    )


def _glance() -> list[AnyPanel]:
    return [
        value(
            "SDRs",
            "Signals of disproportionate reporting on record, in any state.",
            "short",
            prom("sum(kelsey_hub_sdrs)", "SDRs"),
        ),
        value(
            "Waiting for a person",
            "SDRs raised and not yet validated or closed. Only a person makes a signal of them.",
            "short",
            prom('sum(kelsey_hub_sdrs{state="raised"})', "raised"),
        ),
        value(
            "Groups that stand out",
            "Groups of rare pairs of which the newest look flagged more reports than expected.",
            "short",
            prom("sum(kelsey_hub_flagged_buckets)", "groups"),
        ),
        value(
            "Sites heard from",
            "Sites whose last release is not older than nine days.",
            "short",
            prom("count(time() - kelsey_hub_last_release_timestamp_seconds < 777600) or vector(0)", "sites"),
        ),
        value(
            "Longest silence",
            "Time since the last release of the site that has been silent longest.",
            "s",
            prom("time() - min(kelsey_hub_last_release_timestamp_seconds > 0)", "age"),
            steps=[(None, _GREEN), (8 * 86_400, _AMBER), (9 * 86_400, _RED)],
        ),
        value(
            "Refused, 24 h",
            "Releases refused in the last day: wrong signature, protocol, sequence or size.",
            "short",
            prom("sum(increase(kelsey_hub_refusals_total[24h])) or vector(0)", "refused"),
            steps=[(None, _GREEN), (1, _RED)],
            decimals=0,
        ),
        value(
            "Deliveries pending",
            "Alerts that are still to be delivered to subscribers.",
            "short",
            prom("sum(kelsey_hub_delivery_pending)", "pending"),
            steps=[(None, _GREEN), (50, _AMBER), (500, _RED)],
        ),
    ]


def _sdrs() -> list[AnyPanel]:
    return [
        sql_table(
            "SDRs, latest first",
            "Counts and measures as the hub saw them when the SDR was raised, with 95 % intervals that hold both "
            "chance and privacy noise. `noise sd` is the standard deviation of the noise in `reports`. Click a drug to "
            "see the pair over time.",
            "none",
            hub_sql.SDR_TABLE,
            height=12,
            styles={
                "drug": {"links": [_PAIR_LINK], "custom.width": 200},
                "reaction": {"custom.width": 220},
                "first seen": {"unit": "dateTimeAsIso"},
                **{name: {"decimals": 1} for name in ("reports", "noise sd", "excess to be seen")},
                **{name: {"decimals": 2} for name in ("PRR", "PRR low", "PRR high", "ROR", "ROR low", "ROR high")},
                **{name: {"decimals": 2} for name in ("EB05", "IC", "IC low", "IC high")},
                "q value": {"decimals": 4},
            },
        ),
        sql_table(
            "Groups of rare pairs that stand out",
            "Pairs without a cell of their own are counted in groups. Of a group here more was reported than expected; "
            "which of its pairs it is, nobody can tell. It is no SDR: it names what the next protocol may count by "
            "itself. `first` is the pair of which most is expected.",
            "none",
            hub_sql.FLAGGED_BUCKETS,
            height=8,
            styles={
                **{name: {"decimals": 1} for name in ("reports", "noise sd", "expected")},
                "q value": {"decimals": 4},
            },
        ),
        sql_series(
            "SDRs raised",
            "SDRs by the date of the epoch in which they were first raised, and rule.",
            "short",
            hub_sql.SDRS_RAISED,
            bars=True,
        ),
        sql_table(
            "Latest decisions",
            "Who moved an SDR to which state, and why. The log is append-only.",
            "none",
            hub_sql.TRANSITIONS,
            width=12,
            height=8,
            styles={"at": {"unit": "dateTimeAsIso"}},
        ),
    ]


def _pair() -> list[AnyPanel]:
    return [
        sql_series(
            "Reports of the pair",
            "Reports as the hub sees them, with the range the privacy noise leaves open (1.96 standard deviations "
            "either side) and what the margins alone would suggest. Values below zero are noise.",
            "short",
            hub_sql.PAIR_REPORTS,
            styles={"low": _BAND, "high": _BAND},
        ),
        _measure(
            "Information component",
            "IC with its 95 % interval, noise included. Above zero: more reports than the margins suggest.",
            hub_sql.PAIR_IC,
            bound=0,
        ),
        _measure(
            "Proportional reporting ratio",
            "PRR with its 95 % interval, noise included. Two is the bound of the Evans rule.",
            hub_sql.PAIR_PRR,
            bound=2,
        ),
        _measure(
            "Reporting odds ratio",
            "ROR with its 95 % interval, noise included. One is no association.",
            hub_sql.PAIR_ROR,
            bound=1,
        ),
    ]


def _measure(title: str, description: str, sql: str, *, bound: float) -> AnyPanel:
    """A measure over time between its limits, and the value that means nothing unusual."""
    styles = {"low": _BAND, "high": _BAND}
    return sql_series(title, description, "none", sql, steps=[(None, "transparent"), (bound, _AMBER)], styles=styles)


def _releases() -> list[AnyPanel]:
    return [
        sql_series(
            "Releases by site", "Releases accepted a week, by site.", "short", hub_sql.RELEASES_BY_SITE, bars=True
        ),
        sql_table(
            "Sites",
            "The last release of each site. `size` is that of the signed line as it was received.",
            "none",
            hub_sql.SITES,
            width=12,
            height=8,
            styles={"last received": {"unit": "dateTimeAsIso"}, "size": {"unit": "bytes"}},
        ),
        sql_table(
            "Refusals",
            "Releases the hub refused, latest first. Nothing of a refused release is counted.",
            "none",
            hub_sql.REFUSALS,
            width=12,
            height=8,
            styles={"received": {"unit": "dateTimeAsIso"}},
        ),
        series(
            "Releases by result",
            "Releases a day, accepted, replayed (already known, changes nothing) or refused.",
            "short",
            prom("sum by (result) (increase(kelsey_hub_releases_total[24h]))", "{{result}}"),
            width=12,
        ),
    ]
