"""`kelsey doctor`: is this installation fit to run, and if not, what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kelsey.commands.options import as_json_option, config_option, print_json

__all__ = ["doctor"]


@click.command(
    epilog="""\b
Examples:
  kelsey doctor --config site.toml
  kelsey doctor --config site.toml --role gate
  kelsey doctor --config hub.toml --json
  kelsey doctor --config aggregator.toml"""
)
@config_option
@click.option(
    "--role",
    type=click.Choice(["connector", "worker", "gate"]),
    help="Check what this role of a site needs, where each has a host or pod of its own.",
)
@as_json_option
def doctor(config: Path, role: str | None, as_json: bool) -> None:
    """Check settings, keys, disk, clocks and whoever is to be reached; each failure says what to do.

    Works with the settings file of a site, a hub or an aggregator. Exit code 1 where any check fails.
    """
    from kelsey.health import check_aggregator, check_hub, check_site
    from kelsey.settings_kind import settings_kind

    kind = settings_kind(config)
    if kind == "site":
        findings = check_site(config, role=role)
    else:
        findings = check_aggregator(config) if kind == "aggregator" else check_hub(config)
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            click.echo(finding.text())
    if any(not finding.is_ok for finding in findings):
        sys.exit(1)
