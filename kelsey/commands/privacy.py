"""`kelsey privacy`: an outsider's check of what the releases give away."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from kelsey.commands.options import EXISTING_FILE, as_json_option, print_json
from kelsey.console import progress

__all__ = ["privacy"]


@click.group()
def privacy() -> None:
    """Check the privacy claim on the code as it is."""


@privacy.command(
    epilog="""\b
Examples:
  kelsey privacy audit
  kelsey privacy audit --protocol protocol.json --runs 2000000
  kelsey privacy audit --trust secure-sum --runs 10000 --json"""
)
@click.option("--protocol", "file", type=EXISTING_FILE, help="Default: the standard one, epsilon 3, delta 1e-6.")
@click.option(
    "--factorisation", "artefact", type=EXISTING_FILE, help="Its artefact, where it is not beside the protocol."
)
@click.option(
    "--runs", type=click.IntRange(min=100), default=40_000, show_default=True, help="Of each world; an even number."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the audit's noise.")
@click.option("--trust", type=click.Choice(["per-site", "secure-sum"]), help="Mode to audit. Default: the protocol's.")
@click.option("--epochs", type=click.IntRange(min=1), default=4, show_default=True, help="Releases looked at.")
@click.option(
    "--patients",
    type=click.IntRange(min=1),
    help="In or out together. Default: so many that the bound is closest; 1 needs millions of runs.",
)
@as_json_option
def audit(
    file: Path | None,
    artefact: Path | None,
    runs: int,
    seed: int,
    trust: Literal["per-site", "secure-sum"] | None,
    epochs: int,
    patients: int | None,
    as_json: bool,
) -> None:
    """Release a made-up patient many times with the real code, and measure how well they can be told.

    Prints the claimed mu beside a lower confidence bound (95 %) of the real one, by table. Exit code 1 where the bound
    is above the claim. The noise of this command comes from its seed; a site's comes from the operating system, always.
    """
    from kelsey.privacy_audit import audit_protocol, standard_protocol
    from privacy.protocol import SurveillanceProtocol

    if file is None:
        if artefact is not None:
            raise click.UsageError("--factorisation is that of a protocol: give --protocol too")
        protocol = standard_protocol(epsilon=3.0, trust=trust or "per-site")
    else:
        protocol = SurveillanceProtocol.load(file, factorisation_file=artefact)
    with progress("audit", 2 * runs) as advance:
        report = audit_protocol(
            protocol,
            trust=trust or protocol.trust_mode,
            runs=runs,
            seed=seed,
            epochs=epochs,
            patients=patients,
            advance=advance,
        )
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo(report.text())
    if report.verdict == "fail":
        raise click.exceptions.Exit(1)
