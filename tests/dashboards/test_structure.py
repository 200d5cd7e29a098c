"""Each dashboard is complete: ids, grid, titles, descriptions, units, data sources, metric names."""

from __future__ import annotations

import re

import pytest

from tests.dashboards.boards import METRIC, ROLES, alerts, dashboard, panels, queries, rules
from tests.dashboards.metric_table import HUB_METRICS, SITE_METRICS
from tests.services.paths import ROOT

_SERIES_SUFFIX = re.compile(r"_(bucket|count|sum)$")


@pytest.mark.parametrize("role", ROLES)
def test_panel_ids_are_unique(role: str) -> None:
    ids = [panel["id"] for panel in dashboard(role)["panels"]]
    assert len(set(ids)) == len(ids)
    assert min(ids) == 1


@pytest.mark.parametrize("role", ROLES)
def test_no_two_panels_share_a_place_on_the_grid(role: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard(role)["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24, panel["title"]
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]


@pytest.mark.parametrize("role", ROLES)
def test_every_panel_says_what_it_shows(role: str) -> None:
    titles = [panel["title"] for panel in panels(role)]
    assert len(set(titles)) == len(titles)
    for panel in panels(role):
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert isinstance(panel["options"], dict), panel["title"]


@pytest.mark.parametrize("role", ROLES)
def test_every_data_source_is_a_declared_variable_of_its_type(role: str) -> None:
    variables = {v["name"]: v for v in dashboard(role)["templating"]["list"]}
    for panel in panels(role):
        source = panel["datasource"]
        name = source["uid"].removeprefix("${").removesuffix("}")
        assert variables[name]["type"] == "datasource"
        assert variables[name]["query"] == source["type"]
        assert all(target["datasource"] == source for target in panel["targets"])


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_in_a_query_is_declared(role: str) -> None:
    declared = {v["name"] for v in dashboard(role)["templating"]["list"]}
    for _, query in [*queries(role, "expr"), *queries(role, "rawSql")]:
        used = set(re.findall(r"\$\{?(\w+)", query))
        assert {name for name in used if not name.startswith("__")} <= declared


@pytest.mark.parametrize(("role", "known"), [("site", SITE_METRICS), ("hub", HUB_METRICS)])
def test_every_metric_named_exists_and_every_one_is_shown(role: str, known: tuple[object, ...]) -> None:
    names = {getattr(metric, "name") for metric in known}  # noqa: B009 (two tuples of one type)
    shown = _metrics(query for _, query in queries(role, "expr"))
    assert shown == names
    assert _metrics(rule["expr"] for rule in rules(role)) <= names


@pytest.mark.parametrize("role", ROLES)
def test_every_alert_has_a_runbook(role: str) -> None:
    text = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    for rule in alerts(role):
        anchor = rule["annotations"]["runbook_url"].removeprefix("docs/runbooks.md#")
        sections = re.findall(r"^### (\w+)$\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        found = [body for title, body in sections if title.lower() == anchor]
        assert len(found) == 1, rule["alert"]
        assert all(word in found[0] for word in ("**Means**", "**Look at**", "**Do**")), rule["alert"]
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"] and rule["annotations"]["description"] and "for" in rule


def test_every_runbook_has_an_alert() -> None:
    text = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == {r["alert"] for role in ROLES for r in alerts(role)}


def test_runbooks_name_panels_that_exist() -> None:
    text = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    titles = {panel["title"] for role in ROLES for panel in panels(role)}
    quoted = {name for name in re.findall(r"`([A-Z][^`]+ [^`]+)`", text) if not name.startswith("GET ")}
    named = {name for rule in ROLES for r in alerts(rule) for name in re.findall(r"`([^`]+)`", str(r["annotations"]))}
    assert (quoted | named) - titles - {"Last-Event-ID"} == set()


def _metrics(expressions: object) -> set[str]:
    found: set[str] = set()
    for expression in expressions:  # type: ignore[attr-defined]  # an iterable of str
        for name in METRIC.findall(expression):
            found.add(_SERIES_SUFFIX.sub("", name) if name.endswith(("_bucket", "_count", "_sum")) else name)
    return found
