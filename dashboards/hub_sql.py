"""The statements behind the hub dashboard, on the tables the hub promises to keep (see docs/hub.md).

PostgreSQL dialect with Grafana's macros. A time column comes first, named "time", in ascending order.
"""

from __future__ import annotations

__all__ = [
    "DELIVERIES",
    "DRUGS",
    "FAILED_DELIVERIES",
    "FLAGGED_BUCKETS",
    "PAIR_IC",
    "PAIR_PRR",
    "PAIR_REPORTS",
    "PAIR_ROR",
    "REACTIONS_OF_DRUG",
    "REFUSALS",
    "RELEASES_BY_SITE",
    "SDRS_RAISED",
    "SDR_TABLE",
    "SITES",
    "TRANSITIONS",
]

_THE_PAIR = "drug = ${drug:sqlstring} AND reaction = ${reaction:sqlstring} AND $__timeFilter(epoch_end)"
_EPOCH_TIME = "epoch_end::timestamp AT TIME ZONE 'UTC' AS \"time\""

DRUGS = "SELECT DISTINCT drug FROM pair_statistic ORDER BY drug"
REACTIONS_OF_DRUG = "SELECT DISTINCT reaction FROM pair_statistic WHERE drug = ${drug:sqlstring} ORDER BY reaction"

SDR_TABLE = """\
SELECT drug, reaction, state, rule, first_date AS "first seen",
       n AS "reports", n_sd AS "noise sd",
       detectable_excess AS "excess to be seen", eb05 AS "EB05", q_value AS "q value",
       ic AS "IC", ic_lower AS "IC low", ic_upper AS "IC high",
       prr AS "PRR", prr_lower AS "PRR low", prr_upper AS "PRR high",
       ror AS "ROR", ror_lower AS "ROR low", ror_upper AS "ROR high"
FROM sdr
WHERE $__timeFilter(first_date)
ORDER BY first_date DESC, ic_lower DESC NULLS LAST, drug, reaction
LIMIT 500"""

FLAGGED_BUCKETS = """\
SELECT era, bucket, n AS "reports", n_sd AS "noise sd", expected, q_value AS "q value", pair_count AS "pairs",
       candidates::json->0->>'drug' AS "first drug", candidates::json->0->>'reaction' AS "first reaction"
FROM flagged_bucket
ORDER BY epoch DESC, q_value, bucket
LIMIT 100"""

SDRS_RAISED = """\
SELECT first_date::timestamp AT TIME ZONE 'UTC' AS "time", rule AS metric, count(*) AS "raised"
FROM sdr
WHERE $__timeFilter(first_date)
GROUP BY 1, 2
ORDER BY 1, 2"""

TRANSITIONS = """\
SELECT t.at, s.drug, s.reaction, t.from_state AS "from", t.to_state AS "to", t.actor, t.reason
FROM sdr_transition t JOIN sdr s ON s.id = t.sdr_id
WHERE $__timeFilter(t.at)
ORDER BY t.at DESC
LIMIT 100"""


def _measure_of_pair(measure: str) -> str:
    return f"""\
SELECT {_EPOCH_TIME}, {measure} AS "{measure.upper()}", {measure}_lower AS "low", {measure}_upper AS "high"
FROM pair_statistic
WHERE {_THE_PAIR}
ORDER BY 1"""  # noqa: S608 (the parts are constants of this file)


PAIR_REPORTS = f"""\
SELECT {_EPOCH_TIME}, n AS "reports", expected, expected + detectable_excess AS "seen from",
       n - 1.96 * n_sd AS "low", n + 1.96 * n_sd AS "high"
FROM pair_statistic
WHERE {_THE_PAIR}
ORDER BY 1"""  # noqa: S608 (the parts are constants of this file)
PAIR_IC = _measure_of_pair("ic")
PAIR_PRR = _measure_of_pair("prr")
PAIR_ROR = _measure_of_pair("ror")

RELEASES_BY_SITE = """\
SELECT $__timeGroup(received_at, '1w') AS "time", site AS metric, count(*) AS "releases"
FROM release
WHERE $__timeFilter(received_at)
GROUP BY 1, 2
ORDER BY 1, 2"""

SITES = """\
SELECT DISTINCT ON (site) site, era, epoch, epoch_end AS "epoch end", sequence, received_at AS "last received",
       size_bytes AS "size"
FROM release
ORDER BY site, received_at DESC"""

REFUSALS = """\
SELECT received_at AS "received", site, reason
FROM refusal
WHERE $__timeFilter(received_at)
ORDER BY received_at DESC
LIMIT 100"""

DELIVERIES = """\
SELECT $__timeGroup(at, '1d') AS "time", status AS metric, count(*) AS "attempts"
FROM delivery
WHERE $__timeFilter(at)
GROUP BY 1, 2
ORDER BY 1, 2"""

FAILED_DELIVERIES = """\
SELECT at, subscription_id AS "subscription", event_id AS "event", attempt, status, http_status AS "answer"
FROM delivery
WHERE status <> 'delivered' AND $__timeFilter(at)
ORDER BY at DESC
LIMIT 100"""
