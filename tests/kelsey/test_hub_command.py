"""`kelsey hub serve` as an operator starts it: what its log says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.kelsey.processes import KELSEY, PATIENCE_SECONDS
from tests.streams.make import protocol


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_log_says_where_the_hub_listens(tmp_path: Path, log_format: str) -> None:
    protocol().dump(tmp_path / "protocol.json")
    config = tmp_path / "hub.toml"
    config.write_text(
        f'[hub]\ndatabase_url = "sqlite:///{tmp_path / "hub.db"}"\nprotocol_file = "protocol.json"\n'
        f'listen = "127.0.0.1:0"\nlog_format = "{log_format}"\n'
    )
    process = subprocess.Popen(
        [*KELSEY, "hub", "serve", "--config", str(config)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    try:
        line = next(line for line in process.stderr if "hub listening on http://127.0.0.1:" in line)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)
    if log_format == "json":
        assert json.loads(line)["level"] == "info"
    else:
        assert " INFO    hub.serve: hub listening on " in line
