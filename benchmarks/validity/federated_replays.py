"""Whether the hub finds, through a secure sum, the large excesses that everybody's reports put together show.

Single years of VAERS go through three sites, two aggregators and the hub, month by month. Each is replayed with the
budget in question and with a very large one: what is missed in both is not missed for noise. The hub's own rules on the
exact counts of everybody's reports say what they would ask for without noise, wallets and margins of their own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.shared_data import data_folder
from benchmarks.validity.study import Table
from hub.noisy_totals import NoisyTotals
from hub.rules import DEFAULT_RULES, rules_named
from hub.statistics import noisy_scores
from kelsey.backtest import BacktestSettings, run_backtest

__all__ = ["found_excesses", "raised_on_exact", "secure_sum_replays"]

_YEARS = range(1990, 1998)
_SITES = 3
_EPSILON, _NEXT_TO_NO_NOISE = 3.0, 50.0
_LEAST_EXCESS = 60
_LISTED = 15
_KEY = ["drug", "reaction"]


def found_excesses(signals: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs that the pooled view ever flagged, with 60 excess reports at the end, and whether the hub raised them.

    Parameters
    ----------
    signals, pairs
        ``signals.csv`` and ``pairs.parquet`` of a back-test.

    Returns
    -------
    polars.DataFrame
        ``drug``, ``reaction``, ``rule`` (that flagged it), ``n``, ``expected``, ``is_found``, and ``is_exact``: whether
        the hub's rules raise it on the exact counts at the end; largest excess first.
    """
    pooled, hub = (signals.filter(pl.col("view") == view).select([*_KEY, "rule"]) for view in ("pooled", "hub"))
    found = hub.select([*_KEY, pl.lit(True).alias("is_found")])
    return (
        pooled.join(pairs.select([*_KEY, "n", "expected"]), on=_KEY)
        .filter(pl.col("n") - pl.col("expected") >= _LEAST_EXCESS)
        .join(found, on=_KEY, how="left")
        .join(raised_on_exact(pairs), on=_KEY, how="left")
        .with_columns(pl.col("is_found", "is_exact").fill_null(False))
        .sort(pl.col("n") - pl.col("expected"), descending=True)
    )


def raised_on_exact(pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs that any of the hub's rules raises on exact counts: ``drug``, ``reaction``, ``is_exact`` (true).

    Parameters
    ----------
    pairs
        ``drug``, ``reaction``, ``n``, ``n_drug``, ``n_reaction``, ``n_total`` of every pair that was reported.
    """
    drugs, reactions = (pairs.group_by(name).agg(pl.first(f"n_{name}")).sort(name) for name in _KEY)
    row, column = (
        each[name].search_sorted(pairs[name]).to_numpy() for each, name in zip((drugs, reactions), _KEY, strict=True)
    )
    count = np.zeros((len(drugs), len(reactions)))
    count[row, column] = pairs["n"].to_numpy()
    totals = NoisyTotals(
        pair=count,
        drug=drugs["n_drug"].to_numpy().astype(np.float64),
        reaction=reactions["n_reaction"].to_numpy().astype(np.float64),
        total=float(pairs["n_total"][0]),
        pair_sd=0.0,
        drug_sd=0.0,
        reaction_sd=0.0,
        total_sd=0.0,
    )
    scores = noisy_scores(totals)
    raised = np.logical_or.reduce([rule.flags(scores) for rule in rules_named(DEFAULT_RULES)])
    at, of = np.divmod(np.flatnonzero(raised), len(reactions))
    return pl.DataFrame({"drug": drugs["drug"][at], "reaction": reactions["reaction"][of]}).with_columns(is_exact=True)


def _replay(file: Path, epsilon: float) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as out:
        settings = BacktestSettings(
            files=(file,),
            out=Path(out),
            site_count=_SITES,
            epoch_unit="month",
            epsilon=epsilon,
            delta=1e-6,
            trust="secure-sum",
        )
        run_backtest(settings)
        signals = pl.read_csv(Path(out) / "signals.csv", infer_schema_length=None)
        return found_excesses(signals, pl.read_parquet(Path(out) / "pairs.parquet"))


def secure_sum_replays() -> Table:
    """Found and wanted by year, and the largest that were missed. Raises `FileNotFoundError` without the data."""
    rows, every = [], []
    for year in _YEARS:
        file = data_folder("vaers") / f"{year}VAERSData.zip"
        at_budget = _replay(file, _EPSILON)
        quiet = _replay(file, _NEXT_TO_NO_NOISE).select([*_KEY, pl.col("is_found").alias("is_in_quiet")])
        both = at_budget.join(quiet, on=_KEY, how="left").with_columns(pl.lit(year).alias("year"))
        ratio = pl.col("n") / pl.col("expected")
        asked = both.filter(pl.col("is_exact"))
        rows.append(
            (
                str(year),
                *(_share(part, "is_found") for part in (both, both.filter(ratio >= 2))),
                _share(both, "is_in_quiet"),
                _share(both, "is_exact"),
                _share(asked, "is_found"),
            )
        )
        every.append(both)
    wanted = pl.concat(every)
    gone = wanted.filter(~pl.col("is_found")).sort(pl.col("n") - pl.col("expected"), descending=True)
    lines = [
        f"{row['drug']} - {row['reaction']}, {row['year']}: {row['n']} reports, {row['expected']:.0f} expected"
        f" ({'found' if row['is_in_quiet'] else 'not found'} next to no noise)"
        for row in gone.head(_LISTED).iter_rows(named=True)
    ]
    return Table(
        title="Large excesses of VAERS through a secure sum",
        about=f"Single years dealt to {_SITES} sites, monthly releases, epsilon {_EPSILON:g} for the year, delta 1e-6, "
        f"secure sum: of the pairs that `evans`, `ema` or `umc` flag on all reports by the end of the year, with "
        f"{_LEAST_EXCESS} or more excess reports then, how many the hub raised by then, by any of its rules "
        f"({', '.join(f'`{rule.name}`' for rule in rules_named(DEFAULT_RULES))}). Next to no noise is an epsilon of "
        f"{_NEXT_TO_NO_NOISE:g}. Raised on exact counts: by the same rules at the end of the year, from all reports, "
        "without noise or wallets. Noise is the operating system's: borderline pairs differ between runs.",
        header=(
            "year",
            "found",
            "found, of those at twice expectation or more",
            "found next to no noise",
            "raised on exact counts",
            "found, of those raised on exact counts",
        ),
        rows=rows,
        notes=(
            f"Missed in all: {len(gone)}; by the noise {int(gone['is_in_quiet'].sum())}, for other reasons "
            f"{int((~gone['is_in_quiet']).sum())}: wallets halve the counts, and published rules ask for less. On "
            f"exact counts the hub's rules raise {_share(wanted, 'is_exact')}.",
            *(f"Missed: {line}" for line in lines),
        ),
    )


def _share(pairs: pl.DataFrame, column: str) -> str:
    return f"{int(pairs[column].sum())} of {len(pairs)}"
