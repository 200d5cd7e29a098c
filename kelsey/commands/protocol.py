"""`kelsey protocol`: the document that sites and hub agree on before the first release."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Literal

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE, as_json_option, print_json

__all__ = ["protocol"]


@click.group()
def protocol() -> None:
    """Make and read surveillance protocols."""


@protocol.command(
    epilog="""\b
Examples:
  kelsey protocol new --name national --era 2027-2031 --start 2027-01-04 --epoch week --epochs 260 \\
      --epsilon 3 --delta 1e-7 --vocabulary terms.csv --out protocol.json
  kelsey protocol new --name pilot --era 2027 --start 2027-01-01 --epoch month --epochs 12 \\
      --epsilon 1 --delta 1e-6 --out protocol.json"""
)
@click.option("--name", required=True, help="What people call it.")
@click.option("--era", required=True, help="Name of the time for which budget and wallets are paid once.")
@click.option("--start", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day of the first epoch.")
@click.option("--epoch", "unit", required=True, type=click.Choice(["day", "week", "month"]))
@click.option("--epochs", required=True, type=click.IntRange(1, 10_000), help="Number of epochs of the era.")
@click.option("--epsilon", required=True, type=float, help="Budget of one patient at one site for the whole era.")
@click.option("--delta", required=True, type=float, help="At most 1 / (10 x patients).")
@click.option(
    "--vocabulary",
    type=EXISTING_FILE,
    help="Table kind,name,synonym,system,code: its drugs and reactions are the cells. Default: the built-in one.",
)
@click.option("--narratives", is_flag=True, help="Count what is read in narratives like coded items.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    default=("noise-aware-z", "evans", "ema", "umc"),
    show_default=True,
    help="By which the hub raises SDRs; repeat for several. Published rules are applied to noise-aware lower bounds.",
)
@click.option("--out", type=OUTPUT_FILE, required=True, help="Protocol file (canonical JSON).")
def new(
    name: str,
    era: str,
    start: datetime,
    unit: Literal["day", "week", "month"],
    epochs: int,
    epsilon: float,
    delta: float,
    vocabulary: Path | None,
    narratives: bool,
    rules: tuple[str, ...],
    out: Path,
) -> None:
    """Make a protocol file; says what is unusual about it."""
    from cases import TermKind
    from hub.rules import rules_of
    from kelsey.intake import load_vocabulary
    from privacy.calendar import EpochCalendar
    from privacy.protocol import SurveillanceProtocol

    terms = load_vocabulary(vocabulary)
    made = SurveillanceProtocol(
        name=name,
        version="1",
        era=era,
        vocabulary=terms.label,
        drugs=terms.names(TermKind.DRUG),
        reactions=terms.names(TermKind.REACTION),
        calendar=EpochCalendar(unit, date(start.year, start.month, start.day), epochs),
        epsilon=epsilon,
        delta=delta,
        with_narrative=narratives,
        rules=rules,
    )
    rules_of(made)
    made.dump(out)
    click.echo(f"{out}: {made.cell_count:,} cells, hash {made.hash}")
    for concern in made.concerns():
        click.echo(f"note: {concern}", err=True)


@protocol.command(
    epilog="""\b
Example:
  kelsey protocol show protocol.json"""
)
@click.argument("file", type=EXISTING_FILE)
@as_json_option
def show(file: Path, as_json: bool) -> None:
    """Say in words what a protocol promises, and the noise it means."""
    from kelsey.protocol_words import describe
    from privacy.protocol import SurveillanceProtocol

    loaded = SurveillanceProtocol.load(file)
    facts = describe(loaded)
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for label, value in facts.items():
        click.echo(f"{label.ljust(width)}  {value}")
    for concern in loaded.concerns():
        click.echo(f"note: {concern}", err=True)
