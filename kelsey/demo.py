"""The demonstration: a made-up year at three hospitals, through the real sites, the real noise and the real hub."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import RawRecord, TermKind
from connectors import default_vocabulary
from connectors.generator import GeneratorSource, HospitalGenerator, PlantedPair
from detectors.rules import STANDARD_RULES, load_presets
from kelsey.backtest_output import privacy_document, write_signals
from kelsey.calendars import calendar_for
from kelsey.console import progress, table
from kelsey.demo_page import demo_page
from kelsey.federation import Federation
from kelsey.ingest_words import combine_tallies, ingest_rows
from kelsey.player import Player
from kelsey.site_ending import endings
from privacy.protocol import SurveillanceProtocol
from streams.embedded import EmbeddedSite

__all__ = ["DELTA", "EPSILON", "DemoSummary", "run_demo"]

EPSILON, DELTA = 3.0, 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSummary:
    """What the demonstration says when it is done; `found_*` count planted pairs that a view raised."""

    out: str
    seed: int
    ingest: Mapping[str, Any]
    releases: int
    epsilon_spent: float
    epsilon_limit: float
    planted: int
    found_pooled: int
    found_hub: int
    hub_signals: int
    triage_auc: Mapping[str, float | None]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def text(self) -> str:
        """For the terminal."""
        rows: list[tuple[str, Any]] = [
            *ingest_rows(self.ingest),
            ("releases that left the sites", self.releases),
        ]
        return "\n".join(
            [
                table(rows),
                f"epsilon spent: {self.epsilon_spent:.3f} of {self.epsilon_limit:g}, for the whole year",
                f"SDRs at the hub: {self.hub_signals}; planted pairs found: {self.found_hub} of {self.planted} "
                f"(with all records in one place: {self.found_pooled})",
                f"{self.seconds:.0f} s; open {self.out}/index.html",
            ]
        )


def run_demo(*, seed: int, out: Path) -> DemoSummary:
    """Play the year of `seed`, write the page and its data to `out`, and say what came of it.

    The hub's database stays in `out` (``hub.db``) and can be served afterwards; one that is there is replaced.
    """
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    generator = HospitalGenerator(seed=seed)
    protocol = _protocol(generator)
    keys = {hospital.name: Ed25519PrivateKey.generate() for hospital in generator.hospitals}
    rules = load_presets(STANDARD_RULES)
    sites = {
        name: EmbeddedSite(
            site_id=name,
            vocabulary=default_vocabulary(),
            protocol=protocol,
            pseudonym_key=os.urandom(32),
            signing_key=key,
            directory=None,
            read_narratives=True,
        )
        for name, key in keys.items()
    }
    database = out / "hub.db"
    database.unlink(missing_ok=True)
    player = Player(sites, calendar=protocol.calendar, rules=rules)
    found: dict[str, list[int]] = {"all records together": [], "hub, through the noise": []}
    with (
        progress("twelve months", protocol.calendar.count) as advance,
        (out / "releases.ndjson").open("wb") as releases,
    ):
        federation = Federation(
            calendar=protocol.calendar,
            rules=rules,
            protocol=protocol,
            site_keys={name: key.public_key() for name, key in keys.items()},
            releases=releases,
            database_url=f"sqlite:///{database}",
        )
        for epoch in player.play(_records(seed, generator)):
            federation.observe([epoch])
            for counts, log in zip(found.values(), (federation.pooled.log, federation.hub_log), strict=True):
                counts.append(_found(generator.planted, log.first))
            advance()
    ends = endings(player, is_private=True)
    ingest = combine_tallies(end.ingest for end in ends)
    write_signals(out / "signals.csv", [*federation.signal_rows(), *(row for end in ends for row in end.signals)])
    protocol.dump(out / "protocol.json")
    privacy = privacy_document(protocol, ends, protocol.calendar.count)
    demo_page(federation, ingest=ingest, planted=generator.planted, found=found, sites=sites).write(out / "index.html")
    federation.close()
    exact, noisy = (counts[-1] for counts in found.values())
    return DemoSummary(
        out=str(out),
        seed=seed,
        ingest=ingest,
        releases=federation.release_count,
        epsilon_spent=privacy["epsilon"],
        epsilon_limit=protocol.epsilon,
        planted=len(generator.planted),
        found_pooled=exact,
        found_hub=noisy,
        hub_signals=len(federation.hub_log.first),
        triage_auc={name: site.triage.auc for name, site in sites.items()},
        seconds=time.perf_counter() - started,
    )


def _protocol(generator: HospitalGenerator) -> SurveillanceProtocol:
    vocabulary = default_vocabulary()
    return SurveillanceProtocol(
        name="demo",
        version="1",
        era=f"{generator.start}/{generator.end}",
        vocabulary=vocabulary.label,
        drugs=vocabulary.names(TermKind.DRUG),
        reactions=vocabulary.names(TermKind.REACTION),
        calendar=calendar_for("week", generator.start, generator.end),
        epsilon=EPSILON,
        delta=DELTA,
        rules=("noise-aware-z", *STANDARD_RULES),
    )


def _records(seed: int, generator: HospitalGenerator) -> Iterator[tuple[str, RawRecord]]:
    """All hospitals' records in the order they were received."""
    yield from heapq.merge(
        *(_hospital(seed, hospital.name) for hospital in generator.hospitals), key=lambda item: item[1].received_at
    )


def _hospital(seed: int, name: str) -> Iterator[tuple[str, RawRecord]]:
    for batch in GeneratorSource(seed, name=name, hospital=name).batches(None):
        for record in batch.records:
            yield name, record


def _found(planted: Sequence[PlantedPair], first: Mapping[tuple[str, str], object]) -> int:
    return sum((pair.drug, pair.reaction) in first for pair in planted)
