"""One hospital of the demonstration as a process of its own: plays its year and gives its shares to the aggregators.

`python -m kelsey.demo_site FILE.json`; the file is a `DemoSite`. Records, counts and state stay in this process.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from cases import IntegrityError, ServiceError
from connectors import default_vocabulary
from connectors.generator import GeneratorSource, Hospital
from kelsey.player import Player
from privacy.key_file import load_private_key
from privacy.protocol import SurveillanceProtocol
from streams.aggregator_pair import AggregatorPair
from streams.embedded import EmbeddedSite
from streams.secure_sum_settings import SecureSumSettings, open_aggregators

__all__ = ["DemoSite", "play_site"]

_WAIT_SECONDS = 0.5
_MOST_TRIES = 240


class DemoSite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the process is told; paths are absolute."""

    seed: int
    records: int
    hospital: str
    hospitals: tuple[Hospital, ...]
    protocol_file: str
    signing_key_file: str
    secure_sum: SecureSumSettings


def play_site(told: DemoSite) -> int:
    """Play the year; returns how many epochs were shared. Raises `ServiceError` where an aggregator stays away."""
    protocol = SurveillanceProtocol.load(told.protocol_file)
    key = load_private_key(Path(told.signing_key_file))
    site = EmbeddedSite(
        site_id=told.hospital,
        vocabulary=default_vocabulary(),
        protocol=protocol,
        pseudonym_key=os.urandom(32),
        signing_key=key,
        directory=None,
        read_narratives=True,
    )
    aggregators = open_aggregators(
        told.secure_sum, path=Path, site_id=told.hospital, signing_key=key, protocol=protocol,
    )  # fmt: skip
    source = GeneratorSource(
        told.seed, name=told.hospital, hospital=told.hospital, hospitals=told.hospitals, records=told.records
    )
    records = ((told.hospital, record) for batch in source.batches(None) for record in batch.records)
    shared = 0
    for played in Player({told.hospital: site}, calendar=protocol.calendar, rules={}).play(records):
        payload = played.sites[told.hospital].line
        if payload is None:
            raise IntegrityError(f"epoch {played.epoch} was not released")
        _deliver(aggregators, payload)
        shared += 1
    aggregators.close()
    site.close()
    return shared


def _deliver(aggregators: AggregatorPair, payload: bytes) -> None:
    for attempt in range(_MOST_TRIES):
        try:
            aggregators.send(payload)
        except ServiceError:
            if attempt == _MOST_TRIES - 1:
                raise
            time.sleep(_WAIT_SECONDS)
        else:
            return


if __name__ == "__main__":
    play_site(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=DemoSite))
