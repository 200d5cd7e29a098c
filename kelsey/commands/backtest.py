"""`kelsey backtest vaers`: the main job on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from kelsey.commands.options import EXISTING_FILE, as_json_option, print_json

__all__ = ["backtest"]


@click.group()
def backtest() -> None:
    """Replay published reports through sites and hub, as if they came in live."""


@backtest.command(
    epilog="""\b
Examples:
  kelsey backtest vaers 1990VAERSData.zip 1991VAERSData.zip --out var/vaers
  kelsey backtest vaers 199[1-7]VAERSData.zip --history 1990VAERSData.zip --out var/vaers --sites 5 --epsilon 3
  kelsey backtest vaers 2003VAERSData.zip --out var/exact --no-privacy"""
)
@click.argument("files", nargs=-1, required=True, type=EXISTING_FILE, metavar="FILE.zip...")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR")
@click.option(
    "--sites", type=click.IntRange(1, 1000), default=3, show_default=True, help="Sites the cases are dealt to."
)
@click.option("--epoch", type=click.Choice(["day", "week", "month"]), default="month", show_default=True)
@click.option(
    "--epsilon",
    type=click.FloatRange(0, 50, min_open=True),
    default=3.0,
    show_default=True,
    help="For the whole replay.",
)
@click.option("--delta", type=click.FloatRange(0, 0.01, min_open=True), default=1e-6, show_default=True)
@click.option("--trust", type=click.Choice(["per-site", "secure-sum"]), default="per-site", show_default=True,
              help="Who adds the noise: every site all of it, or all sites together.")  # fmt: skip
@click.option("--honest-fraction", type=click.FloatRange(0, 1, min_open=True), default=0.8, show_default=True,
              help="Share of the sites whose noise is relied upon, for --trust secure-sum.")  # fmt: skip
@click.option("--no-privacy", is_flag=True, help="No releases and no hub: the exact views only.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes the sites run in.")
@click.option(
    "--history",
    multiple=True,
    type=EXISTING_FILE,
    metavar="FILE.zip",
    help="Earlier years: their products and terms are the active cells. Repeat for several.",
)
@as_json_option
def vaers(
    files: tuple[Path, ...],
    out: Path,
    sites: int,
    epoch: str,
    epsilon: float,
    delta: float,
    trust: Literal["per-site", "secure-sum"],
    honest_fraction: float,
    no_privacy: bool,
    workers: int,
    history: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Replay VAERS years in order of the day received.

    Writes signals.csv, pairs.parquet, releases.ndjson, privacy.json, ingest.json and index.html to DIR.
    """
    from kelsey.backtest import BacktestSettings, run_backtest

    settings = BacktestSettings(
        files=files,
        history=history,
        out=out,
        site_count=sites,
        epoch_unit=epoch,
        epsilon=None if no_privacy else epsilon,
        delta=None if no_privacy else delta,
        trust=trust,
        honest_fraction=honest_fraction,
        worker_count=workers,
    )
    summary = run_backtest(settings)
    if as_json:
        print_json(summary.as_dict())
    else:
        click.echo(summary.text())
