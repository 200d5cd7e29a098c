"""One walk through the whole house on real parts: files, Kafka, Faust workers, gate, hub on PostgreSQL, an officer.

The connector puts records of a generated hospital into the raw topic; the processes are those that `kelsey site run`
and `kelsey hub serve` start. Only the wall clock is ours, so that an epoch ends when the test says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cases import TermKind
from connectors import default_vocabulary
from connectors.generator import HospitalGenerator
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from tests.kelsey.processes import KELSEY, PATIENCE_SECONDS, kelsey
from tests.services.kafka_broker import KafkaBroker
from tests.services.process_clock import ProcessClock
from tests.services.server_process import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.clock, pytest.mark.slow]

CANARY = "Zebulon Canary-Featherstonehaugh"


@contextmanager
def running(folder: Path, name: str, *arguments: object, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([*KELSEY, *map(str, arguments)], stdout=log, stderr=log, env=env)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(what: str, found: Callable[[], Any], *processes: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert all(process.poll() is None for process in processes), f"a process ended while waiting for {what}"
        try:
            if value := found():
                return value
        except httpx.TransportError:
            pass
        time.sleep(0.5)  # a poll of other processes, bounded by the deadline above
    raise AssertionError(f"{what} did not come within {PATIENCE_SECONDS} s")


def write_records(path: Path) -> int:
    """A year of one hospital as NDJSON, every patient with the canary's name and address; returns the lines."""
    lines = []
    for played in HospitalGenerator(seed=5, records=9000).play("north"):
        if played.kind not in {"report", "follow-up"}:
            continue
        bundle = msgspec.json.decode(played.payload)
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == "Patient":
                entry["resource"]["name"] = [{"text": CANARY, "family": "Featherstonehaugh"}]
                entry["resource"]["address"] = [{"text": f"1 {CANARY} Lane"}]
        lines.append(msgspec.json.encode(bundle))
    path.write_bytes(b"\n".join(lines) + b"\n")
    return len(lines)


def write_settings(folder: Path, kafka: KafkaBroker, database_url: str, first_day: datetime, ports: list[int]) -> None:
    vocabulary = default_vocabulary()
    SurveillanceProtocol(
        name="whole-house",
        version="1",
        era="test",
        vocabulary=vocabulary.label,
        drugs=vocabulary.names(TermKind.DRUG),
        reactions=vocabulary.names(TermKind.REACTION),
        calendar=EpochCalendar("day", first_day.date(), 3),
        epsilon=3.0,
        delta=1e-6,
        rules=("noise-aware-z",),
    ).dump(folder / "protocol.json")
    kelsey("site", "keys", "--out", folder / "secrets")
    (folder / "hub.toml").write_text(
        f"""
        [hub]
        database_url = "{database_url}"
        protocol_file = "protocol.json"
        listen = "127.0.0.1:{ports[0]}"
        evaluation_grace_seconds = 0

        [[site]]
        id = "north"
        public_key_file = "secrets/signing.pub"
        """
    )
    (folder / "site.toml").write_text(
        f"""
        [site]
        id = "north"
        data_directory = "data"
        pseudonym_key_file = "secrets/pseudonym.key"
        signing_key_file = "secrets/signing.pem"
        protocol_file = "protocol.json"
        read_narratives = true
        metrics_listen = "127.0.0.1:{ports[1]}"
        seal_grace_seconds = 5

        [kafka]
        bootstrap = "{kafka.bootstrap}"
        prefix = "house-{os.getpid()}."
        partitions = 2

        [hub]
        url = "http://127.0.0.1:{ports[0]}"
        api_key_file = "secrets/hub.key"

        [[source]]
        name = "ehr"
        type = "fhir-files"
        paths = ["records.ndjson"]
        poll_seconds = 1
        """
    )


def three_ports_in_a_row() -> int:
    return next(port for port in iter(free_port, 0) if port < 65_000)


def test_a_record_walks_from_a_hospital_to_a_signal(
    kafka: KafkaBroker, postgres_url: str, process_clock: ProcessClock, tmp_path: Path
) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    process_clock.set(midnight - timedelta(hours=3))
    env = process_clock.environment
    lines = write_records(tmp_path / "records.ndjson")
    ports = [free_port(), three_ports_in_a_row()]
    write_settings(tmp_path, kafka, postgres_url, midnight - timedelta(days=1), ports)
    site, hub = tmp_path / "site.toml", tmp_path / "hub.toml"
    secret = tmp_path / "secrets" / "hub.key"
    secret.touch(0o600)
    secret.write_text(
        kelsey("hub", "key", "add", "--config", hub, "--name", "north", "--role", "site", "--site", "north")
    )
    officer = kelsey("hub", "key", "add", "--config", hub, "--name", "Dr Oldham", "--role", "officer").strip()
    kelsey(
        "protocol", "sign", tmp_path / "protocol.json", "--key", tmp_path / "secrets/signing.pem", "--party", "north"
    )
    kelsey("protocol", "activate", "--config", hub, "--by", "Dr Oldham")
    kelsey("protocol", "accept", "--config", site, "--by", "Dr Vass")
    kelsey("site", "topics", "--config", site)
    kelsey("hub", "status", "--config", hub)
    headers = {"Authorization": f"Bearer {officer}"}

    def status() -> dict[str, Any]:
        document: dict[str, Any] = json.loads(kelsey("site", "status", "--config", site, "--json"))
        return document

    def is_counted() -> bool:
        now = status()
        return now["ingest"]["read"] >= lines and not any(now["lag"].values())

    with (
        httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", headers=headers) as api,
        running(tmp_path, "hub", "hub", "serve", "--config", hub, env=env) as hub_process,
        running(tmp_path, "site", "site", "run", "--config", site, env=env) as site_process,
    ):
        wait_for("the hub", lambda: api.get("/readyz").status_code == 200, hub_process)
        wait_for("the site's count", is_counted, hub_process, site_process)
        assert api.get("/v1/sdrs").json()["items"] == []
        process_clock.set(midnight - timedelta(seconds=1))
        sdrs = wait_for("a signal", lambda: api.get("/v1/sdrs").json()["items"], hub_process, site_process)
        planted = {(pair.drug, pair.reaction) for pair in HospitalGenerator.planted}
        found = {(sdr["drug"], sdr["reaction"]) for sdr in sdrs}
        assert found & planted
        assert len(found - planted) <= 2

        step = {"to_state": "validated", "reason": "seen in the case series"}
        answer = api.post(f"/v1/sdrs/{sdrs[0]['id']}/transitions", json=step)
        assert answer.status_code in {200, 201}, answer.text
        assert api.get(f"/v1/sdrs/{sdrs[0]['id']}").json()["state"] == "validated"
        metrics = [httpx.get(f"http://127.0.0.1:{ports[1] + role}/metrics").text for role in range(3)]
        metrics.append(api.get("/metrics").text)
        now = status()
    assert now["budget"]["epochs_released"] == 1
    assert now["ingest"]["cases"] > 0.9 * lines
    assert "kelsey_cases_total" in metrics[1]
    outside = [*metrics, json.dumps(now), json.dumps(sdrs)]
    outside += [(tmp_path / f"{name}.log").read_text() for name in ("hub", "site")]
    assert not any("Featherstonehaugh" in text or "Zebulon" in text for text in outside)
