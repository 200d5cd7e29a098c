"""`kelsey protocol annex`: a protocol for the officer who has to judge it."""

from __future__ import annotations

from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE

__all__ = ["annex"]


@click.command(
    epilog="""\b
Example:
  kelsey protocol annex protocol.json --out annex.md"""
)
@click.argument("file", type=EXISTING_FILE)
@click.option(
    "--factorisation", "artefact", type=EXISTING_FILE, help="Its artefact, where it is not beside the protocol."
)
@click.option("--out", type=OUTPUT_FILE, required=True, help="Annex (Markdown).")
def annex(file: Path, artefact: Path | None, out: Path) -> None:
    """Write the annex to a data protection impact assessment that a protocol needs.

    What leaves, the guarantee in words and numbers, limits, retention, remaining risks; what only the organisation can
    know is left open in [ ].
    """
    from kelsey.annex import annex as written
    from privacy.protocol import SurveillanceProtocol

    protocol = SurveillanceProtocol.load(file, factorisation_file=artefact)
    out.write_text(written(protocol), encoding="utf-8")
    click.echo(f"{out}: annex to protocol {protocol.hash}")
