"""Statistics: the cost of one more case in a small and in a large table, and a whole table beside vigipy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import product
from statistics import median

import numpy as np
import polars as pl
from numpy.typing import NDArray
from vigipy import bcpnn, gps, prr, ror

from benchmarks.monthly_replay import monthly_replay
from benchmarks.pair_tables import reported_pairs
from benchmarks.table import Row
from benchmarks.vigipy_tables import vigipy_container
from cases import AgeBand, Sex, Stratum
from detectors import (
    CountTable,
    EmpiricalBayes,
    GammaMixture,
    PairArrays,
    fit_gamma_mixture,
    likelihood_ratio_test,
    score_pairs,
)
from detectors.empirical_bayes._quantile_table import quantile_table
from detectors.information_component import InformationComponent
from detectors.proportional_reporting_ratio import ProportionalReportingRatio
from detectors.reporting_odds_ratio import ReportingOddsRatio
from detectors.sequential import poisson_max_sprt

__all__ = ["run"]

_SMALL, _LARGE, _NEW = 10_000, 10_000_000, 4_000
_COPIES = 10  # of a million cases make the large table
_ROWS = 5_000_000
_REFRESHED = ("prr", "ror", "ic", "ebgm")
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


def _case_seconds(table: CountTable, reports: list[Report], prior: GammaMixture) -> float:
    """Median time to count one report and score its pairs."""
    seconds = []
    for drugs, reactions, stratum in reports:
        start = time.perf_counter()
        table.update(drugs, reactions, stratum)
        score_pairs(table, list(product(drugs, reactions)), level=_LEVEL, names=_REFRESHED, prior=prior)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _one_case(prior: GammaMixture) -> Row:
    random = np.random.default_rng(1)
    tables = {size: CountTable() for size in (_SMALL, _LARGE)}
    for number, report in enumerate(_reports(random, _LARGE // _COPIES)):
        if number < _SMALL:
            tables[_SMALL].update(*report)
        tables[_LARGE].update(*report)
    once = CountTable.restore(tables[_LARGE].snapshot())
    for _ in range(_COPIES - 1):
        tables[_LARGE].merge(once)
    new = list(_reports(random, _NEW))
    rounds = [new[start::4] for start in range(4)]
    timings: dict[int, list[float]] = {_SMALL: [], _LARGE: []}
    for part in rounds:  # alternating, so that a busy moment of the machine falls on both
        for size, table in tables.items():
            timings[size].append(_case_seconds(table, part, prior))
    small, large = (1e3 * median(timings[size]) for size in (_SMALL, _LARGE))
    return Row(
        what=f"one new case to refreshed PRR, ROR, IC and EBGM of its pairs, after {_LARGE:,} cases "
        f"({tables[_LARGE].pair_count:,} pairs)",
        ours=large,
        peer=f"the same after {_SMALL:,} cases ({tables[_SMALL].pair_count:,} pairs)",
        peer_value=small,
        unit="ms",
        ratio=small / large,
        reach="under 1 ms, within 1.5x",
        met=large < 1 and large < 1.5 * small,
    )


def _best_seconds(work: Callable[[], object], *, runs: int = 5) -> float:
    """Fastest of some runs, after one that warms up."""
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _whole_table(arrays: PairArrays) -> Row:
    container = vigipy_container(arrays)
    measures = [
        ProportionalReportingRatio(level=_LEVEL),
        ReportingOddsRatio(level=_LEVEL),
        InformationComponent(level=_LEVEL),
    ]
    theirs = prr(container, min_events=1).all_signals.set_index(["Product", "Adverse Event"])["PRR"]
    pairs = list(zip(arrays.drug, arrays.reaction, strict=True))
    np.testing.assert_allclose(measures[0].score_many(arrays)[:, 0], theirs.loc[pairs], rtol=1e-9)

    ours_ms = 1e3 * _best_seconds(lambda: [measure.score_many(arrays) for measure in measures])
    peer_ms = 1e3 * _best_seconds(lambda: [measure(container, min_events=1) for measure in (prr, ror, bcpnn)], runs=2)
    return Row(
        what=f"PRR, ROR and IC with intervals of {len(arrays):,} counted pairs",
        ours=ours_ms,
        peer=f"vigipy {version('vigipy')}: prr, ror, bcpnn",
        peer_value=peer_ms,
        unit="ms",
        ratio=peer_ms / ours_ms,
        reach="10x faster than the peer",
        met=peer_ms > 10 * ours_ms,
    )


def _shrinker(arrays: PairArrays) -> list[Row]:
    random = np.random.default_rng(3)
    shapes = np.exp(random.normal(size=(20, 4)))
    starts = [
        GammaMixture(alpha1=one, beta1=two, alpha2=three, beta2=four, p=share)
        for (one, two, three, four), share in zip(shapes.tolist(), random.uniform(0.05, 0.6, 20).tolist(), strict=True)
    ]
    best = fit_gamma_mixture(arrays.n, arrays.expected, starts=starts).negative_log_likelihood
    fit = fit_gamma_mixture(arrays.n, arrays.expected)

    def ours() -> None:
        prior = fit_gamma_mixture(arrays.n, arrays.expected).prior
        quantile_table.cache_clear()  # each run pays for its table
        EmpiricalBayes(prior=prior, level=0.90).score_many(arrays)

    container = vigipy_container(arrays)
    seconds = _best_seconds(ours)
    peer = _best_seconds(lambda: gps(container, min_events=1), runs=1)
    return [
        Row(
            what=f"prior of EBGM and EB05, EB95 of {len(arrays):,} pairs",
            ours=1e3 * seconds,
            peer=f"vigipy {version('vigipy')}: gps (lower limits only)",
            peer_value=1e3 * peer,
            unit="ms",
            ratio=peer / seconds,
            reach="under 500 ms",
            met=seconds < 0.5,
        ),
        Row(
            what="the same: -log likelihood of the prior",
            ours=fit.negative_log_likelihood,
            peer="best of 20 random starts",
            peer_value=best,
            unit="",
            ratio=best / fit.negative_log_likelihood,
            reach="no worse than the best, less 1e-3",
            met=fit.negative_log_likelihood <= best + 1e-3,
        ),
    ]


def _limit(what: str, seconds: float, limit: float) -> Row:
    return Row(
        what=what,
        ours=1e3 * seconds,
        peer="limit",
        peer_value=1e3 * limit,
        unit="ms",
        ratio=limit / seconds,
        reach=f"under {1e3 * limit:,.0f} ms",
        met=seconds < limit,
    )


def _likelihood_ratio() -> Row:
    random = np.random.default_rng(4)
    drugs, reactions = np.exp(random.normal(9, 2, 7)), np.exp(random.normal(0, 1.5, 47))
    count = random.poisson(np.outer(drugs, reactions / reactions.sum())) + 1
    arrays = CountTable.from_counts(
        (f"drug {drug}", f"reaction {reaction}", int(count[drug, reaction]))
        for drug in range(7)
        for reaction in range(47)
    ).arrays()
    seconds = _best_seconds(lambda: likelihood_ratio_test(arrays, random=np.random.default_rng(1), bootstraps=10_000))
    return _limit("LRT of 47 reactions by 7 drugs, 10,000 bootstraps (R pvLRT 0.5.1: 9,800 ms elsewhere)", seconds, 0.5)


def _max_sprt() -> Row:
    exact = 3.952320905999  # the recursion of R Sequential 4.5.1
    found = poisson_max_sprt(alpha=0.05, length=100.0, minimum_events=1).critical_value
    if abs(found - exact) > 1e-9:
        raise ArithmeticError(f"critical value {found!r} is not {exact!r}")
    seconds = _best_seconds(lambda: poisson_max_sprt(alpha=0.05, length=100.0, minimum_events=1))
    return _limit("MaxSPRT critical value, T = 100, M = 1, exact to 1e-9", seconds, 0.05)


def _five_million_rows() -> Row:
    random = np.random.default_rng(5)
    rows = pl.DataFrame(
        {
            "case_id": random.integers(0, 1_200_000, _ROWS),
            "drug": _skewed(random, 2_000, _ROWS),
            "reaction": _skewed(random, 5_000, _ROWS),
        }
    ).select(pl.format("case {}", "case_id"), pl.format("drug {}", "drug"), pl.format("reaction {}", "reaction"))
    case_id, drug, reaction = rows.get_columns()
    seconds = _best_seconds(lambda: CountTable.from_reports(case_id, drug, reaction), runs=3)
    pairs = CountTable.from_reports(case_id, drug, reaction).pair_count
    return _limit(f"table of {pairs:,} pairs from {_ROWS:,} report rows of text", seconds, 2.0)


def run() -> list[Row]:
    """All comparisons; about two minutes."""
    arrays = reported_pairs(np.random.default_rng(1))
    return [
        _one_case(fit_gamma_mixture(arrays.n, arrays.expected).prior),
        _whole_table(arrays),
        *_shrinker(arrays),
        _likelihood_ratio(),
        _max_sprt(),
        _five_million_rows(),
        monthly_replay(),
    ]
