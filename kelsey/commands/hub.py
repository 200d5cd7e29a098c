"""`kelsey hub`: what runs where releases arrive."""

from __future__ import annotations

from pathlib import Path

import click

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

    serve_hub(load_hub_settings(config))


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
