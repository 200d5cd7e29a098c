"""`kelsey intake`: FHIR files to canonical cases and dead letters, with a table that adds up."""

from __future__ import annotations

from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE, as_json_option, print_json

__all__ = ["intake"]


@click.command(
    epilog="""\b
Examples:
  kelsey intake bundle.json --out cases.ndjson --dead-letters dead.ndjson
  kelsey intake *.ndjson.gz --out cases.ndjson --dead-letters dead.ndjson --vocabulary terms.csv --narratives"""
)
@click.argument("files", nargs=-1, required=True, type=EXISTING_FILE, metavar="FILE...")
@click.option("--out", type=OUTPUT_FILE, required=True, help="Cases, one JSON object a line.")
@click.option(
    "--dead-letters",
    "dead_letters",
    type=OUTPUT_FILE,
    required=True,
    help="Records that could not become a case, with the reason. Holds patient data: keep it where the input is kept.",
)
@click.option(
    "--vocabulary", type=EXISTING_FILE, help="Table kind,name,synonym,system,code; default: the built-in one."
)
@click.option(
    "--key-file",
    type=EXISTING_FILE,
    help="Secret for patient pseudonyms, at least 32 bytes. Without it a new one is drawn and forgotten, so that "
    "pseudonyms of two runs cannot be linked.",
)
@click.option("--narratives", is_flag=True, help="Also read the narratives (marked as such in the cases).")
@as_json_option
def intake(
    files: tuple[Path, ...],
    out: Path,
    dead_letters: Path,
    vocabulary: Path | None,
    key_file: Path | None,
    narratives: bool,
    as_json: bool,
) -> None:
    """Read FHIR AdverseEvents (single resource, Bundle, NDJSON, .gz) into canonical cases.

    Files given together resolve each other's references.
    """
    from kelsey.intake import take_in

    tally = take_in(
        files,
        out=out,
        dead_letters=dead_letters,
        vocabulary_file=vocabulary,
        key_file=key_file,
        read_narratives=narratives,
    )
    if as_json:
        print_json(tally.as_dict())
    else:
        click.echo(tally.text())
