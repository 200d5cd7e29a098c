"""The same VAERS year embedded and through real Kafka, by the commands a user would type: one and the same table."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kelsey.backtest import BacktestSettings, run_backtest
from tests.kelsey.processes import KELSEY, PATIENCE_SECONDS, kelsey
from tests.services.kafka_broker import KafkaBroker

pytestmark = [pytest.mark.shared_data, pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def config(kafka: KafkaBroker, tmp_path: Path) -> Path:
    key = tmp_path / "pseudonym.key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    path = tmp_path / "site.toml"
    path.write_text(
        f"""
        [site]
        id = "replayed"
        data_directory = "data"
        pseudonym_key_file = "pseudonym.key"
        vocabulary = "open"
        read_narratives = false
        metrics_listen = "127.0.0.1:0"

        [kafka]
        bootstrap = "{kafka.bootstrap}"
        prefix = "replay-{os.getpid()}."
        partitions = 4
        """
    )
    return path


@pytest.fixture
def worker(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    kelsey("site", "topics", "--config", config)
    with (config.parent / "worker.log").open("wb") as log:
        process = subprocess.Popen([*KELSEY, "site", "run", "--role", "worker", "--config", config], stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_counted(config: Path, worker: subprocess.Popen[bytes], reports: int) -> dict[str, object]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert worker.poll() is None, (config.parent / "worker.log").read_text()[-3000:]
        status: dict[str, dict[str, int]] = json.loads(kelsey("site", "status", "--config", config, "--json"))
        if status["ingest"]["read"] >= reports and not any(status["lag"].values()):
            return dict(status)
    raise AssertionError(
        f"not counted within {PATIENCE_SECONDS} s: {(config.parent / 'worker.log').read_text()[-3000:]}"
    )


def test_kafka_gives_the_same_pairs_as_the_back_test(
    shared_data: Path, config: Path, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    years = tuple(shared_data / "vaers" / f"{year}VAERSData.zip" for year in (1990, 1991))
    summary = run_backtest(
        BacktestSettings(
            files=years, out=tmp_path / "embedded", site_count=3, epoch_unit="month", epsilon=None, delta=None
        )
    )
    kelsey("replay", *years, "--config", config)
    wait_until_counted(config, worker, summary.report_count)
    kelsey("replay", *years, "--config", config)  # resumes at the end: nothing is sent, nothing counted twice
    out = tmp_path / "pairs.parquet"
    kelsey("site", "pairs", "--config", config, "--out", out)
    assert out.read_bytes() == (tmp_path / "embedded" / "pairs.parquet").read_bytes()
