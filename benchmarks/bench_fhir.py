"""Reading FHIR: our tolerant reader beside `fhir.resources` on the same generated records.

The peer only parses and validates the resources of a record into its models; ours makes the case draft of it:
references resolved, gates passed, codes and narrative taken out.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4b_model

from benchmarks.table import Row
from cases import RawRecord
from connectors import read
from connectors.generator import GeneratorSource, HospitalGenerator

__all__ = ["parse_all", "run", "sound_records"]

_RECORDS = 1200
_ROUNDS = 3
_REACH = 3.0


def sound_records() -> list[RawRecord]:
    """Sound records of a hospital that writes R4 and R5 alike."""
    generator = HospitalGenerator(seed=5, records=_RECORDS * 8)
    source = GeneratorSource(5, name="hill", hospital="hill", records=_RECORDS * 8)
    sound = [source.record(record) for record in generator.play("hill") if record.kind in ("report", "follow-up")]
    return sound[:_RECORDS]


def _best_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest of some rounds."""
    spent = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def _parse(record: RawRecord) -> None:
    entries = msgspec.json.decode(record.payload)["entry"]
    model = r5_model if "occurrenceDateTime" in entries[0]["resource"] else r4b_model
    for entry in entries:
        resource = entry["resource"]
        model(resource["resourceType"]).model_validate(resource)


def parse_all(records: list[RawRecord]) -> None:
    """Parse and validate every resource of every record with the peer."""
    for record in records:
        _parse(record)


def _read_all(records: list[RawRecord]) -> None:
    for record in records:
        read(record)


def run() -> list[Row]:
    """One row: records a second of one process."""
    records = sound_records()
    parse_all(records[:20])  # imports and caches of both
    _read_all(records[:20])
    ours = len(records) / _best_seconds(lambda: _read_all(records))
    theirs = len(records) / _best_seconds(lambda: parse_all(records))
    ratio = ours / theirs
    return [
        Row(
            what="FHIR record (Bundle of about 2 kB) to case draft",
            ours=ours,
            peer="fhir.resources, parsing alone",
            peer_value=theirs,
            unit="records/s",
            ratio=ratio,
            reach=f"at least {_REACH:.0f}x",
            met=ratio >= _REACH,
        )
    ]
