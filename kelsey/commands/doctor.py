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
  kelsey doctor --config hub.toml --json"""
)
@config_option
@click.option(
    "--role",
    type=click.Choice(["connector", "worker", "gate"]),
    help="Check what this role of a site needs, where each has a host or pod of its own.",
)
@as_json_option
def doctor(config: Path, role: str | None, as_json: bool) -> None:
    """Check settings, Kafka, permissions, clock, disk, keys and hub; each failure says what to do.

    Works with a site's or a hub's settings file. Exit code 1 where any check fails.
    """
    from kelsey.health import Finding, check_hub, check_site
    from kelsey.settings_kind import settings_kind

    findings: list[Finding] = check_site(config, role=role) if settings_kind(config) == "site" else check_hub(config)
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            click.echo(finding.text())
    if any(not finding.is_ok for finding in findings):
        sys.exit(1)
