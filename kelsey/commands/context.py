"""`kelsey context`: what an officer asks next of a flagged pair."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kelsey.commands.options import EXISTING_FILE, as_json_option, print_json

__all__ = ["context"]


def _pair(command: Any) -> Any:
    """The file and the pair, which both commands take."""
    for option in (
        as_json_option,
        click.option("--reaction", required=True, metavar="NAME", help="As the file writes it."),
        click.option("--drug", required=True, metavar="NAME", help="As the file writes it."),
        click.argument("reports", type=EXISTING_FILE),
    ):
        command = option(command)
    return command


@click.group()
def context() -> None:
    """Context of one pair: which product hides it, and how it came about."""


@context.command(
    epilog="""\b
Examples:
  kelsey context masking reports.csv --drug rofecoxib --reaction "myocardial infarction"
  kelsey context masking reports.parquet --drug warfarin --reaction haemorrhage --json"""
)
@_pair
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Products to show.")
def masking(reports: Path, drug: str, reaction: str, top: int, *, as_json: bool) -> None:
    """Recompute the IC of a pair without the reports of each other product of the reaction.

    REPORTS is CSV or Parquet with case_id,drug,reaction. The product whose removal raises the IC most comes first.
    """
    from kelsey.console import table
    from kelsey.context import masking_of_file, plain

    found = masking_of_file(reports, drug, reaction)
    if as_json:
        strongest = found.strongest.product if found.strongest else None
        values = asdict(found)
        print_json(plain(values | {"products": list(values["products"])[:top], "strongest": strongest}))
        return
    click.echo(f"{drug} / {reaction}: {found.n} reports, IC {_limits(found.value)}")
    header = ("without", "reports left", "of the pair", "IC", "gain", "masking ratio")
    rows = [
        (each.product, each.n_total, each.n, _limits(each.value), each.gain, each.masking_ratio)
        for each in found.products[:top]
    ]
    click.echo(table(rows, header=header) if rows else "no report names another product with the reaction")
    hides = f"{found.strongest.product} hides the pair most" if found.strongest else "no product hides the pair"
    click.echo(f"{hides}; {len(found.products)} products were left out in turn, without allowance for their number")


@context.command(
    epilog="""\b
Examples:
  kelsey context timeline reports.csv --drug rofecoxib --reaction "myocardial infarction"
  kelsey context timeline reports.csv --drug warfarin --reaction rash --period month --recent 6 --json"""
)
@_pair
@click.option(
    "--period", type=click.Choice(["week", "month", "quarter", "year"]), default="quarter", show_default=True,
    help="Length of a row.",
)  # fmt: skip
@click.option("--recent", type=click.IntRange(min=1), default=2, show_default=True, help="Last periods to compare.")
@click.option("--date-column", default="date", show_default=True, metavar="COL", help="Where the day stands.")
def timeline(
    reports: Path, drug: str, reaction: str, period: str, recent: int, date_column: str, *, as_json: bool
) -> None:
    """Show the IC of a pair over time: each period alone, all until its end, and whether it gathers pace.

    REPORTS is CSV or Parquet with case_id,drug,reaction and a day.
    """
    from kelsey.console import table
    from kelsey.context import plain, timeline_of_file

    found = timeline_of_file(reports, drug, reaction, period=period, recent=recent, date_column=date_column)
    pace = found.acceleration
    if as_json:
        print_json(
            plain(
                {
                    "drug": drug, "reaction": reaction, "periods": found.periods.to_dicts(),
                    "first_crossed": found.first_crossed, "is_above_at_end": found.is_above_at_end,
                    "acceleration": None if pace is None else asdict(pace), "undated": found.undated,
                }
            )
        )  # fmt: skip
        return
    names = ("n", "ic", "cumulative_n", "cumulative_ic", "cumulative_ic_lower")
    rows = [(str(row["period"]), *(row[name] for name in names)) for row in found.periods.rows(named=True)]
    click.echo(table(rows, header=(period, "reports", "IC", "reports so far", "IC so far", "lower limit")))
    first = "never" if found.first_crossed is None else f"first on {found.first_crossed}"
    click.echo(f"lower limit above 0 {first}; {'above' if found.is_above_at_end else 'not above'} 0 at the end")
    if pace is None:
        click.echo("acceleration: not enough periods with reports")
    else:
        click.echo(
            f"acceleration: IC of the last {recent} periods is {pace.log2_ratio:+.2f} against those before "
            f"(p = {pace.p_value:.3g})"
        )
    if found.undated:
        click.echo(f"{found.undated} reports without a day are left out")


def _limits(value: Any) -> str:
    return f"{value.point:.2f} ({value.lower:.2f} to {value.upper:.2f})"
