"""Whether the hub's intervals cover and its rules keep quiet, on simulated counts with privacy noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import nchypergeom_fisher

from benchmarks.validity.study import Table
from detectors import EmpiricalBayes, PairArrays
from detectors.noisy import load_public_prior
from hub.noisy_totals import NoisyTotals
from hub.rules import load_noise_aware_rules
from hub.score_interval import cell_count_interval
from hub.statistics import noisy_scores

__all__ = ["coverage_through_noise", "covered_shares", "null_table", "rules_through_noise"]

_SEED = 20250101
_Floats = NDArray[np.float64]

_TOTAL = 200_000
_TABLES = 40_000
_EXPECTED, _SDS, _ODDS = (1, 2, 5, 20, 100), (0.5, 1.0, 3.0, 8.67, 30.0), (0.5, 1.0, 2.0, 4.0, 8.0)
_MARGIN_NOISE = 4  # standard deviation of a margin's noise in that of a pair's: margins are sums, and share the budget

_LOOKS = 4
_BANDS = ((0.0, 1.0), (1.0, 5.0), (5.0, 20.0), (20.0, 100.0), (100.0, np.inf))
_PAIR_SD = 6.5


def covered_shares(expected: float, odds: float, sd: float, *, tables: int, random: np.random.Generator) -> _Floats:
    """Share of noisy tables whose 95 % interval holds the true ROR, and the same of observed over expected."""
    n_drug = n_reaction = round(np.sqrt(expected * _TOTAL))
    law = nchypergeom_fisher(_TOTAL, n_reaction, n_drug, odds)
    likely = np.arange(min(n_drug, int(60 + expected * odds + 12 * np.sqrt(expected * odds))))
    chance = law.pmf(likely)
    true = np.searchsorted(np.cumsum(chance), random.random(tables)).astype(np.float64)
    ratio = float(chance @ likely) / (n_drug * n_reaction / _TOTAL)
    margin_sd = _MARGIN_NOISE * sd
    count = true + random.normal(0, sd, tables)
    drug, reaction = (margin + random.normal(0, margin_sd, tables) for margin in (n_drug, n_reaction))
    quantile = float(ndtri(0.975))
    known = (drug > quantile * margin_sd) & (reaction > quantile * margin_sd)
    count, drug, reaction = count[known], drug[known], reaction[known]
    low, high = cell_count_interval(
        count, drug, reaction, float(_TOTAL), variances=(sd**2, margin_sd**2, margin_sd**2, 0.0), quantile=quantile
    )
    inside = (_odds(low, drug, reaction) <= odds) & (odds <= _odds(high, drug, reaction))
    within = drug * reaction / _TOTAL * ratio
    return np.array([inside.mean(), np.mean((low <= within) & (within <= high))])


def _odds(cell: _Floats, drug: _Floats, reaction: _Floats) -> _Floats:
    b, c = drug - cell, reaction - cell
    with np.errstate(divide="ignore"):
        return np.asarray(np.where((b > 0) & (c > 0), cell * (_TOTAL - drug - reaction + cell) / (b * c), np.inf))


def coverage_through_noise() -> Table:
    """Coverage of the intervals of ROR and observed over expected, by expected count and noise."""
    random = np.random.default_rng(_SEED)
    rows, every = [], []
    for sd in _SDS:
        for expected in _EXPECTED:
            shares = np.array([covered_shares(expected, odds, sd, tables=_TABLES, random=random) for odds in _ODDS])
            every.append(shares)
            cells = (" / ".join(f"{share:.3f}" for share in pair) for pair in shares)
            rows.append((f"{sd:g}", str(expected), *cells))
    found = np.array(every)
    outside = int(np.sum((found < 0.94) | (found > 0.96)))
    return Table(
        title="Intervals through privacy noise",
        about=f"Share of 95 % intervals that hold the truth, ROR / observed over expected, of {_TABLES:,} simulated "
        f"tables each (seed {_SEED}, error at 95 %: 0.002): hypergeometric counts, noise of the pair and of its "
        f"margins ({_MARGIN_NOISE} times as much).",
        header=("noise sd", "expected", *(f"ROR {odds:g}" for odds in _ODDS)),
        rows=rows,
        notes=(
            f"From {found.min():.3f} to {found.max():.3f}; outside 0.94 to 0.96: {outside} of {found.size}.",
            "Observed over expected had an interval of its own before, with Poisson variance: it covered 0.975 where "
            "the pair is a large part of its margins (expected 100, ROR 8); now it follows from the same true counts.",
        ),
    )


def null_table(random: np.random.Generator) -> NoisyTotals:
    """Half a million pairs without association, margins as skewed as real ones."""
    drug, reaction = random.lognormal(0, 1.2, 500), random.lognormal(0, 1.5, 1000)
    true = random.poisson(np.outer(drug / drug.sum(), reaction / reaction.sum()) * 4_000_000).astype(np.float64)
    margin_sd = _PAIR_SD * (2 * 0.95 / 0.05) ** 0.5
    return NoisyTotals(
        pair=true + random.normal(0, _PAIR_SD, true.shape),
        drug=true.sum(axis=1) + random.normal(0, margin_sd, 500),
        reaction=true.sum(axis=0) + random.normal(0, margin_sd, 1000),
        total=float(true.sum() + random.normal(0, 2000)),
        pair_sd=_PAIR_SD, drug_sd=margin_sd, reaction_sd=margin_sd, total_sd=2000.0,
    )  # fmt: skip


def _noise_ignored(scores: dict[str, _Floats]) -> NDArray[np.bool_]:
    """EB05 of at least 2 where the noisy counts are taken for counts."""
    count, expected = np.maximum(np.rint(scores["n"]), 0.0), scores["expected"]
    index = np.zeros(count.size, dtype=np.int64)
    arrays = PairArrays(
        drug_names=("",), reaction_names=("",), drug_index=index, reaction_index=index, n=count.astype(np.int64),
        n_drug=index, n_reaction=index, n_total=index, expected=expected,
    )  # fmt: skip
    shrunken = EmpiricalBayes(prior=load_public_prior().prior, level=0.90).score_many(arrays)
    return np.asarray(shrunken[:, 1] >= 2)


def rules_through_noise() -> Table:
    """False alarms of every rule of the hub on pairs without association, by expected count."""
    random = np.random.default_rng(_SEED)
    rules = load_noise_aware_rules()
    raised = {name: np.zeros(len(_BANDS), dtype=np.int64) for name in (*rules, "EB05 at least 2, noise ignored")}
    cells = np.zeros(len(_BANDS), dtype=np.int64)
    for _ in range(_LOOKS):
        scores = noisy_scores(null_table(random))
        flags = {name: rule.flags(scores) for name, rule in rules.items()}
        flags["EB05 at least 2, noise ignored"] = _noise_ignored(scores)
        for band, (low, high) in enumerate(_BANDS):
            within = (scores["expected"] >= low) & (scores["expected"] < high)
            cells[band] += within.sum()
            for name, flag in flags.items():
                raised[name][band] += np.sum(flag & within)
    total = _LOOKS * 500_000
    return Table(
        title="False alarms of the hub's rules",
        about=f"Pairs raised of {total:,} without association ({_LOOKS} looks at 500 x 1000 pairs, noise sd {_PAIR_SD} "
        f"of a pair and {_PAIR_SD * (2 * 0.95 / 0.05) ** 0.5:.0f} of a margin, seed {_SEED}), by expected count.",
        header=("rule", *(f"E from {low:g} to {high:g}" for low, high in _BANDS), "all", "in 100,000"),
        rows=[
            (name, *(f"{count:,}" for count in counts), f"{counts.sum():,}", f"{counts.sum() / total * 1e5:,.1f}")
            for name, counts in raised.items()
        ],
        notes=(
            f"Pairs looked at, by band: {', '.join(f'{count:,}' for count in cells)}; the margins of the others are "
            "too noisy to say what is expected.",
        ),
    )
