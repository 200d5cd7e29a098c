"""The back-test on VAERS: years replayed in order of the day received, through sites, noise and hub.

The sites and the hub are the ones that run live. What a back-test alone can do is put all sites' exact counts together
(view ``pooled``) and hold the hub's view beside it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import ParameterError, RawRecord, Vocabulary
from connectors.vaers import VaersSource
from detectors.rules import STANDARD_RULES, Rule, load_presets
from hub.rules import DEFAULT_RULES
from kelsey.backtest_output import BacktestSummary, write_outputs
from kelsey.calendars import calendar_for
from kelsey.console import Advance, progress
from kelsey.federation import Federation
from kelsey.player import PlayedEpoch, Player
from kelsey.site_ending import SiteEnding, endings
from kelsey.vaers_survey import VaersSurvey, survey
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from streams.embedded import EmbeddedSite

__all__ = ["BacktestSettings", "run_backtest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestSettings:
    """What to replay and how.

    Parameters
    ----------
    files, history
        VAERS year files; products and terms of `history` are the active cells.
    out
        Folder for the results; created.
    site_count
        Sites the cases are dealt to by a stable hash of their id, at least 1.
    epoch_unit
        ``day``, ``week`` or ``month``.
    epsilon, delta
        Privacy budget for one patient at one site over the whole replay; both None for no releases and no hub.
    trust
        ``per-site`` or ``secure-sum``. In one process the sites' shares meet, so a back-test shows the noise of a
        secure sum, not its protection.
    honest_fraction
        Share of the sites whose noise is relied upon under ``secure-sum``; every site must be in.
    worker_count
        Processes the sites are spread over, at least 1.
    """

    files: tuple[Path, ...]
    out: Path
    site_count: int
    epoch_unit: str
    epsilon: float | None
    delta: float | None
    trust: Literal["per-site", "secure-sum"] = "per-site"
    honest_fraction: float = 0.8
    worker_count: int = 1
    history: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self.site_count >= 1:
            raise ParameterError(f"site_count must be at least 1, not {self.site_count!r}")
        if not self.worker_count >= 1:
            raise ParameterError(f"worker_count must be at least 1, not {self.worker_count!r}")
        if (self.epsilon is None) != (self.delta is None):
            raise ParameterError("epsilon and delta are given together or not at all")


@dataclass(frozen=True, slots=True)
class _SiteSpec:
    """What a worker process needs to build a site; keys are drawn for the run and forgotten."""

    name: str
    pseudonym_key: bytes
    signing_key: bytes


def run_backtest(settings: BacktestSettings) -> BacktestSummary:
    """Replay, write the files of the back-test to `settings.out`, and say what came of it.

    Raises `ConfigurationError` where the files hold no report, and whatever reading them raises.
    """
    started = time.perf_counter()
    held = survey(settings.files)
    active = survey(settings.history) if settings.history else held
    calendar = calendar_for(settings.epoch_unit, held.first_day, held.last_day)
    protocol = _protocol(settings, calendar, held, active)
    rules = load_presets(STANDARD_RULES)
    specs = [_SiteSpec(f"site-{number + 1}", os.urandom(32), os.urandom(32)) for number in range(settings.site_count)]
    keys = {spec.name: Ed25519PrivateKey.from_private_bytes(spec.signing_key).public_key() for spec in specs}
    settings.out.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(dir=settings.out) as scratch,  # the hub's tables: too large for memory in a long replay
        (settings.out / "releases.ndjson").open("wb") as releases,
        progress("replaying", calendar.count) as advance,
    ):
        federation = Federation(
            calendar=calendar,
            rules=rules,
            protocol=protocol,
            site_keys=keys,
            releases=releases,
            database_url=f"sqlite:///{Path(scratch).absolute() / 'hub.db'}",
        )
        site_endings = _play(settings, specs, protocol, calendar, rules, federation, advance)
        federation.close()
    return write_outputs(
        settings.out,
        federation=federation,
        sites=site_endings,
        survey=held,
        history_used=bool(settings.history),
        seconds=time.perf_counter() - started,
    )


def _protocol(
    settings: BacktestSettings, calendar: EpochCalendar, held: VaersSurvey, active: VaersSurvey
) -> SurveillanceProtocol | None:
    """Cells are public: earlier years' terms, and every product (that a product exists is public when it appears)."""
    if settings.epsilon is None or settings.delta is None:
        return None
    return SurveillanceProtocol(
        name="vaers-backtest",
        version="1",
        era=f"{held.first_day}/{held.last_day}",
        vocabulary=_vocabulary().label,
        drugs=tuple(sorted(active.drugs | held.drugs)),
        reactions=tuple(sorted(active.reactions)),
        calendar=calendar,
        epsilon=settings.epsilon,
        delta=settings.delta,
        rules=DEFAULT_RULES,
        **_trust(settings),
    )


