"""Rendered charts as the tests read them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

from tests.services.paths import ROOT

__all__ = [
    "CHARTS",
    "CI",
    "WATCHED",
    "Manifest",
    "chart_path",
    "containers",
    "objects",
    "objects_with",
    "pod_specs",
    "render",
    "values_of",
]

Manifest = dict[str, Any]
CHARTS = ("site", "hub", "aggregator")
WATCHED = ("site", "hub")
"""Charts with a dashboard and alerts of their own."""
CI = [(chart, path.name) for chart in CHARTS for path in sorted((ROOT / "helm" / chart / "ci").glob("*.yaml"))]


def chart_path(chart: str) -> Path:
    """Folder of a chart."""
    return ROOT / "helm" / chart


def values_of(chart: str, name: str) -> dict[str, Any]:
    """Give the values in a file of the chart's `ci` folder."""
    values: dict[str, Any] = yaml.safe_load((chart_path(chart) / "ci" / name).read_text(encoding="utf-8"))
    return values


def render(chart: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Text by template path, as `helm template kelsey-<chart>` in namespace `pv` makes it. Raises `HelmError`."""
    with helm.Chart.load(chart_path(chart)) as loaded:
        return loaded.render(dict(values), name=f"kelsey-{chart}", namespace="pv")


@cache
def objects(chart: str, name: str) -> tuple[Manifest, ...]:
    """Give every object of the chart with the values file `name`."""
    return objects_with(chart, values_of(chart, name))


def objects_with(chart: str, values: Mapping[str, Any]) -> tuple[Manifest, ...]:
    """Give every object of the chart with `values`."""
    texts = {path: text for path, text in render(chart, values).items() if path.endswith(".yaml")}
    return tuple(found for text in texts.values() for found in yaml.safe_load_all(text) if found)


def pod_specs(manifests: tuple[Manifest, ...]) -> list[tuple[str, dict[str, str], Manifest]]:
    """Give (name, pod labels, pod spec) of everything that runs a pod."""
    found = []
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            found.append((manifest["metadata"]["name"], manifest["metadata"]["labels"], manifest["spec"]))
        elif "template" in manifest.get("spec", {}):
            template = manifest["spec"]["template"]
            found.append((manifest["metadata"]["name"], template["metadata"]["labels"], template["spec"]))
    return found


def containers(spec: Manifest) -> list[Manifest]:
    """Give all containers of a pod, those that run before it included."""
    return [*spec.get("initContainers", []), *spec["containers"]]
