"""Kafka: the casebook worker beside a Faust Table and beside a bare Faust agent, on one broker, over one topic."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kafka import KafkaProducer

from benchmarks.table import Row
from cases import (
    Case,
    CaseVersion,
    DrugRole,
    DrugUse,
    Provenance,
    Reaction,
    Seriousness,
    Sex,
    Term,
    encode_case,
)
from streams.settings import SiteSettings, load_site_settings
from streams.topics import TopicRole, case_partition, create_topics, topic_name
from tests.services.kafka_broker import KafkaBroker

__all__ = ["run"]

_CASES = 20_000
_START = datetime(2026, 1, 1, tzinfo=UTC)
_ROOT = Path(__file__).parents[1]


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = KafkaBroker(folder)
        broker.start()
        try:
            settings = _site(folder, broker.bootstrap)
            _fill(settings)
            rates = {kind: _rate(kind, folder / "site.toml") for kind in ("bare", "table", "ours")}
        finally:
            broker.stop()
    table, bare = rates["ours"] / rates["table"], rates["ours"] / rates["bare"]
    what = f"Faust worker on Kafka, state and offsets durable, {_CASES:,} cases"
    return [
        Row(
            what,
            rates["ours"],
            "Faust agent counting into a Faust Table",
            rates["table"],
            "cases/s",
            table,
            ">= 2x",
            table >= 2,
        ),
        Row(
            what, rates["ours"], "Faust agent that only decodes", rates["bare"], "cases/s", bare, ">= 0.5x", bare >= 0.5
        ),
    ]


def _site(folder: Path, bootstrap: str) -> SiteSettings:
    (folder / "key").write_bytes(secrets.token_bytes(32))
    (folder / "key").chmod(0o600)
    (folder / "site.toml").write_text(
        '[site]\nid = "bench"\ndata_directory = "data"\npseudonym_key_file = "key"\nvocabulary = "open"\n'
        f'read_narratives = false\n[kafka]\nbootstrap = "{bootstrap}"\n'
    )
    settings = load_site_settings(folder / "site.toml")
    create_topics(settings)
    return settings


def _fill(settings: SiteSettings) -> None:
    kafka = settings.require_kafka()
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, linger_ms=20)
    for number in range(_CASES):
        case = _case(number)
        producer.send(
            topic_name(kafka, TopicRole.CASES),
            key=str(case.key).encode(),
            value=encode_case(case),
            partition=case_partition(case, partitions=kafka.partitions),
        )
    producer.flush()
    producer.close()


def _case(number: int) -> Case:
    """A case with a drug or two and two reactions, a patient of about three cases."""
    at = _START + timedelta(minutes=number)
    drugs = [f"drug {number * 7919 % 300}", f"drug {number * 104729 % 300}"][: 1 + number % 2]
    return Case(
        source="bench",
        case_id=f"{number:08d}",
        version=CaseVersion(at, 1),
        patient=f"{number * 2654435761 % (_CASES // 3):032x}",
        received_at=at,
        drugs=tuple(DrugUse(Term(name, Provenance.CODED), DrugRole.SUSPECT) for name in drugs),
        reactions=tuple(Reaction(Term(f"reaction {(number + k) * 7907 % 500}", Provenance.CODED)) for k in range(2)),
        seriousness=Seriousness(is_serious=number % 3 == 0),
        sex=Sex.FEMALE if number % 2 else Sex.MALE,
        age_years=float(number % 90),
    )


def _rate(kind: str, config: Path) -> float:
    """Cases a second of one worker process, from its first message to its last."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kafka_workers", kind, str(config), str(_CASES)],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    result = done.stdout[done.stdout.index("{") :].strip()  # Faust writes terminal codes before it
    return _CASES / float(json.loads(result)["seconds"])
