"""`kelsey report`: one page with plots on a table of reports."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE, as_json_option, print_json

__all__ = ["report"]

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command(
    epilog="""\b
Examples:
  kelsey report reports.csv --out page.html
  kelsey report reports.csv --out page.html --drug warfarin --pair warfarin haemorrhage
  kelsey report reports.parquet --out page.html --classes classes.csv --subset sex=F --since 2024-01-01 --json"""
)
@click.argument("reports", type=EXISTING_FILE)
@click.option("--out", type=OUTPUT_FILE, required=True, metavar="FILE", help="The page, HTML.")
@click.option("--drug", metavar="NAME", help="Rank and plot the pairs of this drug.")
@click.option("--pair", nargs=2, metavar="DRUG REACTION", help="Pair of the timeline; the strongest by default.")
@click.option("--top", type=click.IntRange(1, 50), default=10, show_default=True, help="Pairs to rank.")
@click.option("--classes", type=EXISTING_FILE, metavar="FILE.csv", help="Classes for the heat map: reaction,class.")
@click.option("--rule", "rules", multiple=True, metavar="NAME|FILE.toml", help="What flags a pair; repeatable.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Coverage of the intervals.")
@click.option("--stratify", multiple=True, metavar="COL", help="Stratify the expected count; repeat for several.")
@click.option("--subset", multiple=True, metavar="COL=VALUE", help="Only these; repeatable.")
@click.option("--since", type=_DAY, help="First day, included.")
@click.option("--until", type=_DAY, help="Last day, included.")
@click.option("--date-column", metavar="COL", help="Where the day stands; by default date, if there is one.")
@click.option("--groups", type=EXISTING_FILE, metavar="FILE.csv", help="Custom groups: kind,name,group.")
@as_json_option
def report(
    reports: Path, out: Path, drug: str | None, pair: tuple[str, str] | None, top: int, classes: Path | None,
    rules: tuple[str, ...], level: float, stratify: tuple[str, ...], subset: tuple[str, ...], since: datetime | None,
    until: datetime | None, date_column: str | None, groups: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Write one page on a table of reports: ranked pairs, forest plot, volcano plot, heat map, timeline, shrinkage.

    REPORTS is CSV or Parquet with case_id,drug,reaction and, for the timeline, a day. The page needs no network.
    """
    from kelsey.report import ReportSettings, write_report
    from kelsey.score_rules import chosen_rules
    from kelsey.score_selection import Selection, parse_subset

    settings = ReportSettings(
        selection=Selection(
            subset=parse_subset(subset), since=since.date() if since else None, until=until.date() if until else None,
            date_column=date_column or "date", groups=groups,
        ),
        stratify=stratify, level=level, rules=chosen_rules(rules) if rules else None, top=top, drug=drug,
        pair=pair or None, classes=classes, is_date_required=date_column is not None,
    )  # fmt: skip
    summary = write_report(reports, out, settings)
    if as_json:
        print_json(summary.as_dict())
        return
    scored = summary.scored
    click.echo(f"{out}: {scored.report_count:,} reports, {scored.pair_count:,} pairs")
    if scored.fit is None:
        click.echo(f"no EBGM: {scored.fit_status}")
    click.echo(f"strongest: {' / '.join(summary.top[0])}")
    if summary.timeline is None:
        click.echo(f"no timeline: {summary.no_days}")
