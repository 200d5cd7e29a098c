"""`kelsey site`: everything that runs inside a hospital."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from kelsey.commands.options import OUTPUT_FILE, as_json_option, config_option, print_json

__all__ = ["site"]


@click.group()
def site() -> None:
    """Run and inspect a hospital's site; nothing here leaves it but signed releases."""


@site.command(
    epilog="""\b
Example:
  kelsey site keys --out secrets/"""
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR")
def keys(out: Path) -> None:
    """Draw the site's secrets: pseudonym.key, signing.pem, and signing.pub for the hub. Overwrites nothing."""
    from kelsey.keys import make_site_keys

    for path, purpose in make_site_keys(out).items():
        click.echo(f"{path}: {purpose}")


@site.command(
    epilog="""\b
Example:
  kelsey site topics --config site.toml"""
)
@config_option
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 where a topic is missing or differs.")
@as_json_option
def topics(config: Path, check: bool, as_json: bool) -> None:
    """Create the site's Kafka topics and check those that exist."""
    from kelsey.site_commands import topic_report

    report = topic_report(config, change=not check)
    print_json(report.as_dict()) if as_json else click.echo(report.text())
    if not report.is_ok:
        raise click.exceptions.Exit(1)


@site.command(
    epilog="""\b
Examples:
  kelsey site run --config site.toml
  kelsey site run --config site.toml --role gate"""
)
@config_option
@click.option(
    "--role",
    type=click.Choice(["connector", "worker", "gate"]),
    help="Run one role in this process; default: all three, each in a process of its own.",
)
def run(config: Path, role: str | None) -> None:
    """Run connectors, Faust workers and the gate until stopped."""
    from streams.run import run_role, run_site
    from streams.settings import load_site_settings

    settings = load_site_settings(config)
    code = run_site(config) if role is None else run_role(settings, role)
    if code:
        raise click.exceptions.Exit(code)


@site.command(
    epilog="""\b
Example:
  kelsey site pairs --config site.toml --out pairs.parquet"""
)
@config_option
@click.option("--out", type=OUTPUT_FILE, required=True, metavar="FILE.{csv,parquet}")
def pairs(config: Path, out: Path) -> None:
    """Write the site's own table: every pair with every measure, exact. It never leaves the site."""
    from streams.pairs import write_pairs
    from streams.settings import load_site_settings

    count = write_pairs(load_site_settings(config), out)
    click.echo(f"{out}: {count:,} pairs")


@site.command(
    epilog="""\b
Example:
  kelsey site status --config site.toml --json"""
)
@config_option
@as_json_option
def status(config: Path, as_json: bool) -> None:
    """Show lag, counts, wallets and budget."""
    from kelsey.status_words import status_text
    from streams.settings import load_site_settings
    from streams.status import site_status

    found = site_status(load_site_settings(config))
    print_json(found) if as_json else click.echo(status_text(found))


@site.command(
    epilog="""\b
Example:
  kelsey site wallet --config site.toml --json"""
)
@config_option
@as_json_option
def wallet(config: Path, as_json: bool) -> None:
    """Show how far patients have spent their privacy wallets, as a distribution; never a patient."""
    from msgspec import to_builtins

    from kelsey.wallet_words import wallet_text
    from streams.settings import load_site_settings
    from streams.wallet_distribution import site_wallets

    found = site_wallets(load_site_settings(config))
    print_json(to_builtins(found)) if as_json else click.echo(wallet_text(found))


@site.command(
    "merge-patients",
    epilog="""\b
Examples:
  kelsey site merge-patients merges.csv --config site.toml
  kelsey site merge-patients - --config site.toml < merges.csv""",
)
@click.argument("file", type=click.File("r", encoding="utf-8"), metavar="FILE")
@config_option
@as_json_option
def merge_patients(file: TextIO, config: Path, as_json: bool) -> None:
    """Make one wallet of two where the patient index merged identities: FILE holds old,new (- is standard input).

    Ids are written as the source gives them. Workers may run meanwhile; running a file again changes nothing.
    """
    from msgspec import to_builtins

    from streams.merge_file import merge_from_file, read_merges
    from streams.settings import load_site_settings

    tally = merge_from_file(load_site_settings(config), read_merges(file))
    if as_json:
        print_json(to_builtins(tally))
        return
    click.echo(f"{tally.merged} merged, {tally.without_wallet} of them without a wallet here; {tally.repeated} before")
