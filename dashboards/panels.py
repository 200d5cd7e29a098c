"""The kinds of panel our dashboards are made of, all with title, description, unit and data source.

A panel reads one data source, named by a template variable, so that the same file works in any Grafana.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row, ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    GraphDrawStyle,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.postgres_query import PostgresQuery

__all__ = [
    "POSTGRES",
    "PROMETHEUS",
    "AnyPanel",
    "Query",
    "assemble",
    "postgres_variable",
    "prom",
    "prometheus_variable",
    "series",
    "sql_series",
    "sql_table",
    "value",
]

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus}")
POSTGRES = DataSourceRef(type_val="grafana-postgresql-datasource", uid="${postgres}")

AnyPanel: TypeAlias = timeseries.Panel | stat.Panel | table.Panel
Query: TypeAlias = prometheus.Dataquery | PostgresQuery
_Steps: TypeAlias = Sequence[tuple[float | None, str]]

_PLAIN: _Steps = [(None, "text")]


def prom(expr: str, legend: str, *, instant: bool = False) -> prometheus.Dataquery:
    """Ask Prometheus; `legend` may name labels as `{{label}}`."""
    query = (
        prometheus.Dataquery()
        .datasource(PROMETHEUS.to_json())
        .expr(expr)
        .legend_format(legend)
        .format(PromQueryFormat.TIME_SERIES)
    )
    return query.instant() if instant else query.range()


def series(
    title: str,
    description: str,
    unit: str,
    *queries: prometheus.Dataquery,
    width: int = 8,
    steps: _Steps = (),
    stacked: bool = False,
    low: float | None = 0.0,
    high: float | None = None,
) -> timeseries.Panel:
    """Lines over time from Prometheus; `steps` draws thresholds as dashed lines."""
    panel = _lines(title, description, unit, width, steps).datasource(PROMETHEUS).targets(_lettered(queries))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A")).fill_opacity(25)
    if low is not None:
        panel = panel.min(low)
    return panel if high is None else panel.max(high)


def value(
    title: str,
    description: str,
    unit: str,
    query: prometheus.Dataquery,
    *,
    width: int = 4,
    steps: _Steps = _PLAIN,
    no_value: str = "none yet",
    decimals: int | None = None,
) -> stat.Panel:
    """Show the last value, coloured by `steps` (lower bound, colour)."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(PROMETHEUS)
        .targets([query.ref_id("A")])
        .height(4)
        .span(width)
        .color_mode(BigValueColorMode.VALUE if len(steps) > 1 else BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .thresholds(_thresholds(steps))
        .no_value(no_value)
    )
    return panel if decimals is None else panel.decimals(decimals)


def sql_series(
    title: str,
    description: str,
    unit: str,
    sql: str,
    *,
    width: int = 12,
    steps: _Steps = (),
    bars: bool = False,
    styles: Mapping[str, Mapping[str, Any]] | None = None,
) -> timeseries.Panel:
    """Lines (or stacked bars) over time from PostgreSQL; `styles` sets field options by column name."""
    panel = _lines(title, description, unit, width, steps).datasource(POSTGRES)
    panel = panel.targets([PostgresQuery(sql=sql, datasource=POSTGRES, shape="time_series")])
    if bars:
        panel = panel.draw_style(GraphDrawStyle.BARS).fill_opacity(60)
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    for column, options in (styles or {}).items():
        panel = panel.override_by_name(column, [DynamicConfigValue(id_val=k, value=v) for k, v in options.items()])
    return panel


def sql_table(
    title: str,
    description: str,
    unit: str,
    sql: str,
    *,
    width: int = 24,
    height: int = 10,
    styles: Mapping[str, Mapping[str, Any]] | None = None,
    steps: _Steps = _PLAIN,
) -> table.Panel:
    """Rows from PostgreSQL; `unit` is that of the numbers, `styles` sets field options by column name."""
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(POSTGRES)
        .targets([PostgresQuery(sql=sql, datasource=POSTGRES, shape="table")])
        .height(height)
        .span(width)
        .thresholds(_thresholds(steps))
        .no_value("none yet")
        .show_header(True)
    )
    for column, options in (styles or {}).items():
        panel = panel.override_by_name(column, [DynamicConfigValue(id_val=k, value=v) for k, v in options.items()])
    return panel


def prometheus_variable() -> DatasourceVariable:
    """Let the reader choose the Prometheus data source."""
    return DatasourceVariable("prometheus").label("Prometheus").type("prometheus")


def postgres_variable() -> DatasourceVariable:
    """Let the reader choose the PostgreSQL data source."""
    return DatasourceVariable("postgres").label("PostgreSQL").type("grafana-postgresql-datasource")


def assemble(board: Dashboard, rows: Mapping[str, Sequence[AnyPanel]]) -> Dashboard:
    """Place titled rows of panels below each other, numbered from 1 in reading order."""
    number = 0
    for title, panels in rows.items():
        number += 1
        board = board.with_row(Row(title).id(number))
        for panel in panels:
            number += 1
            board = board.with_panel(panel.id(number))
    return board.tooltip(DashboardCursorSync.CROSSHAIR).timezone("browser").editable().tags(["kelsey"])


def _lines(title: str, description: str, unit: str, width: int, steps: _Steps) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .height(8)
        .span(width)
        .line_width(2)
        .fill_opacity(5)
        .span_nulls(True)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if steps:
        style = common.GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED)
        panel = panel.thresholds(_thresholds(steps)).thresholds_style(style)
    return panel


def _lettered(queries: Sequence[prometheus.Dataquery]) -> list[Any]:
    return [query.ref_id(chr(ord("A") + index)) for index, query in enumerate(queries)]


def _thresholds(steps: _Steps) -> ThresholdsConfig:
    marks = [Threshold(value=bound, color=colour) for bound, colour in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(marks)
