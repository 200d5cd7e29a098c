"""What Grafana's PostgreSQL data source sends for a query: its macros and variables filled in.

After pkg/tsdb/grafana-postgresql-datasource/macros.go of Grafana 12 and the `sqlstring` format of its variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

__all__ = ["expand"]

_SECONDS = {"d": 86_400, "w": 604_800, "h": 3_600}


def expand(sql: str, *, variables: Mapping[str, str], start: datetime, end: datetime) -> str:
    """Fill in `$__timeFilter`, `$__timeGroup` and `${name:sqlstring}`. Raises `ValueError` if anything is left."""
    low, high = (moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (start, end))
    sql = re.sub(r"\$__timeFilter\(([^)]+)\)", rf"\1 BETWEEN '{low}' AND '{high}'", sql)
    sql = re.sub(r"\$__timeGroup\(([^,)]+),\s*'(\d+)([dwh])'\)", _group, sql)
    sql = re.sub(r"\$\{(\w+):sqlstring\}", lambda match: _quoted(variables[match[1]]), sql)
    if "$" in sql.replace("$$", ""):
        raise ValueError(f"a macro or variable was not filled in: {sql}")
    return sql


def _group(match: re.Match[str]) -> str:
    seconds = int(match[2]) * _SECONDS[match[3]]
    return f"floor(extract(epoch from {match[1]})/{seconds})*{seconds}"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
