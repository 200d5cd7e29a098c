"""The demonstration: a made-up year at three hospitals, through the real sites, the real noise and the real hub."""

from __future__ import annotations

import heapq
import os
import shutil
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import RawRecord, TermKind
from connectors import default_vocabulary
from connectors.generator import HOSPITALS, GeneratorSource, Hospital, HospitalGenerator, PlantedPair
from detectors.rules import STANDARD_RULES, load_presets
from hub.rules import DEFAULT_RULES
from kelsey.backtest_output import privacy_document, write_signals
from kelsey.calendars import calendar_for
from kelsey.console import progress, table
from kelsey.demo_page import demo_page
from kelsey.demo_views import SumView
from kelsey.federation import Federation
from kelsey.ingest_words import combine_tallies, ingest_rows
from kelsey.loopback_house import LoopbackHouse
from kelsey.player import Player
from kelsey.site_ending import endings
from privacy.protocol import SurveillanceProtocol
from streams.embedded import EmbeddedSite

__all__ = ["DELTA", "EPSILON", "HONEST_FRACTION", "DemoSummary", "TrustMode", "run_demo"]

EPSILON, DELTA = 3.0, 1e-6
HONEST_FRACTION = 0.8

TrustMode = Literal["per-site", "secure-sum"]

_TWELVE = tuple(
    Hospital(name=f"{each.name}-{number}", share=each.share / 4, r5_share=each.r5_share, old_share=each.old_share)
    for each in HOSPITALS
    for number in range(1, 5)
)
_LONGEST_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSummary:
    """What the demonstration says when it is done; `found_*` count planted pairs that a view raised.

    `found_sum` and `sum_signals` are of the hub of a secure sum, None where there was none.
    """

    out: str
    seed: int
    ingest: Mapping[str, Any]
    releases: int
    epsilon_spent: float
    epsilon_limit: float
    planted: int
    found_pooled: int
    found_hub: int
    found_sum: int | None
    hub_signals: int
    sum_signals: int | None
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
                f"SDRs ever raised at the hub: {self.hub_signals}; planted pairs found: {self.found_hub} of "
                f"{self.planted} (with all records in one place: {self.found_pooled})",
                *(
                    []
                    if self.found_sum is None
                    else [
                        f"SDRs ever raised in the secure sum: {self.sum_signals}; planted pairs found: "
                        f"{self.found_sum} of {self.planted}"
                    ]
                ),
                f"{self.seconds:.0f} s; open {self.out}/index.html",
            ]
        )


def run_demo(*, seed: int, out: Path, trust: TrustMode = "per-site") -> DemoSummary:
    """Play the year of `seed`, write the page and its data to `out`, and say what came of it.

    With trust mode ``secure-sum`` there are twelve hospitals, and besides the play in this process everything runs once
    more as on twelve computers: hub, two aggregators and twelve sites, each a process on 127.0.0.1 (`out`/secure-sum).

    The hub's database stays in `out` (``hub.db``) and can be served afterwards; one that is there is replaced.
    """
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    is_summed = trust == "secure-sum"
    hospitals = _TWELVE if is_summed else HOSPITALS
    generator = HospitalGenerator(seed=seed, hospitals=hospitals)
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
    of_sums = msgspec.structs.replace(
        protocol, trust_mode="secure-sum", minimum_cohort=len(hospitals), honest_fraction=HONEST_FRACTION
    )
    house = _start_house(seed, generator, of_sums, out / "secure-sum") if is_summed else None
    player = Player(sites, calendar=protocol.calendar, rules=rules)
    at_hub = "hub, noise from every site" if is_summed else "hub, through the noise"
    found: dict[str, list[int]] = {"all records together": [], at_hub: []}
    with (
        house or nullcontext(),
        progress("twelve months", protocol.calendar.count * (2 if is_summed else 1)) as advance,
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
            if house is not None:
                house.look()
            advance()
        summed: SumView | None = None
        if house is not None:
            house.wait(on_epoch=advance, timeout_seconds=_LONGEST_SECONDS)
            summed = SumView.of(house.sdrs(), protocol=of_sums, sites=len(hospitals))
            found["hub, secure sum"] = [
                _found(
                    generator.planted,
                    {pair for pair, day in summed.first.items() if day <= protocol.calendar.last_day(t)},
                )
                for t in range(protocol.calendar.count)
            ]
    ends = endings(player, is_private=True)
    ingest = combine_tallies(end.ingest for end in ends)
    write_signals(out / "signals.csv", [*federation.signal_rows(), *(row for end in ends for row in end.signals)])
    protocol.dump(out / "protocol.json")
    privacy = privacy_document(protocol, ends, protocol.calendar.count)
    page = demo_page(
        federation, ingest=ingest, planted=generator.planted, confounders=generator.confounders, found=found,
        sites=sites, summed=summed,
    )  # fmt: skip
    page.write(out / "index.html")
    federation.close()
    exact, noisy, *of_sum = (counts[-1] for counts in found.values())
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
        found_sum=of_sum[0] if of_sum else None,
        hub_signals=len(federation.hub_log.first),
        sum_signals=None if summed is None else len(summed.first),
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
        rules=DEFAULT_RULES,
    )


def _start_house(
    seed: int, generator: HospitalGenerator, protocol: SurveillanceProtocol, folder: Path
) -> LoopbackHouse:
    """The twelve sites, their aggregators and their hub, started; what an earlier run left is cleared."""
    shutil.rmtree(folder, ignore_errors=True)
    names = [hospital.name for hospital in generator.hospitals]
    house = LoopbackHouse(folder, protocol, names)
    told = {"seed": seed, "records": generator.records, "hospitals": msgspec.to_builtins(generator.hospitals)}
    house.start({name: {**told, "hospital": name} for name in names})
    return house


def _records(seed: int, generator: HospitalGenerator) -> Iterator[tuple[str, RawRecord]]:
    """All hospitals' records in the order they were received."""
    yield from heapq.merge(
        *(_hospital(seed, generator, hospital.name) for hospital in generator.hospitals),
        key=lambda item: item[1].received_at,
    )


def _hospital(seed: int, generator: HospitalGenerator, name: str) -> Iterator[tuple[str, RawRecord]]:
    source = GeneratorSource(seed, name=name, hospital=name, hospitals=generator.hospitals)
    for batch in source.batches(None):
        for record in batch.records:
            yield name, record


def _found(planted: Sequence[PlantedPair], first: Container[tuple[str, str]]) -> int:
    return sum((pair.drug, pair.reaction) in first for pair in planted)
