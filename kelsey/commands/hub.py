"""`kelsey hub`: what runs where releases arrive."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from kelsey.commands.options import as_json_option, config_option, print_json

__all__ = ["hub"]


@click.group()
def hub() -> None:
    """Run and inspect the signal hub; it never sees a record."""


@hub.command(
    epilog="""\b
Example:
  kelsey hub serve --config hub.toml"""
)
@config_option
def serve(config: Path) -> None:
    """Serve the API, take releases in, evaluate epochs, deliver subscriptions, until stopped."""
    from hub.serve import serve as serve_hub
    from hub.settings import load_hub_settings
    from streams.log_setup import set_up_logging

    settings = load_hub_settings(config)
    set_up_logging(settings.hub.log_format)
    serve_hub(settings)


@hub.command(
    epilog="""\b
Example:
  kelsey hub status --config hub.toml --json"""
)
@config_option
@as_json_option
def status(config: Path, as_json: bool) -> None:
    """Show sites, releases, refusals, SDRs and deliveries."""
    from hub.settings import load_hub_settings
    from hub.status import status as hub_status
    from kelsey.status_words import status_text

    found = hub_status(load_hub_settings(config))
    print_json(found) if as_json else click.echo(status_text(found))


@hub.command(
    epilog="""\b
Examples:
  kelsey hub verify --config hub.toml
  kelsey hub verify --config hub.toml --published 12:9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab"""
)
@config_option
@click.option("--published", metavar="NUMBER:HASH", help="A head from before: the record must go on from it.")
@as_json_option
def verify(config: Path, published: str | None, as_json: bool) -> None:
    """Verify every stored release with its sender's key; exit code 1 where one was changed, exchanged or left out.

    The head stands for the whole record: written down elsewhere, it shows later what was taken out or put in since.
    """
    from kelsey.hub_record import verify_record

    report = verify_record(config, published=published)
    if as_json:
        print_json({"is_sound": report.is_sound, **msgspec.to_builtins(report), "head": str(report.head)})
    else:
        counts = f"{report.releases:,} releases and {report.sums:,} sums"
        left = f", {report.unverified:,} of them under another protocol" if report.unverified else ""
        done = (
            "verified"
            if report.is_sound
            else f"looked at, {len(report.faults):,} fault{'s' * (len(report.faults) != 1)}"
        )
        click.echo("\n".join([*report.faults, f"{counts} {done}{left}; head of the record {report.head}"]))
    if not report.is_sound:
        raise click.exceptions.Exit(1)


@hub.group()
def key() -> None:
    """API keys: each is shown once, and kept as a hash only."""


@key.command(
    "add",
    epilog="""\b
Examples:
  kelsey hub key add --config hub.toml --name "Dr. Oldham" --role officer
  kelsey hub key add --config hub.toml --name north --role site --site north""",
)
@config_option
@click.option("--name", required=True, help="Whose key it is; stands beside every transition made with it.")
@click.option("--role", required=True, type=click.Choice(["officer", "regulator", "site", "aggregator", "admin"]))
@click.option("--site", help="The site a key of role site may release for.")
def add(config: Path, name: str, role: str, site: str | None) -> None:
    """Make a key and print it, this once, on standard output."""
    from kelsey.hub_keys import add_hub_key

    made = add_hub_key(config, name=name, role=role, site=site)
    click.echo(f"{made.key.id}: {made.key.role} key for {made.key.name}; keep it, it is not shown again", err=True)
    click.echo(made.secret)


@key.command(
    "list",
    epilog="""\b
Example:
  kelsey hub key list --config hub.toml""",
)
@config_option
@as_json_option
def list_(config: Path, as_json: bool) -> None:
    """List all keys ever made, without the keys themselves."""
    from kelsey.console import table
    from kelsey.hub_keys import list_hub_keys

    rows = list_hub_keys(config)
    if as_json:
        print_json(rows)
    else:
        columns = ("id", "name", "role", "site", "created_at", "revoked_at")
        click.echo(table([tuple(row[column] or "-" for column in columns) for row in rows], header=columns))


@key.command(
    epilog="""\b
Example:
  kelsey hub key revoke key-0123456789abcdef --config hub.toml"""
)
@click.argument("identity", metavar="ID")
@config_option
def revoke(identity: str, config: Path) -> None:
    """End a key at once."""
    from kelsey.hub_keys import revoke_hub_key

    revoke_hub_key(config, identity)
    click.echo(f"{identity}: revoked")
