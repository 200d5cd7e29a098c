"""`kelsey interactions`: pairs of drugs that are reported with a reaction more often than each on its own explains."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE, as_json_option, print_json

__all__ = ["interactions"]

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command(
    epilog="""\b
Examples:
  kelsey interactions --reports reports.csv --out interactions.csv
  kelsey interactions --reports reports.parquet --out interactions.xlsx --minimum-reports 5 --subset sex=F
  kelsey interactions --reports reports.csv --out interactions.csv --measures omega,omega_normal --json"""
)
@click.option(
    "--reports", type=EXISTING_FILE, required=True, metavar="FILE", help="CSV or Parquet: case_id,drug,reaction."
)
@click.option("--out", type=OUTPUT_FILE, required=True, metavar="FILE", help="One row a triple; .csv, .parquet, .xlsx.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet", "xlsx"]), help="Whatever the name ends in.")
@click.option(
    "--minimum-reports", type=int, default=3, show_default=True, metavar="N", help="Of a triple to be listed."
)
@click.option("--measures", "names", default="omega", show_default=True, metavar="LIST", help="Of omega, omega_normal.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Coverage of the intervals.")
@click.option("--subset", multiple=True, metavar="COL=VALUE", help="Only these; repeatable.")
@click.option("--since", type=_DAY, help="First day, included.")
@click.option("--until", type=_DAY, help="Last day, included.")
@click.option("--date-column", default="date", show_default=True, metavar="COL", help="Where the day stands.")
@click.option("--groups", type=EXISTING_FILE, metavar="FILE.csv", help="Custom groups: kind,name,group.")
@as_json_option
def interactions(
    reports: Path, out: Path, form: str | None, minimum_reports: int, names: str, level: float,
    subset: tuple[str, ...], since: datetime | None, until: datetime | None, date_column: str, groups: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Score every two drugs and a reaction that enough reports name together: Omega with its interval.

    Above 0 there are more reports than the risks of the two drugs add up to. Each drug of a report meets each of its
    reactions, whichever rows they stand in.
    """
    from kelsey.interactions import score_interactions
    from kelsey.score_selection import Selection, parse_subset

    allowed = parse_subset(subset)
    if {"drug", "reaction"} & allowed.keys():
        raise click.UsageError("--subset on drug or reaction would leave no reports to compare with")
    selection = Selection(
        subset=allowed, since=since.date() if since else None, until=until.date() if until else None,
        date_column=date_column, groups=groups,
    )  # fmt: skip
    measures = tuple(name.strip() for name in names.split(",") if name.strip())
    summary = score_interactions(
        reports, out, minimum_reports=minimum_reports, level=level, names=measures, selection=selection, form=form
    )
    if as_json:
        print_json(summary.as_dict())
    else:
        click.echo(summary.text())
