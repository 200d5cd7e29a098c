"""promtool reads the rules and runs their unit tests; every alert has a test in which it fires and one in which not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.dashboards.boards import ROLES, alerts
from tests.services.paths import ROOT
from tests.services.prometheus_tools import PrometheusTools

_FOLDER = ROOT / "dashboards/prometheus"
_TESTS = sorted(path.name for path in _FOLDER.glob("*-test.yaml"))


def _promtool(tools: PrometheusTools, *arguments: str, cwd: Path = _FOLDER) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(tools.promtool), *arguments], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("role", ROLES)
def test_rules_are_valid(prometheus_tools: PrometheusTools, role: str) -> None:
    done = _promtool(prometheus_tools, "check", "rules", "--lint-fatal", f"{role}-rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", _TESTS)
def test_rule_unit_tests_pass(prometheus_tools: PrometheusTools, name: str) -> None:
    done = _promtool(prometheus_tools, "test", "rules", name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_tests_can_fail(prometheus_tools: PrometheusTools, tmp_path: Path) -> None:
    for path in _FOLDER.glob("site-*.yaml"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8").replace("> 5000", "> 50000"))
    done = _promtool(prometheus_tools, "test", "rules", "site-test.yaml", cwd=tmp_path)
    assert done.returncode != 0
    assert "KelseyConsumerLag" in done.stdout + done.stderr


def test_every_alert_is_seen_firing_and_silent() -> None:
    firing: set[str] = set()
    silent: set[str] = set()
    for name in _TESTS:
        for group in yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))["tests"]:
            for case in group["alert_rule_test"]:
                (firing if case.get("exp_alerts") else silent).add(case["alertname"])
    names = {rule["alert"] for role in ROLES for rule in alerts(role)}
    assert firing == names
    assert silent == names
