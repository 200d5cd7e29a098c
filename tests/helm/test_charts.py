"""Lint, render and offline validation of all charts with every values file."""

from __future__ import annotations

import json
import re

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

from tests.helm.charts import CHARTS, CI, WATCHED, chart_path, objects, render, values_of
from tests.services.paths import ROOT

_KUBERNETES = ("1.29", "1.34")
_OPERATOR = "monitoring.coreos.com/"


@pytest.mark.parametrize(("chart", "name"), CI)
def test_lint_finds_nothing(chart: str, name: str) -> None:
    report = helm.lint(chart_path(chart), values_of(chart, name), strict=True)
    assert report["messages"] == []
    assert report["total_charts_linted"] == 1


@pytest.mark.parametrize("version", _KUBERNETES)
@pytest.mark.parametrize(("chart", "name"), CI)
def test_every_manifest_is_valid(chart: str, name: str, version: str) -> None:
    checked = 0
    for manifest in objects(chart, name):
        if not manifest["apiVersion"].startswith(_OPERATOR):
            kubernetes_validate.validate(manifest, version, strict=True)
            checked += 1
    assert checked >= 5


def test_the_validation_can_fail() -> None:
    manifest = next(m for m in objects("site", "minimal-values.yaml") if m["kind"] == "Deployment")
    wrong = {**manifest, "spec": {**manifest["spec"], "replcas": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, _KUBERNETES[-1], strict=True)


@pytest.mark.parametrize(("chart", "name"), CI)
def test_names_are_unique_and_labelled(chart: str, name: str) -> None:
    seen = set()
    for manifest in objects(chart, name):
        key = manifest["kind"], manifest["metadata"]["name"]
        assert key not in seen
        seen.add(key)
        labels = manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] and labels["helm.sh/chart"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm"


@pytest.mark.parametrize(("chart", "name"), CI)
def test_rendering_is_deterministic(chart: str, name: str) -> None:
    assert render(chart, values_of(chart, name)) == render(chart, values_of(chart, name))


@pytest.mark.parametrize("chart", CHARTS)
def test_schema_describes_every_value_and_no_other(chart: str) -> None:
    schema = json.loads((chart_path(chart) / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((chart_path(chart) / "values.yaml").read_text(encoding="utf-8"))

    def compare(node: dict[str, object], value: object, path: str) -> None:
        assert node.get("description"), f"{path} is not described"
        properties = node.get("properties")
        if isinstance(properties, dict) and isinstance(value, dict):
            assert node.get("additionalProperties") is False, path
            assert set(properties) == set(value), path
            for key in value:
                compare(properties[key], value[key], f"{path}.{key}")

    compare(schema, values, chart)


@pytest.mark.parametrize("chart", CHARTS)
def test_versions_are_those_of_the_package(chart: str) -> None:
    meta = yaml.safe_load((chart_path(chart) / "Chart.yaml").read_text(encoding="utf-8"))
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    assert meta["appVersion"] == version[1]
    assert meta["kubeVersion"] and meta["icon"].startswith("data:image/svg+xml;base64,")


@pytest.mark.parametrize(
    ("charts", "name"),
    [
        (CHARTS, "_helpers.tpl"),
        (CHARTS, "serviceaccount.yaml"),
        (WATCHED, "prometheusrule.yaml"),
        (WATCHED, "dashboard.yaml"),
    ],
)
def test_charts_share_their_helpers(charts: tuple[str, ...], name: str) -> None:
    assert len({(chart_path(chart) / "templates" / name).read_text(encoding="utf-8") for chart in charts}) == 1


@pytest.mark.parametrize("chart", WATCHED)
def test_charts_hold_the_committed_dashboards_and_rules(chart: str) -> None:
    manifests = objects(chart, "full-values.yaml")
    board = next(m for m in manifests if m["kind"] == "ConfigMap" and m["metadata"]["name"].endswith("-dashboard"))
    committed = json.loads((ROOT / f"dashboards/grafana/{chart}.json").read_text(encoding="utf-8"))
    assert [json.loads(text) for text in board["data"].values()] == [committed]
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    rule = next(m for m in manifests if m["kind"] == "PrometheusRule")
    expected = yaml.safe_load((ROOT / f"dashboards/prometheus/{chart}-rules.yaml").read_text(encoding="utf-8"))
    values = values_of(chart, "full-values.yaml")["prometheusRule"]
    text = json.dumps(expected).replace("docs/runbooks.md", values["runbooksUrl"])
    deadline = values.get("releaseDeadlineSeconds", 777600)
    assert rule["spec"] == json.loads(text.replace("vector(777600)", f"vector({deadline})"))
    assert "777600" in json.dumps(expected)  # else the deadline of the values would silently do nothing


@pytest.mark.parametrize("chart", CHARTS)
def test_operator_objects_appear_only_where_their_kinds_exist(chart: str) -> None:
    values = {**values_of(chart, "full-values.yaml"), "assumeCrds": False}
    text = "\n".join(text for path, text in render(chart, values).items() if path.endswith(".yaml"))
    assert _OPERATOR not in text
