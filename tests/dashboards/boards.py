"""The committed dashboards and rules as the tests read them."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.services.paths import ROOT

ROLES = ("site", "hub")
METRIC = re.compile(r"\bkelsey_[a-z0-9_]+\b(?!:)")


def dashboard(role: str) -> dict[str, Any]:
    """Give the committed dashboard of `site` or `hub`."""
    board: dict[str, Any] = json.loads((ROOT / f"dashboards/grafana/{role}.json").read_text(encoding="utf-8"))
    return board


def panels(role: str) -> list[dict[str, Any]]:
    """Give the panels that are not row headings."""
    return [panel for panel in dashboard(role)["panels"] if panel["type"] != "row"]


def queries(role: str, field: str) -> list[tuple[str, str]]:
    """Give (panel title, query) for each target that has `field` (`expr` or `rawSql`)."""
    return [(panel["title"], target[field]) for panel in panels(role) for target in panel["targets"] if field in target]


def rules(role: str) -> list[dict[str, Any]]:
    """Give all rules of `site` or `hub`, recording and alerting."""
    text = (ROOT / f"dashboards/prometheus/{role}-rules.yaml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def alerts(role: str) -> list[dict[str, Any]]:
    """Give the alerting rules."""
    return [rule for rule in rules(role) if "alert" in rule]
