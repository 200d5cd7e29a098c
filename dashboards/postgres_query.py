"""A query of Grafana's PostgreSQL data source, which the builder library has no class for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

__all__ = ["PostgresQuery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresQuery(Dataquery, Builder[Dataquery]):
    """One SQL statement and the shape of its answer.

    Parameters
    ----------
    sql
        The statement; may hold Grafana's macros (`$__timeFilter(column)`) and variables (`${drug}`). Writing
        `${drug:sqlstring}` quotes a value, so that an apostrophe in a name cannot end the literal.
    datasource
        Reference to the data source it is sent to.
    shape
        `table`, or `time_series` for an answer whose first column is the time, in ascending order.
    ref_id
        Name of the query inside its panel, usually a letter.
    """

    sql: str
    datasource: DataSourceRef
    shape: Literal["table", "time_series"]
    ref_id: str = "A"

    def build(self) -> Self:
        """Give itself: the query needs no second step."""
        return self

    def to_json(self) -> dict[str, object]:
        """Give the fields Grafana stores for a query written as code."""
        return {
            "refId": self.ref_id,
            "datasource": self.datasource.to_json(),
            "rawQuery": True,
            "editorMode": "code",
            "format": self.shape,
            "rawSql": self.sql,
        }
