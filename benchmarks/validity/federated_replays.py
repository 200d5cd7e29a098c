"""Whether the hub finds, through a secure sum, the large excesses that everybody's reports put together show.

Single years of VAERS go through three sites, two aggregators and the hub, month by month. Each is replayed with the
budget in question and with a very large one: what is missed in both is not missed for noise.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl

from benchmarks.shared_data import data_folder
from benchmarks.validity.study import Table
from kelsey.backtest import BacktestSettings, run_backtest

__all__ = ["found_excesses", "secure_sum_replays"]

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
        ``drug``, ``reaction``, ``rule`` (that flagged it), ``n``, ``expected``, ``is_found``; largest excess first.
    """
    pooled, hub = (signals.filter(pl.col("view") == view).select([*_KEY, "rule"]) for view in ("pooled", "hub"))
    found = hub.select([*_KEY, pl.lit(True).alias("is_found")])
    return (
        pooled.join(pairs.select([*_KEY, "n", "expected"]), on=_KEY)
        .filter(pl.col("n") - pl.col("expected") >= _LEAST_EXCESS)
        .join(found, on=_KEY, how="left")
        .with_columns(pl.col("is_found").fill_null(False))
        .sort(pl.col("n") - pl.col("expected"), descending=True)
    )


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
    rows, missed = [], []
    for year in _YEARS:
        file = data_folder("vaers") / f"{year}VAERSData.zip"
        at_budget = _replay(file, _EPSILON)
        quiet = _replay(file, _NEXT_TO_NO_NOISE).select([*_KEY, pl.col("is_found").alias("is_in_quiet")])
        both = at_budget.join(quiet, on=_KEY, how="left").with_columns(pl.lit(year).alias("year"))
        ratio = pl.col("n") / pl.col("expected")
        strong, all_of_them = both.filter(ratio >= 2), both
        rows.append(
            (
                str(year),
                *(f"{int(part['is_found'].sum())} of {len(part)}" for part in (all_of_them, strong)),
                f"{int(both['is_in_quiet'].sum())} of {len(both)}",
            )
        )
        missed.append(both.filter(~pl.col("is_found")))
    gone = pl.concat(missed).sort(pl.col("n") - pl.col("expected"), descending=True)
    lines = [
        f"{row['drug']} - {row['reaction']}, {row['year']}: {row['n']} reports, {row['expected']:.0f} expected"
        f" ({'found' if row['is_in_quiet'] else 'not found'} next to no noise)"
        for row in gone.head(_LISTED).iter_rows(named=True)
    ]
    return Table(
        title="Large excesses of VAERS through a secure sum",
        about=f"Single years dealt to {_SITES} sites, monthly releases, epsilon {_EPSILON:g} for the year, delta 1e-6, "
        f"secure sum: of the pairs that `evans`, `ema` or `umc` flag on all reports by the end of the year, with "
        f"{_LEAST_EXCESS} or more excess reports then, how many the hub raised by then. The last column is with an "
        f"epsilon of {_NEXT_TO_NO_NOISE:g}, next to no noise. Noise is the operating system's: borderline pairs "
        "differ between runs.",
        header=("year", "found", "found, of those at twice expectation or more", "found next to no noise"),
        rows=rows,
        notes=(
            f"Missed in all: {len(gone)}; by the noise {int(gone['is_in_quiet'].sum())}, for other reasons "
            f"{int((~gone['is_in_quiet']).sum())}: the hub's margins add up pairs, not reports, so that reports with "
            "many products and symptoms raise what is expected of their pairs; wallets then halve the counts; and the "
            "hub's rules ask for 4.1 standard deviations, which the published rules do not.",
            *(f"Missed: {line}" for line in lines),
        ),
    )
