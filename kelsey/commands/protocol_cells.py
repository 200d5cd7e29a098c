"""`kelsey protocol cells` and `promote`: which pairs of a large vocabulary have a cell of their own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE, as_json_option, print_json
from kelsey.console import table

__all__ = ["cells", "promote"]


@click.command(
    epilog="""\b
Examples:
  kelsey protocol cells --vocabulary terms.csv --counts public.csv --floor 1 --out cells.json
  kelsey protocol cells --vocabulary terms.csv --counts public.csv --floor 5 --pairs watch-list.csv \\
      --drug "new product" --out cells.json"""
)
@click.option("--vocabulary", type=EXISTING_FILE, help="As given to `kelsey protocol new`. Default: the built-in one.")
@click.option(
    "--counts", type=EXISTING_FILE, required=True, help="Public reports by pair: CSV or Parquet drug,reaction,n."
)
@click.option("--floor", type=float, default=1.0, show_default=True, help="Least expected public count of a pair.")
@click.option("--pairs", type=EXISTING_FILE, help="Watch-list, CSV or Parquet drug,reaction: active in any case.")
@click.option("--drug", "drugs", multiple=True, metavar="NAME", help="Active with every reaction; repeat for several.")
@click.option("--out", type=OUTPUT_FILE, required=True, help="Artefact (canonical JSON with its hash).")
@as_json_option
def cells(
    vocabulary: Path | None,
    counts: Path,
    floor: float,
    pairs: Path | None,
    drugs: tuple[str, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Choose, from public data alone, the pairs that have a cell of their own; all others share buckets."""
    from kelsey.cell_choice import choose_cells
    from kelsey.intake import load_vocabulary

    made = choose_cells(
        load_vocabulary(vocabulary), counts=counts, floor=floor, watched_pairs=pairs, watched_drugs=drugs
    )
    made.cells.dump(out)
    facts = {
        "hash": made.cells.hash,
        "active_cells": made.cells.count,
        "pairs": made.cells.drugs * made.cells.reactions,
        "expected_share": round(made.expected_share, 4),
        "unknown_rows": made.unknown_rows,
    }
    if as_json:
        print_json(facts)
        return
    click.echo(table(facts.items()))


@click.command(
    epilog="""\b
Example:
  curl -H "Authorization: Bearer $KEY" https://hub.example.org/v1/residual > flagged.json
  kelsey protocol promote protocol.json --flagged flagged.json --era 2028 --start 2028-01-03 --out next.json"""
)
@click.argument("file", type=EXISTING_FILE)
@click.option("--flagged", type=EXISTING_FILE, required=True, help="What the hub answers to GET /v1/residual.")
@click.option("--era", required=True, help="Name of the next era; an era has one protocol.")
@click.option("--start", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day of its first epoch.")
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Number of its epochs. Default: as many as now.")
@click.option("--out", type=OUTPUT_FILE, required=True, help="Protocol of the next era (canonical JSON).")
def promote(file: Path, flagged: Path, era: str, start: datetime, epochs: int | None, out: Path) -> None:
    """Make the next era's protocol, in which the candidates of flagged buckets have cells of their own."""
    from msgspec import UNSET

    from kelsey import promotion
    from privacy.active_cells import cells_beside
    from privacy.chosen_strategy import factorisation_beside, find_artefact
    from privacy.protocol import SurveillanceProtocol

    protocol = SurveillanceProtocol.load(file)
    made = promotion.promote(protocol, promotion.read_report(flagged), era=era, start=start.date(), epochs=epochs)
    if protocol.factorisation is not UNSET:
        matrix = find_artefact(protocol.factorisation, protocol_file=file, factorisation_file=None)
        made.protocol.bind(matrix)
        matrix.dump(factorisation_beside(out))
        click.echo(f"{factorisation_beside(out)}: hand it out with the protocol")
    made.cells.dump(cells_beside(out))
    click.echo(f"{cells_beside(out)}: hand it out with the protocol")
    made.protocol.dump(out)
    click.echo(f"{out}: {len(made.pairs):,} pairs promoted, {made.cells.count:,} active, hash {made.protocol.hash}")
    if made.left_out:
        click.echo(f"note: {made.left_out:,} pairs of flagged buckets are not named in the report", err=True)
