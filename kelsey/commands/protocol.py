"""`kelsey protocol`: the document that sites and hub agree on before the first release."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Literal

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE, as_json_option, print_json
from kelsey.commands.protocol_agreement import accept, activate, diff, sign
from kelsey.commands.protocol_annex import annex
from kelsey.commands.protocol_cells import cells, promote
from kelsey.console import table

__all__ = ["protocol"]


@click.group()
def protocol() -> None:
    """Make, read, sign and accept surveillance protocols."""


@protocol.command(
    epilog="""\b
Examples:
  kelsey protocol new --name national --era 2027-2031 --start 2027-01-04 --epoch week --epochs 260 \\
      --epsilon 3 --delta 1e-7 --vocabulary terms.csv --out protocol.json
  kelsey protocol new --name pilot --era 2027 --start 2027-01-01 --epoch month --epochs 12 \\
      --epsilon 1 --delta 1e-6 --out protocol.json
  kelsey protocol new --name national --era 2027 --start 2027-01-01 --epoch day --epochs 365 --epsilon 3 --delta 1e-7 \\
      --trust secure-sum --minimum-cohort 40 --honest-fraction 0.8 --factorisation daily-year --out protocol.json
  kelsey protocol new --name large --era 2027 --start 2027-01-04 --epoch week --epochs 52 --epsilon 3 --delta 1e-7 \\
      --vocabulary terms.csv --cells cells.json --buckets 1048576 --out protocol.json"""
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
    default=("noise-aware-fdr", "noise-aware-z", "evans", "ema", "umc"),
    show_default=True,
    help="By which the hub raises SDRs; repeat for several. Published rules are applied to noise-aware lower bounds.",
)
@click.option(
    "--factorisation",
    metavar="FILE",
    help="Artefact of `kelsey protocol factorise`, or daily-year (built in). Default: the square root.",
)
@click.option(
    "--trust",
    type=click.Choice(["per-site", "secure-sum"]),
    default="per-site",
    show_default=True,
    help="Who adds the noise: every site the whole of it, or all together to a sum that two aggregators form.",
)
@click.option("--minimum-cohort", type=int, help="Of secure-sum: fewest sites with which a sum is opened.")
@click.option("--honest-fraction", type=float, help="Of secure-sum: share of them that is relied upon, in (0, 1].")
@click.option(
    "--cells",
    "active",
    type=EXISTING_FILE,
    help="Artefact of `kelsey protocol cells`. Default: every pair has a cell of its own.",
)
@click.option("--buckets", type=int, help="Of --cells: number of buckets for all other pairs, a power of two.")
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
    factorisation: str | None,
    trust: Literal["per-site", "secure-sum"],
    minimum_cohort: int | None,
    honest_fraction: float | None,
    active: Path | None,
    buckets: int | None,
    out: Path,
) -> None:
    """Make a protocol file; says what is unusual about it."""
    from msgspec import UNSET

    from cases import TermKind
    from hub.rules import rules_of
    from kelsey.factorise import artefact_fields
    from kelsey.intake import load_vocabulary
    from privacy.active_cells import ActiveCells, cells_beside
    from privacy.calendar import EpochCalendar
    from privacy.chosen_strategy import BUILT_IN, built_in_artefact, factorisation_beside
    from privacy.factorisation_artefact import FactorisationArtefact
    from privacy.protocol import SurveillanceProtocol

    terms = load_vocabulary(vocabulary)
    artefact = None
    if factorisation is not None:
        known = factorisation in BUILT_IN
        artefact = built_in_artefact(factorisation) if known else FactorisationArtefact.load(factorisation)
    chosen = None if active is None else ActiveCells.load(active)
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
        trust_mode=trust,
        minimum_cohort=UNSET if minimum_cohort is None else minimum_cohort,
        honest_fraction=UNSET if honest_fraction is None else honest_fraction,
        active_cells=UNSET if chosen is None else chosen.hash,
        residual_buckets=UNSET if buckets is None else buckets,
        **artefact_fields(artefact),
    )
    rules_of(made)
    if chosen is not None:
        made.bind(chosen)
        chosen.dump(cells_beside(out))
        click.echo(f"{cells_beside(out)}: hand it out with the protocol")
    if artefact is not None:
        made.bind(artefact)
        artefact.dump(factorisation_beside(out))
        click.echo(f"{factorisation_beside(out)}: hand it out with the protocol")
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
@click.option(
    "--factorisation", "artefact", type=EXISTING_FILE, help="Its artefact, where it is not beside the protocol."
)
@as_json_option
def show(file: Path, artefact: Path | None, as_json: bool) -> None:
    """Say in words what a protocol promises, and the noise it means."""
    from kelsey.protocol_words import describe
    from privacy.protocol import SurveillanceProtocol

    loaded = SurveillanceProtocol.load(file, factorisation_file=artefact)
    facts = describe(loaded)
    if as_json:
        print_json(facts)
        return
    click.echo(table(facts.items()))
    for concern in loaded.concerns():
        click.echo(f"note: {concern}", err=True)


@protocol.command(
    epilog="""\b
