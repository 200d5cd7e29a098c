"""One million discrete Gaussian draws at the production sigma, beside OpenDP's exact vector sampler."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

import numpy as np
import opendp.prelude as dp

from benchmarks.table import Row
from privacy.calendar import EpochCalendar
from privacy.epoch_vector import EpochVector
from privacy.gaussian import DiscreteGaussian
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.trust_mode import PerSite

__all__ = ["run"]

_DRAWS = 1_000_000
_PEER_DRAWS = 20_000  # OpenDP is linear in the length; more would only take longer


def _seconds(call: Callable[[], object], repeats: int) -> float:
    """Best of `repeats`."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return min(taken)


def _spec() -> ReleaseSpec:
    """Epsilon 3 over 120 months, 60 drugs by 1000 reactions."""
    protocol = SurveillanceProtocol(
        name="benchmark",
        version="1",
        era="benchmark",
        vocabulary="benchmark@1",
        drugs=tuple(f"drug {number}" for number in range(60)),
        reactions=tuple(f"reaction {number}" for number in range(1000)),
        calendar=EpochCalendar("month", date(2026, 1, 1), 120),
        epsilon=3.0,
        delta=1e-6,
    )
    return ReleaseSpec.of(protocol)


def _draws(name: str, sigma: int) -> Row:
    noise = DiscreteGaussian(sigma)
    ours = _seconds(lambda: noise.sample(_DRAWS), 5)
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="i64")
    peer_noise = dp.m.make_gaussian(*space, scale=float(sigma))
    zeros = [0] * _PEER_DRAWS
    peer = _seconds(lambda: peer_noise(zeros), 2) * _DRAWS / _PEER_DRAWS
    return Row(
        what=f"1 M exact discrete Gaussian draws, {name} table (sigma {sigma:,} lattice units)",
        ours=ours,
        peer="OpenDP make_gaussian, vector of i64, 20,000 draws scaled",
        peer_value=peer,
        unit="s",
        ratio=peer / ours,
        reach="at least 50x",
        met=peer / ours >= 50,
    )


def _protect(spec: ReleaseSpec) -> Row:
    cells, weights = np.arange(60_000), np.full(60_000, 256)
    history = {epoch: EpochVector(cells, weights) for epoch in range(101)}
    mode = PerSite()
    whole = _seconds(lambda: mode.protect(spec, 100, history), 3)
    noise = _seconds(lambda: mode.protect(spec, 100, {}), 3)
    allowed = 0.060
    return Row(
        what="per-site release of 60,000 cells at epoch 100, all earlier epochs full",
        ours=(whole - noise) * 1000,
        peer="allowed, beside drawing the noise",
        peer_value=allowed * 1000,
        unit="ms",
        ratio=allowed / (whole - noise),
        reach="at most 60 ms",
        met=whole - noise <= allowed,
    )


def run() -> list[Row]:
    """Both tables' noise against OpenDP, and the encoding of a long history."""
    dp.enable_features("contrib")
    spec = _spec()
    return [
        _draws("pair", spec.tables["pair"].sigma),
        _draws("margin", spec.tables["drug"].sigma),
        _protect(spec),
    ]
