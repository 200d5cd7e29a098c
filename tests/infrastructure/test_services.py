"""The services are real and behave as the other tests take for granted."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from sqlalchemy import create_engine, text

from tests.services.hapi_server import HapiServer
from tests.services.kafka_broker import KafkaBroker
from tests.services.prometheus_tools import PrometheusTools
from tests.services.server_process import ServerError, ServerProcess, free_port


def _messages(broker: KafkaBroker, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    try:
        return [message.value for _, message in zip(range(count), consumer, strict=False)]
    finally:
        consumer.close()


def test_broker_keeps_acknowledged_messages_over_stop_and_kill(kafka: KafkaBroker) -> None:
    topic = "infrastructure-survives"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    admin.close()
    sent: list[bytes] = []
    for interrupt in (kafka.stop, kafka.kill):
        producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
        value = f"before {interrupt.__name__}".encode()
        producer.send(topic, value).get(timeout=30)
        producer.close()
        sent.append(value)
        interrupt()
        assert not kafka.is_running
        kafka.start()
    assert _messages(kafka, topic, 2) == sent


def test_broker_left_stopped(kafka: KafkaBroker) -> None:
    kafka.stop()


def test_broker_runs_again_for_the_next_test(kafka: KafkaBroker) -> None:
    assert kafka.is_running


def test_broker_does_not_create_topics_by_itself(kafka: KafkaBroker) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        assert "infrastructure-never-made" not in admin.list_topics()
    finally:
        admin.close()


def test_fhir_server_stores_finds_and_deletes_an_adverse_event(fhir_server: HapiServer) -> None:
    event = {
        "resourceType": "AdverseEvent",
        "id": "infrastructure-1",
        "actuality": "actual",
        "subject": {"reference": "Patient/infrastructure-p"},
    }
    address = f"{fhir_server.url}/AdverseEvent/infrastructure-1"
    headers = {"Content-Type": "application/fhir+json"}
    put = urllib.request.Request(address, json.dumps(event).encode(), headers, method="PUT")
    with urllib.request.urlopen(put, timeout=60) as answer:
        assert answer.status == 201
    search = f"{fhir_server.url}/AdverseEvent?_id=infrastructure-1&_lastUpdated=ge2020-01-01"
    with urllib.request.urlopen(search, timeout=60) as answer:
        bundle = json.load(answer)
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["infrastructure-1"]
    with urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=60) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as gone:
        urllib.request.urlopen(address, timeout=60)
    assert gone.value.code == 410
    gone.value.close()


def test_each_postgres_database_is_fresh(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE once (id integer PRIMARY KEY)"))
        assert "PostgreSQL" in connection.execute(text("SELECT version()")).scalar_one()
    engine.dispose()


test_each_postgres_database_is_fresh_again = test_each_postgres_database_is_fresh


def test_promtool_refuses_a_broken_rule(prometheus_tools: PrometheusTools, tmp_path: Path) -> None:
    rule = tmp_path / "broken.yaml"
    rule.write_text('groups: [{name: a, rules: [{alert: B, expr: "sum("}]}]')
    done = subprocess.run([prometheus_tools.promtool, "check", "rules", rule], capture_output=True, check=False)
    assert done.returncode == 1


def test_shared_data_holds_the_data_sets(shared_data: Path) -> None:
    assert (shared_data / "fhir").is_dir()


def test_a_server_that_dies_says_why(tmp_path: Path) -> None:
    server = ServerProcess(
        "demo",
        ["sh", "-c", "echo no disk; exit 3"],
        log_path=tmp_path / "log",
        is_ready=lambda _: False,
        start_seconds=9,
    )
    with pytest.raises(ServerError, match=r"(?s)demo ended with exit code 3.*no disk"):
        server.start()
    assert server.pid is None


def test_a_server_that_never_gets_ready_is_killed(tmp_path: Path) -> None:
    server = ServerProcess(
        "demo", ["sleep", "60"], log_path=tmp_path / "log", is_ready=lambda _: False, start_seconds=0.2
    )
    with pytest.raises(ServerError, match="not ready after"):
        server.start()
    assert not server.is_running


def test_free_ports_lie_below_the_range_of_outgoing_connections() -> None:
    assert all(20_000 <= free_port() < 32_000 for _ in range(20))
