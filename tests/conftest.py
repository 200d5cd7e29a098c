"""Fixtures for the real services and the shared data, for every room's tests.

A service is started by the first test that asks for it and stopped at the end of the run. Where one is not installed
its tests are skipped with the way out, and the run ends with a list of what was missing; with
KELSEY_REQUIRE_SERVICES=1, as in CI, they fail instead.

Property tests judge by what is right, not by how busy the machine is: no deadline. Linear algebra keeps to one thread,
here and in the programs that tests start: matrices of tests are small, and idle threads that spin for work multiply
the time on a busy machine (tenfold for an eigenvalue decomposition of 365 epochs).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.services.chromium_browser import ChromiumBrowser
from tests.services.hapi_server import HapiServer
from tests.services.kafka_broker import KafkaBroker
from tests.services.paths import ROOT, missing
from tests.services.postgres_cluster import PostgresCluster
from tests.services.process_clock import ProcessClock
from tests.services.prometheus_tools import PrometheusTools

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is first imported, which tests do after this file
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

_MARKER_OF_FIXTURE = {
    "shared_data": "shared_data",
    "kafka": "kafka",
    "fhir_server": "fhir_server",
    "postgres_cluster": "postgres",
    "prometheus_tools": "prometheus",
    "podman_tools": "podman",
    "chromium": "chromium",
    "process_clock": "clock",
}
# warnings are errors; these we cannot mend, or would only mend for one version of Python
_FOREIGN_WARNINGS = [
    "ignore:unclosed database:ResourceWarning",  # Python 3.13 tells of every SQLite store that a test just drops
    "ignore:(read|open)_text is deprecated:DeprecationWarning",  # kafka-python 3.0 at import, Python 3.11 and 3.12
]
_absent: dict[str, str] = {}
_brokers: list[KafkaBroker] = []


def _require(service: str) -> None:
    """Skip (or fail, in CI) the asking test if the machine lacks `service`."""
    lack = missing(service)
    if lack is not None:
        _refuse(service, f"{lack}; run `make services`")


def _refuse(service: str, lack: str) -> None:
    _absent[service] = lack
    line = f"{service} IS MISSING ON THIS MACHINE: {lack}"
    if os.environ.get("KELSEY_REQUIRE_SERVICES") == "1":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public data sets: KELSEY_SHARED_DATA, or `shared/data` beside the repository."""
    given = os.environ.get("KELSEY_SHARED_DATA")
    roots = [Path(given)] if given else [ROOT.parent / "shared"]
    for folder in (candidate for root in roots for candidate in (root / "data", root)):
        if (folder / "vaers").is_dir():
            return folder
    _refuse("shared_data", f"no data sets in {roots[0]}; set KELSEY_SHARED_DATA to the folder that holds `vaers`")
    raise AssertionError("unreachable")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Give the broker of the run: `.bootstrap`, `.stop()`, `.start()`, `.kill()`."""
    _require("kafka")
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    _brokers.append(broker)
    try:
        broker.start()
        yield broker
    finally:
        _brokers.clear()
        broker.stop()


@pytest.fixture(scope="session")
def fhir_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HapiServer]:
    """Give the FHIR R4 server of the run: `.url`."""
    _require("fhir_server")
    server = HapiServer(tmp_path_factory.mktemp("fhir_server"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """Give the PostgreSQL cluster of the run; tests use `postgres_url`."""
    _require("postgres")
    cluster = PostgresCluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def postgres_url(postgres_cluster: PostgresCluster) -> Iterator[str]:
    """SQLAlchemy URL of an empty PostgreSQL database that is dropped after the test."""
    with postgres_cluster.database() as url:
        yield url


@pytest.fixture(scope="session")
def prometheus_tools() -> PrometheusTools:
    """Paths of the real `prometheus` and `promtool`."""
    _require("prometheus")
    return PrometheusTools.find()


@pytest.fixture(scope="session")
def podman_tools() -> None:
    """Ask for podman, buildah, runc and mmdebstrap."""
    _require("podman")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> ChromiumBrowser:
    """Give a headless browser that measures pages: `.measure(page, width=400)`."""
    _require("chromium")
    return ChromiumBrowser(tmp_path_factory.mktemp("chromium"))


@pytest.fixture
def process_clock(tmp_path: Path) -> ProcessClock:
    """Give a clock that real processes run by, and that the test sets."""
    _require("clock")
    return ProcessClock(tmp_path / "clock")


def pytest_configure(config: pytest.Config) -> None:
    """Let the known warnings of foreign packages pass."""
    for line in _FOREIGN_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the services it asks for, so that `-m "not kafka"` means what it says."""
    for item in items:
        for fixture, marker in _MARKER_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Bring the broker back if the test before left it stopped."""
    if "kafka" in getattr(item, "fixturenames", ()):
        for broker in _brokers:
            broker.start()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly which services the run did without."""
    if _absent:
        terminalreporter.section("SERVICES MISSING: their tests did not run", sep="!", red=True, bold=True)
        for service, lack in sorted(_absent.items()):
            terminalreporter.write_line(f"{service}: {lack}", red=True)
