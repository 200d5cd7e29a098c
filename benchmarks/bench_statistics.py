"""Statistics: the cost of one more case in a small and in a large table, and a whole table beside vigipy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import product
from statistics import median

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # comes with vigipy, without types
from numpy.typing import NDArray
from vigipy import bcpnn, prr, ror
from vigipy.utils.Container import DataContainer

from benchmarks.table import Row
from cases import AgeBand, Sex, Stratum
from detectors import CountTable, PairArrays, score_pairs
from detectors.information_component import InformationComponent
from detectors.proportional_reporting_ratio import ProportionalReportingRatio
from detectors.reporting_odds_ratio import ReportingOddsRatio

__all__ = ["run"]

_SMALL, _LARGE, _NEW = 10_000, 1_000_000, 4_000
_DRUGS, _REACTIONS = 3_000, 6_000
_LEVEL = 0.95

Report = tuple[list[str], list[str], Stratum]


def _skewed(random: np.random.Generator, size: int, count: int) -> NDArray[np.int64]:
    """Numbers below `size`, few of them frequent and most rare, as drugs and reactions are."""
    weights = 1 / (np.arange(size) + 10.0)
    return random.choice(size, size=count, p=weights / weights.sum())


def _reports(random: np.random.Generator, count: int) -> Iterator[Report]:
    """Synthetic reports of 1 to 3 drugs, 1 to 5 reactions, any stratum."""
    drug_counts, reaction_counts = random.integers(1, 4, count), random.integers(1, 6, count)
    drugs = iter(_skewed(random, _DRUGS, int(drug_counts.sum())).tolist())
    reactions = iter(_skewed(random, _REACTIONS, int(reaction_counts.sum())).tolist())
    strata = [Stratum(*parts) for parts in product(Sex, AgeBand, ("serious", "non-serious", "unknown"))]
    for drug_count, reaction_count, stratum in zip(
        drug_counts.tolist(), reaction_counts.tolist(), random.integers(0, len(strata), count).tolist(), strict=True
    ):
        yield (
            list({f"drug {next(drugs)}" for _ in range(drug_count)}),
            list({f"reaction {next(reactions)}" for _ in range(reaction_count)}),
            strata[stratum],
        )


def _case_seconds(table: CountTable, reports: list[Report]) -> float:
    """Median time to count one report and score its pairs."""
    seconds = []
    for drugs, reactions, stratum in reports:
        start = time.perf_counter()
        table.add(drugs, reactions, stratum)
        score_pairs(table, list(product(drugs, reactions)), level=_LEVEL)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _one_case() -> Row:
    random = np.random.default_rng(1)
    tables = {size: CountTable() for size in (_SMALL, _LARGE)}
    for number, report in enumerate(_reports(random, _LARGE)):
        if number < _SMALL:
            tables[_SMALL].add(*report)
        tables[_LARGE].add(*report)
    new = list(_reports(random, _NEW))
    rounds = [new[start::4] for start in range(4)]
    timings: dict[int, list[float]] = {_SMALL: [], _LARGE: []}
    for part in rounds:  # alternating, so that a busy moment of the machine falls on both
        for size, table in tables.items():
            timings[size].append(_case_seconds(table, part))
    small, large = (1e3 * median(timings[size]) for size in (_SMALL, _LARGE))
    return Row(
        what=f"one new case to refreshed statistics of its pairs, after {_LARGE:,} cases "
        f"({tables[_LARGE].pair_count:,} pairs)",
        ours=large,
        peer=f"the same after {_SMALL:,} cases ({tables[_SMALL].pair_count:,} pairs)",
        peer_value=small,
        unit="ms",
        ratio=small / large,
        reach="under 1 ms, within 1.5x",
        met=large < 1 and large < 1.5 * small,
    )


def _best_seconds(work: Callable[[], object]) -> float:
    """Fastest of five runs, after one that warms up."""
    work()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _container(arrays: PairArrays) -> DataContainer:
    """The same counts as vigipy wants them."""
    data = pd.DataFrame(
        {
            "events": arrays.n,
            "product_aes": arrays.n_drug,
            "count_across_brands": arrays.n_reaction,
            "ae_name": arrays.reaction,
            "product_name": arrays.drug,
        }
    )
    return DataContainer(data=data, N=int(arrays.n_total[0]))


def _whole_table() -> Row:
    table = CountTable()
    for report in _reports(np.random.default_rng(2), 23_000):
        table.add(*report)
    arrays = table.arrays()
    container = _container(arrays)
    measures = [
        ProportionalReportingRatio(level=_LEVEL),
        ReportingOddsRatio(level=_LEVEL),
        InformationComponent(level=_LEVEL),
    ]
    theirs = prr(container, min_events=1).all_signals.set_index(["Product", "Adverse Event"])["PRR"]
    pairs = list(zip(arrays.drug, arrays.reaction, strict=True))
    np.testing.assert_allclose(measures[0].score_many(arrays)[:, 0], theirs.loc[pairs], rtol=1e-9)

    ours_ms = 1e3 * _best_seconds(lambda: [measure.score_many(arrays) for measure in measures])
    peer_ms = 1e3 * _best_seconds(lambda: [measure(container, min_events=1) for measure in (prr, ror, bcpnn)])
    return Row(
        what=f"PRR, ROR and IC with intervals of {len(arrays):,} counted pairs",
        ours=ours_ms,
        peer=f"vigipy {version('vigipy')}: prr, ror, bcpnn",
        peer_value=peer_ms,
        unit="ms",
        ratio=peer_ms / ours_ms,
        reach="faster than the peer",
        met=ours_ms < peer_ms,
    )


def run() -> list[Row]:
    """Both comparisons; about a minute."""
    return [_one_case(), _whole_table()]
