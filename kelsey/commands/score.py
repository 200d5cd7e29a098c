"""`kelsey score`: the statistics of a plain table of reports or counts, for an analyst who has no Kafka."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE, as_json_option, print_json

__all__ = ["score"]

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command(
    epilog="""\b
Examples:
  kelsey score --reports reports.csv --out scores.csv
  kelsey score --reports reports.csv --out scores.parquet --stratify sex --stratify age_band
  kelsey score --reports reports.parquet --out scores.xlsx --subset sex=F --since 2024-01-01 --rule evans
  kelsey score --counts counts.csv.gz --out scores.csv --measures prr,ic --json"""
)
@click.option("--reports", type=EXISTING_FILE, metavar="FILE", help="CSV or Parquet: case_id,drug,reaction[,...].")
@click.option("--counts", type=EXISTING_FILE, metavar="FILE", help="Instead: drug,reaction,count, margins by sum.")
@click.option("--out", type=OUTPUT_FILE, required=True, metavar="FILE", help="One row a pair; .csv, .parquet, .xlsx.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet", "xlsx"]), help="Whatever the name ends in.")
@click.option("--measures", "names", metavar="LIST", help="Comma-separated, e.g. prr,ror,chi2,ic,ebgm,ror_exact,llr.")
@click.option("--rule", "rules", multiple=True, metavar="NAME|FILE.toml", help="Column of what it flags; repeatable.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Coverage of the intervals.")
@click.option("--stratify", multiple=True, metavar="COL", help="Stratify the expected count; repeat for several.")
@click.option("--subset", multiple=True, metavar="COL=VALUE", help="Only these; repeatable.")
@click.option("--since", type=_DAY, help="First day, included.")
@click.option("--until", type=_DAY, help="Last day, included.")
@click.option("--date-column", default="date", show_default=True, metavar="COL", help="Where the day stands.")
@click.option("--groups", type=EXISTING_FILE, metavar="FILE.csv", help="Custom groups: kind,name,group.")
@click.option("--hierarchy", type=EXISTING_FILE, metavar="FILE.csv", help="Score all levels too: child,parent.")
@click.option("--exposure", type=EXISTING_FILE, metavar="FILE.csv", help="Reports per exposure too: drug,exposure.")
@as_json_option
def score(
    reports: Path | None, counts: Path | None, out: Path, form: str | None, names: str | None, rules: tuple[str, ...],
    level: float, stratify: tuple[str, ...], subset: tuple[str, ...], since: datetime | None, until: datetime | None,
    date_column: str, groups: Path | None, hierarchy: Path | None, exposure: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Score every drug-reaction pair of a table: PRR, ROR, chi-square, IC and EBGM with intervals.

    The counting unit is the distinct report (case_id): a pair named twice in a report counts once.
    """
    from kelsey.hierarchy_file import read_hierarchy
    from kelsey.score import asked_measures, score_counts, score_reports
    from kelsey.score_rules import chosen_rules
    from kelsey.score_selection import Selection, parse_subset

    if (reports is None) == (counts is None):
        raise click.UsageError("give either --reports or --counts")
    measures = None if names is None else asked_measures(names)
    chosen = chosen_rules(rules) if rules else None
    if counts is not None:
        if stratify or subset or since or until or groups or hierarchy:
            raise click.UsageError("--stratify, --subset, --since, --until, --groups and --hierarchy need --reports")
        summary = score_counts(counts, out, level=level, rules=chosen, names=measures, exposure=exposure, form=form)
    else:
        assert reports is not None  # noqa: S101  one of the two is given
        selection = Selection(
            subset=parse_subset(subset), since=since.date() if since else None, until=until.date() if until else None,
            date_column=date_column, groups=groups, hierarchy=read_hierarchy(hierarchy) if hierarchy else None,
        )  # fmt: skip
        summary = score_reports(
            reports, out, stratify=stratify, level=level, rules=chosen, names=measures, selection=selection,
            exposure=exposure, form=form,
        )  # fmt: skip
    if as_json:
        print_json(summary.as_dict())
    else:
        click.echo(summary.text())