def _trust(settings: BacktestSettings) -> dict[str, Any]:
    if settings.trust == "per-site":
        return {}
    return {
        "trust_mode": "secure-sum",
        "minimum_cohort": settings.site_count,
        "honest_fraction": settings.honest_fraction,
    }


def _vocabulary() -> Vocabulary:
    return Vocabulary.open(name="vaers-published")


def _play(
    settings: BacktestSettings,
    specs: Sequence[_SiteSpec],
    protocol: SurveillanceProtocol | None,
    calendar: EpochCalendar,
    rules: dict[str, Rule],
    federation: Federation,
    advance: Advance,
) -> list[SiteEnding]:
    count = min(settings.worker_count, len(specs))
    if count == 1:
        player = _player(specs, protocol, calendar, rules)
        for epoch in player.play(_deal(settings.files, specs, len(specs))):
            federation.observe([epoch])
            advance()
        return endings(player, is_private=protocol is not None)
    groups = [specs[number::count] for number in range(count)]
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(_play_group, settings.files, group, len(specs), protocol, calendar, rules) for group in groups
        ]
        results = [future.result() for future in futures]
    for epochs in zip(*(epochs for epochs, _ in results), strict=True):
        federation.observe(epochs)
        advance()
    return sorted((ending for _, ending_list in results for ending in ending_list), key=lambda ending: ending.name)


def _play_group(
    files: Sequence[Path],
    specs: Sequence[_SiteSpec],
    site_count: int,
    protocol: SurveillanceProtocol | None,
    calendar: EpochCalendar,
    rules: dict[str, Rule],
) -> tuple[list[PlayedEpoch], list[SiteEnding]]:
    player = _player(specs, protocol, calendar, rules)
    epochs = list(player.play(_deal(files, specs, site_count)))
    return epochs, endings(player, is_private=protocol is not None)


def _player(
    specs: Sequence[_SiteSpec], protocol: SurveillanceProtocol | None, calendar: EpochCalendar, rules: dict[str, Rule]
) -> Player:
    sites = {
        spec.name: EmbeddedSite(
            site_id=spec.name,
            vocabulary=_vocabulary(),
            protocol=protocol,
            pseudonym_key=spec.pseudonym_key,
            signing_key=Ed25519PrivateKey.from_private_bytes(spec.signing_key),
            directory=None,
            read_narratives=False,
        )
        for spec in specs
    }
    return Player(sites, calendar=calendar, rules=rules)


def _deal(files: Sequence[Path], specs: Sequence[_SiteSpec], site_count: int) -> Iterator[tuple[str, RawRecord]]:
    """Records of this process's sites; a case goes to the same site in every replay."""
    names = {spec.name for spec in specs}
    for batch in VaersSource(files, name="vaers").batches(None):
        for record in batch.records:
            digest = hashlib.sha256(record.record_id.encode()).digest()
            name = f"site-{int.from_bytes(digest[:8]) % site_count + 1}"
            if name in names:
                yield name, record
