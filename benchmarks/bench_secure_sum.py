"""What the secure sum costs at a million cells: a site's epoch, its bytes, and the sum of a thousand sites."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import date

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.table import Row
from privacy.calendar import EpochCalendar
from privacy.epoch_vector import EpochVector
from privacy.gaussian import DiscreteGaussian
from privacy.protocol import SurveillanceProtocol
from privacy.release import table_lengths
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import Role, open_share, share_epoch
from privacy.secure_sum.site_share import read_verified_share

__all__ = ["run"]

_SITES = 1_000
_DISTINCT = 20  # messages in memory; each is decoded and expanded anew as often as there are sites to stand for
_PROTOCOL = SurveillanceProtocol(
    name="benchmark", version="1", era="benchmark", vocabulary="benchmark@1",
    drugs=tuple(f"drug {number}" for number in range(1000)),
    reactions=tuple(f"reaction {number}" for number in range(1000)),
    calendar=EpochCalendar("month", date(2026, 1, 1), 12), epsilon=3.0, delta=1e-6, trust_mode="secure-sum",
    minimum_cohort=100, honest_fraction=0.8,
)  # fmt: skip


def _sealed(key: Ed25519PrivateKey, samplers: dict[str, DiscreteGaussian]) -> dict[Role, bytes]:
    """A site's epoch of 2,000 contributions: noise drawn, increment and noise shared, both messages signed."""
    noise = {name: samplers[name].sample(length) for name, length in table_lengths(_PROTOCOL).items()}
    increment = EpochVector(np.arange(0, 1_000_000, 500), np.full(2_000, 256))
    return share_epoch(site="north", protocol=_PROTOCOL, epoch=0, increment=increment, noise=noise, key=key)


def _best_cpu(call: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        taken.append(time.process_time() - started)
    return min(taken)


def _sum(messages: list[bytes], role: Role) -> tuple[float, float]:
    """Wall and CPU time of adding a thousand sites' shares at one aggregator, as `Aggregator` does it."""
    content, noise = (np.zeros(_PROTOCOL.layout.length, dtype=np.uint64) for _ in range(2))
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(_SITES):
        share = read_verified_share(messages[number % _DISTINCT], protocol=_PROTOCOL, role=role)
        content += share.content
        noise += share.noise
    return time.perf_counter() - wall, time.process_time() - cpu


def _row(what: str, value: float, unit: str, reach: float, words: str) -> Row:
    return Row(
        what=what, ours=value, peer="limit", peer_value=reach, unit=unit, ratio=reach / value, reach=words,
        met=value <= reach,
    )  # fmt: skip


def run() -> list[Row]:
    """Site, link and aggregator."""
    spec, cohort, key = ReleaseSpec.of(_PROTOCOL), _PROTOCOL.cohort, Ed25519PrivateKey.generate()
    assert cohort is not None
    samplers = {name: DiscreteGaussian(cohort.site_sigma(table.sigma)) for name, table in spec.tables.items()}
    site_seconds = _best_cpu(lambda: _sealed(key, samplers), 5)
    messages = [_sealed(key, samplers) for _ in range(_DISTINCT)]
    largest = max(len(line) for line in messages[0].values())
    leader = [each[Role.LEADER] for each in messages]
    verify_seconds = _best_cpu(
        lambda: open_share(leader[0], public_key=key.public_key(), protocol=_PROTOCOL, role=Role.LEADER), 5
    )
    wall, cpu = _sum(leader, Role.LEADER)
    cores = os.cpu_count()
    return [
        _row("site's epoch under secure sum, 1 M cells: noise, shares, signatures (CPU)", 1000 * site_seconds, "ms",
             100, "at most 100 ms"),
        _row("longer of its two messages", largest / 2**20, "MiB", 8, "at most 8 MiB"),
        _row("taking one of them in: signature, digest, decoding (CPU)", 1000 * verify_seconds, "ms", 100,
             "at most 100 ms"),
        _row(f"sum of 1,000 sites x 1 M cells at one aggregator, {cores} cores shared (wall)", wall, "s", 10,
             "at most 10 s"),
        _row("the same, CPU", cpu, "s", 10, "at most 10 s, 2 s tried"),
    ]  # fmt: skip
