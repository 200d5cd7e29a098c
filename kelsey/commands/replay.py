"""`kelsey replay`: files into the site's raw topic, resumable."""

from __future__ import annotations

from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, config_option

__all__ = ["replay"]


@click.command(
    epilog="""\b
Examples:
  kelsey replay export/*.ndjson.gz --config site.toml
  kelsey replay 1990VAERSData.zip 1991VAERSData.zip --config site.toml"""
)
@click.argument("files", nargs=-1, required=True, type=EXISTING_FILE, metavar="FILE...")
@config_option
def replay(files: tuple[Path, ...], config: Path) -> None:
    """Put files (FHIR JSON or NDJSON, VAERS zips) into the site's raw topic.

    Interrupted, it goes on where it was when called again with the same files; what was already sent is not counted
    twice even if it is sent again.
    """
    from streams.replay import replay_files
    from streams.settings import load_site_settings

    sent = replay_files(load_site_settings(config), files)
    click.echo(f"{sent:,} records sent to the raw topic")