Examples:
  kelsey protocol factorise --epoch day --start 2027-01-01 --epochs 365 --out daily.json
  kelsey protocol factorise --epoch week --start 2027-01-04 --epochs 260 --read quarter --emphasis 1.6 --out weekly.json
  kelsey protocol factorise --epoch day --start 2027-01-01 --epochs 3652 --read all --kind buffered-toeplitz \\
      --out decade.json"""
)
@click.option("--start", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First day of the first epoch.")
@click.option("--epoch", "unit", required=True, type=click.Choice(["day", "week", "month"]))
@click.option("--epochs", required=True, type=click.IntRange(1, 10_000), help="Epochs of the era; dense: at most 2000.")
@click.option(
    "--read",
    type=click.Choice(["all", "month", "quarter"]),
    default="month",
    show_default=True,
    help="Which totals matter most: those at the end of each month or quarter, or all alike.",
)
@click.option("--emphasis", type=float, default=1.45, show_default=True, help="How much more they matter; at least 1.")
@click.option(
    "--objective",
    type=click.Choice(["worst", "mean-square"]),
    default="worst",
    show_default=True,
    help="Of error times emphasis: the worst over all epochs, or the mean square.",
)
@click.option(
    "--kind", type=click.Choice(["dense", "buffered-toeplitz"]), default="dense", show_default=True, help="Of matrix."
)
@click.option("--buffers", type=click.IntRange(1, 8), default=3, show_default=True, help="Of a buffered-toeplitz one.")
@click.option("--bits", type=click.IntRange(4, 16), default=12, show_default=True, help="Grid of the entries, 2^-bits.")
@click.option("--tolerance", type=float, default=1e-4, show_default=True, help="Stop this close to the optimum.")
@click.option("--out", type=OUTPUT_FILE, required=True, help="Artefact (canonical JSON with its hash).")
@as_json_option
def factorise(
    start: datetime,
    unit: Literal["day", "week", "month"],
    epochs: int,
    read: Literal["all", "month", "quarter"],
    emphasis: float,
    objective: Literal["worst", "mean-square"],
    kind: Literal["dense", "buffered-toeplitz"],
    buffers: int,
    bits: int,
    tolerance: float,
    out: Path,
    as_json: bool,
) -> None:
    """Make the strategy matrix for a protocol's calendar: less noise where totals are read.

    Prints the noise of running totals relative to one single release at the same budget. Progress goes to standard
    error.
    """
    from kelsey.factorise import describe_artefact, make_artefact
    from privacy.calendar import EpochCalendar
    from privacy.workload import Workload

    calendar = EpochCalendar(unit, date(start.year, start.month, start.day), epochs)
    workload = Workload.of_calendar(calendar, objective=objective, read=read, emphasis=emphasis)
    made = make_artefact(
        workload,
        epochs=epochs,
        kind=kind,
        buffers=buffers,
        coefficient_bits=bits,
        tolerance=tolerance,
        say=lambda line: click.echo(line, err=True),
    )
    made.dump(out)
    facts = describe_artefact(made)
    if as_json:
        print_json(facts)
        return
    click.echo(table(facts.items()))


for _command in (accept, activate, annex, cells, diff, promote, sign):
    protocol.add_command(_command)
