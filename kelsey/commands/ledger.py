"""`kelsey ledger`: what a site's budget ledger says, and how its cap is changed."""

from __future__ import annotations

from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, OUTPUT_FILE, as_json_option, config_option, print_json

__all__ = ["ledger"]


@click.group()
def ledger() -> None:
    """Verify a site's privacy ledger, from a copy if need be, and change its cap by two signatures."""


@ledger.command(
    epilog="""\b
Examples:
  kelsey ledger verify ledger.sqlite
  kelsey ledger verify copy.sqlite --published 9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab
  kelsey ledger verify data/ledger.sqlite --against last-week.sqlite --config site.toml --json"""
)
@click.argument("file", type=EXISTING_FILE)
@click.option("--published", metavar="HASH", help="SHA-256 of the newest release the hub has: the ledger must know it.")
@click.option("--against", type=EXISTING_FILE, metavar="COPY", help="An earlier copy: the ledger must continue it.")
@click.option("--config", type=EXISTING_FILE, metavar="FILE", help="site.toml, whose signers may change a cap.")
@as_json_option
def verify(file: Path, published: str | None, against: Path | None, config: Path | None, as_json: bool) -> None:
    """Recompute every hash, state and sum of a ledger offline; exit code 1 where anything is wrong."""
    from kelsey.ledger_report import ledger_text, verify_ledger

    found = verify_ledger(file, published=published, against=against, config=config)
    print_json(found) if as_json else click.echo(ledger_text(found))


@ledger.group()
def cap() -> None:
    """Change what an era may spend: propose, sign by two people, apply."""


@cap.command(
    epilog="""\b
Example:
  kelsey ledger cap propose --config site.toml --epsilon 4 --reason "Board decision 17/2027" --out change.json"""
)
@config_option
@click.option("--epsilon", type=float, required=True, help="What the era may spend from now on, at its delta.")
@click.option("--reason", required=True, help="Stands in the ledger for good.")
@click.option("--out", type=OUTPUT_FILE, required=True, help="Document to sign; it stays at the site.")
def propose(config: Path, epsilon: float, reason: str, out: Path) -> None:
    """Write the document that two of the site's signers sign; changes nothing."""
    from kelsey.ledger_report import propose_cap

    change = propose_cap(config, epsilon=epsilon, reason=reason, out=out).change
    click.echo(f"{out}: era {change.era}, from {change.old_cap} to {change.new_cap} millionths of mu squared")


@cap.command(
    epilog="""\b
Example:
  kelsey ledger cap sign change.json --key vass.pem --party "Dr. Imre Vass\""""
)
@click.argument("file", type=EXISTING_FILE)
@click.option("--key", type=EXISTING_FILE, required=True, metavar="PEM", help="The person's Ed25519 private key.")
@click.option("--party", required=True, help="Their name, as [[signer]] in site.toml has it.")
def sign(file: Path, key: Path, party: str) -> None:
    """Add one person's signature to the document."""
    from kelsey.ledger_report import sign_cap

    signed = sign_cap(file, key, party=party)
    click.echo(f"{file}: signed by {', '.join(each.party for each in signed.signatures)}")


@cap.command(
    epilog="""\b
Example:
  kelsey ledger cap apply change.json --config site.toml"""
)
@click.argument("file", type=EXISTING_FILE)
@config_option
def apply(file: Path, config: Path) -> None:
    """Put the signed change into the site's ledger; stop the gate first."""
    from kelsey.ledger_report import apply_cap

    change = apply_cap(file, config).change
    click.echo(f"era {change.era}: cap {change.new_cap} millionths of mu squared, was {change.old_cap}")
