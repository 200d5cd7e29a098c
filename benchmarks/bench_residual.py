"""Large vocabularies: what a million active pairs hold, and which of the other 44 million stand out from their bucket.

3,000 drugs by 15,000 reactions, a million reports of patients who draw both by popularity. Wallets, hashing, noise,
totals and flags are those of production: one draw of noise for the sum of one release, or the last month-end of a year
of daily ones by a secure sum of a hundred sites. Excess reports are planted at pairs in buckets, with weights as the
wallets of that population leave them. Peers are the figures of a study that was made before the code.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Row
from hub.flagged_buckets import FALSE_DISCOVERY_RATE, bucket_q_values, flagged_buckets
from hub.noisy_totals import NoisyTotals
from hub.statistics import noisy_scores
from hub.totals import joined_tables
from kelsey.simulation.contributions import coordinate_sums, wallet_weights
from kelsey.simulation.population import PatientPairs, Population
from kelsey.simulation.view import View
from privacy.active_cells import ActiveCells
from privacy.calendar import EpochCalendar
from privacy.chosen_strategy import built_in_artefact
from privacy.epoch_vector import EpochVector
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.table_layout import TableLayout
from privacy.trust_mode import PerSite
from privacy.wallet import WEIGHT_ONE, WalletPolicy

__all__ = ["run"]

_DRUGS, _REACTIONS, _REPORTS = 3_000, 15_000, 1_000_000
_ACTIVE, _BUCKETS = 1_000_000, 1 << 20
_SITES, _SIGNALS = 100, 200
_POLICY = WalletPolicy(capacity=1.5, operation_limit=16)
_STUDY = {(1.0, 60): 0.24, (3.0, 60): 1.00, (1.0, 100): 0.90, (3.0, 100): 1.00}


@lru_cache(maxsize=1)
def _cells() -> tuple[ActiveCells, Population]:
    """The pairs of which most is expected, by the popularities, which stand for public data."""
    share = [1.0 / (np.arange(1, names + 1) + 5) for names in (_DRUGS, _REACTIONS)]
    drug, reaction = (each / each.sum() for each in share)
    expected = np.outer(drug, reaction).ravel()
    floor = np.partition(expected, -_ACTIVE)[-_ACTIVE]
    nobody = np.empty(0, dtype=np.int64)
    population = Population(drug, reaction, nobody, nobody.astype(np.float64))
    chosen = np.flatnonzero(expected >= floor)[:_ACTIVE]
    return ActiveCells.of(chosen, drugs=_names(_DRUGS), reactions=_names(_REACTIONS), source="popularity"), population


def _names(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _protocol(epsilon: float, *, is_daily: bool = False) -> SurveillanceProtocol:
    """One release, or a year of days with the built-in matrix; by a secure sum either way."""
    cells, _ = _cells()
    matrix = built_in_artefact("daily-year")
    calendar, fields = EpochCalendar("month", date(2027, 1, 1), 1), dict[str, Any]()
    if is_daily:
        calendar = EpochCalendar("day", date(2027, 1, 1), 365)
        fields = {"factorisation": matrix.hash, "coefficient_bits": matrix.coefficient_bits}
        fields |= {"trust_mode": "secure-sum", "minimum_cohort": _SITES, "honest_fraction": 0.8}
    return SurveillanceProtocol(
        name="large", version="1", era="one", vocabulary="made-up@1", drugs=_names(_DRUGS),
        reactions=_names(_REACTIONS), calendar=calendar, epsilon=epsilon, delta=1e-6, active_cells=cells.hash,
        residual_buckets=_BUCKETS, **fields,
    ).bind(cells)  # fmt: skip


def _weights(layouts: Sequence[TableLayout]) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """Grid units that the same patients add to every coordinate of each layout, and the weights of single pairs.

    Wallets are charged once for all layouts, by pair, which is what takes time. Where two pairs of a patient meet in a
    bucket (7 of the 804,000 patients), the later adds nothing, as in production, but was paid for all the same.
    """
    _, population = _cells()
    sums, single = [np.zeros(layout.length) for layout in layouts], []
    for pairs in population.patients(_REPORTS, np.random.default_rng(45)):
        paid = wallet_weights(pairs, _POLICY)
        single.append(paid)
        for total, layout in zip(sums, layouts, strict=True):
            total += coordinate_sums(pairs, np.where(_meets(pairs, layout), 0.0, paid), layout)
    return sums, np.concatenate(single)


def _meets(pairs: PatientPairs, layout: TableLayout) -> NDArray[np.bool_]:
    """Whether a pair comes to a bucket in which the patient is already, by row."""
    assert layout.residual is not None
    position = layout.residual.positions(pairs.cell)
    rows = np.flatnonzero(position >= layout.residual.active.size)
    order = rows[np.lexsort((pairs.visit[rows], position[rows], pairs.patient[rows]))]
    is_same = (np.diff(pairs.patient[order]) == 0) & (np.diff(position[order]) == 0)
    found = np.zeros(pairs.cell.size, dtype=np.bool_)
    found[order[1:][is_same]] = True
    return found


def _planted(
    sums: NDArray[np.float64],
    single: NDArray[np.int64],
    layout: TableLayout,
    cells: NDArray[np.int64],
    excess: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """The sums with `excess` more reports of each of these pairs."""
    added = random.choice(single, (cells.size, excess)).sum(axis=1)
    out = np.rint(sums).astype(np.int64)
    assert layout.residual is not None
    places = (layout.residual.positions(cells), layout.cells + cells // _REACTIONS,
              layout.cells + _DRUGS + cells % _REACTIONS)  # fmt: skip
    for place in places:
        np.add.at(out, place, added)
    return out


def _one_release(
    protocol: SurveillanceProtocol, weights: NDArray[np.int64], random: np.random.Generator
) -> NoisyTotals:
    """What the hub makes of one release of the sum, through the real mechanism."""
    spec = ReleaseSpec.of(protocol)
    filled = np.flatnonzero(weights)
    tables = PerSite().protect(spec, 0, {0: EpochVector(filled, weights[filled])}, random_bytes=random.bytes)
    return joined_tables(
        {name: spec.running_total([values]) for name, values in tables.items()},
        variance={name: spec.running_total_sd(name, 0) ** 2 for name in tables},
        epochs={"all": 0},
        residual=protocol.layout.residual,
    )


def _year_of_days(
    protocol: SurveillanceProtocol, weights: NDArray[np.int64], random: np.random.Generator
) -> NoisyTotals:
    """What it makes of the last of 365, its noise drawn as what it is (`kelsey.simulation.view`)."""
    return View(protocol, _SITES).totals(protocol.layout.split(weights / WEIGHT_ONE), random)


class _Flags(NamedTuple):
    """Share of the planted pairs whose bucket is flagged, and how many buckets are, for nothing and in all."""

    chance: float
    false: int
    flagged: int


def _flags(
    protocol: SurveillanceProtocol,
    sums: NDArray[np.float64],
    single: NDArray[np.int64],
    excess: int,
    random: np.random.Generator,
) -> _Flags:
    layout = protocol.layout
    assert layout.residual is not None
    cells = random.choice(_DRUGS * _REACTIONS, 2 * _SIGNALS, replace=False)
    cells = cells[layout.residual.positions(cells) >= layout.residual.active.size][:_SIGNALS]
    read = _one_release if protocol.calendar.count == 1 else _year_of_days
    totals = read(protocol, _planted(sums, single, layout, cells, excess, random), random)
    held = bucket_q_values(totals)[1] <= FALSE_DISCOVERY_RATE
    target = layout.residual.buckets_of(cells)
    true = int(held[np.unique(target)].sum())
    return _Flags(float(held[target].mean()), int(held.sum()) - true, int(held.sum()))


def run() -> list[Row]:
    """Share in active cells, chance to be flagged by epsilon and excess, false buckets, and the time of a look."""
    random = np.random.default_rng(46)
    protocols = [(each, _protocol(each), _protocol(each, is_daily=True)) for each in (1.0, 3.0)]
    all_sums, single = _weights([each.layout for _, *both in protocols for each in both])
    share = float(all_sums[0][:_ACTIVE].sum() / all_sums[0][: protocols[0][1].layout.cells].sum())
    rows = [_row(f"share of weights in {_ACTIVE:,} active of 45 million pairs", share, "a study", 0.68, least=0.66)]
    all_flags: list[_Flags] = []
    for (epsilon, once, daily), sums, daily_sums in zip(protocols, all_sums[::2], all_sums[1::2], strict=True):
        for excess in (60, 100):
            flags = _flags(once, sums, single, excess, random)
            later = _flags(daily, daily_sums, single, excess, random)
            all_flags += [flags, later]
            chance, study = flags.chance, _STUDY[epsilon, excess]
            what = f"chance that {excess} excess reports of a pair in a bucket are flagged, epsilon {epsilon:g}"
            rows.append(_row(what, chance, "a study", study, least=study - 0.01))
            rows.append(_row(what + ", at a month-end of daily releases", later.chance, "one release", chance))
    flagged = sum(each.flagged for each in all_flags)
    false = sum(each.false for each in all_flags) / max(flagged, 1)
    rows.append(_row(f"false among {flagged:,} flagged buckets", false, "nominal", FALSE_DISCOVERY_RATE, most=0.05))
    rare = np.arange(_DRUGS * _REACTIONS - _SIGNALS, _DRUGS * _REACTIONS)
    totals = _one_release(once, _planted(sums, single, once.layout, rare, 100, random), random)
    look, scores = _seconds(partial(flagged_buckets, totals, once)), _seconds(partial(noisy_scores, totals))
    what = "flag buckets among a million and name their candidates"
    rows.append(_row(what, look, "scores of a million pairs", scores, unit="s", most=scores))
    return rows


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _row(
    what: str, ours: float, peer: str, value: float, *, unit: str = "", least: float = 0.0, most: float = np.inf
) -> Row:
    """A row that is met between `least` and `most`."""
    reach = f">= {least:.2g}" if least else f"<= {most:.2g}" if most < np.inf else "-"
    ratio = value / ours if most < np.inf else ours / value
    return Row(
        what=what, ours=ours, peer=peer, peer_value=value, unit=unit, ratio=ratio, reach=reach,
        met=least <= ours <= most,
    )  # fmt: skip
