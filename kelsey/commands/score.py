"""`kelsey score`: the statistics of a plain report table, for an analyst who has no Kafka."""

from __future__ import annotations

from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE

__all__ = ["score"]


@click.command(
    epilog="""\b
Examples:
  kelsey score --reports reports.csv --out scores.csv
  kelsey score --reports reports.csv --out scores.parquet --stratify sex --stratify age_band"""
)
@click.option(
    "--reports",
    type=EXISTING_FILE,
    required=True,
    metavar="FILE.csv",
    help="One row a drug and reaction of a report: case_id,drug,reaction[,strata...].",
)
@click.option("--out", type=OUTPUT_FILE, required=True, metavar="FILE.{csv,parquet}", help="One row a pair.")
@click.option(
    "--stratify", multiple=True, metavar="COL", help="Column to stratify the expected count by; repeat for several."
)
def score(reports: Path, out: Path, stratify: tuple[str, ...]) -> None:
    """Score every drug-reaction pair of a report table: PRR, ROR, chi-square and IC with intervals.

    The counting unit is the distinct report (case_id): a pair named twice in a report counts once.
    """
    from kelsey.score import score_reports

    summary = score_reports(reports, out, stratify=stratify)
    click.echo(summary)
