"""Every PromQL query of the dashboards gives rows on a real Prometheus that holds every metric."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards.boards import ROLES, queries, rules
from tests.dashboards.metric_table import HUB_METRICS, SITE_METRICS, openmetrics
from tests.services.prometheus_tools import PrometheusTools
from tests.services.server_process import ServerProcess, free_port

_STEP_SECONDS = 60
_HISTORY_SECONDS = 30 * 3_600


class SeededPrometheus:
    """A Prometheus on 127.0.0.1 that holds a day of every metric; `ask` answers at the end of that day."""

    def __init__(self, url: str, now: int) -> None:
        self.url = url
        self._now = now

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """Evaluate as Grafana would, with its variables filled in."""
        filled = expr.replace("$__rate_interval", "5m").replace('"$job"', '".+"')
        query = urllib.parse.urlencode({"query": filled, "time": self._now})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=20) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


@pytest.fixture(scope="module")
def seeded(prometheus_tools: PrometheusTools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededPrometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    end = int(time.time()) // _STEP_SECONDS * _STEP_SECONDS
    times = range(end - _HISTORY_SECONDS, end + 1, _STEP_SECONDS)
    for role, metrics in (("site", SITE_METRICS), ("hub", HUB_METRICS)):
        source = folder / f"{role}.om"
        source.write_text("\n".join(openmetrics(metrics, job=role, times=times)) + "\n", encoding="utf-8")
        _run(prometheus_tools, "tsdb", "create-blocks-from", "openmetrics", str(source), str(folder / "data"))
    (folder / "prometheus.yml").write_text("scrape_configs: []\n", encoding="utf-8")
    port = free_port()
    server = ServerProcess(
        "Prometheus",
        [
            str(prometheus_tools.prometheus),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        log_path=folder / "prometheus.log",
        is_ready=lambda output: "Server is ready to receive web requests" in output,
        start_seconds=60,
    )
    server.start()
    try:
        yield SeededPrometheus(f"http://127.0.0.1:{port}", end)
    finally:
        server.stop()


def _run(tools: PrometheusTools, *arguments: str) -> None:
    done = subprocess.run([str(tools.promtool), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _case(role: str, pair: tuple[str, str], index: int) -> Any:
    return pytest.param(pair[1], id=f"{role}-{index}-{pair[0]}".replace(" ", "_"))


_QUERIES = [_case(role, pair, index) for role in ROLES for index, pair in enumerate(queries(role, "expr"))]


@pytest.mark.parametrize("expr", _QUERIES)
def test_every_panel_has_rows(seeded: SeededPrometheus, expr: str) -> None:
    rows = seeded.ask(expr)
    assert rows
    assert all(row["value"][1] not in {"NaN", "+Inf", "-Inf"} for row in rows)


def test_a_query_on_a_metric_nobody_has_gives_no_rows(seeded: SeededPrometheus) -> None:
    assert seeded.ask('sum(kelsey_no_such_metric{job=~"$job"})') == []


@pytest.mark.parametrize("role", ROLES)
def test_every_rule_evaluates(seeded: SeededPrometheus, role: str) -> None:
    for rule in rules(role):
        try:
            seeded.ask(rule["expr"])
        except urllib.error.HTTPError as error:
            pytest.fail(f"{rule}: {error.read().decode()}")


def test_the_job_variable_finds_the_site(seeded: SeededPrometheus) -> None:
    query = urllib.parse.urlencode({"match[]": "kelsey_live_cases"})
    with urllib.request.urlopen(f"{seeded.url}/api/v1/label/job/values?{query}", timeout=20) as answer:
        assert json.load(answer)["data"] == ["site"]
