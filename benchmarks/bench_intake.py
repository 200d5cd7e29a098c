"""From a FHIR record to a counted case, embedded: reading, coding, pseudonym, wallet, counts, models, one transaction.

The peer only parses and validates the resources of the same records with `fhir.resources`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date

from benchmarks.bench_fhir import parse_all, sound_records
from benchmarks.table import Row
from cases import RawRecord, TermKind
from connectors import default_vocabulary
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from streams.embedded import EmbeddedSite

__all__ = ["run"]

_BATCH = 1000
_ROUNDS = 3
_REACH = {False: 3.0, True: 1.0}


def run() -> list[Row]:
    """Two rows: records a second of one process, without and with reading of narratives."""
    records = sound_records()
    parse_all(records[:20])  # imports and caches of both
    theirs = len(records) / min(_seconds_to_parse(records) for _ in range(_ROUNDS))
    rows = []
    for read_narratives, reach in _REACH.items():
        _seconds_to_count(records[:20], read_narratives=read_narratives)
        ours = len(records) / min(_seconds_to_count(records, read_narratives=read_narratives) for _ in range(_ROUNDS))
        with_or_without = "with" if read_narratives else "without"
        rows.append(
            Row(
                what=f"FHIR record to counted case, embedded, {with_or_without} narrative reading",
                ours=ours,
                peer="fhir.resources, parsing alone",
                peer_value=theirs,
                unit="records/s",
                ratio=ours / theirs,
                reach=f"at least {reach:.0f}x",
                met=ours / theirs >= reach,
            )
        )
    return rows


def _seconds_to_parse(records: Sequence[RawRecord]) -> float:
    start = time.process_time()
    parse_all(list(records))
    return time.process_time() - start


def _seconds_to_count(records: Sequence[RawRecord], *, read_narratives: bool) -> float:
    """CPU seconds of a fresh site for all records; making the site is not counted."""
    words = default_vocabulary()
    protocol = SurveillanceProtocol(
        name="bench",
        version="1",
        era="bench",
        vocabulary=words.label,
        drugs=words.names(TermKind.DRUG),
        reactions=words.names(TermKind.REACTION),
        calendar=EpochCalendar("month", date(2025, 1, 1), 12),
        epsilon=3.0,
        delta=1e-6,
        with_narrative=read_narratives,
    )
    site = EmbeddedSite(
        site_id="bench",
        vocabulary=words,
        protocol=protocol,
        pseudonym_key=bytes(32),
        signing_key=None,
        directory=None,
        read_narratives=read_narratives,
    )
    start = time.process_time()
    for place in range(0, len(records), _BATCH):
        site.take(records[place : place + _BATCH])
    spent = time.process_time() - start
    site.tally.check()
    return spent
