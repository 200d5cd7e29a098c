"""`kelsey aggregator`: one of the two parties of the secure sum."""

from __future__ import annotations

from pathlib import Path

import click

from kelsey.commands.options import as_json_option, config_option, print_json

__all__ = ["aggregator"]


@click.group()
def aggregator() -> None:
    """Run and inspect an aggregator of the secure sum; it sees shares, which alone are random numbers."""


@aggregator.command(
    epilog="""\b
Example:
  kelsey aggregator keys --out secrets/"""
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR")
def keys(out: Path) -> None:
    """Draw the aggregator's signing.pem, and signing.pub for hub, peer and sites. Overwrites nothing."""
    from kelsey.keys import make_aggregator_keys

    for path, purpose in make_aggregator_keys(out).items():
        click.echo(f"{path}: {purpose}")


@aggregator.command(
    epilog="""\b
Example:
  kelsey aggregator serve --config aggregator.toml"""
)
@config_option
def serve(config: Path) -> None:
    """Take shares in, agree with the peer on who is in, give the hub its share of each sum, until stopped."""
    from hub.aggregator.serve import serve_aggregator
    from hub.aggregator.settings import load_aggregator_settings
    from streams.log_setup import set_up_logging

    settings = load_aggregator_settings(config)
    set_up_logging(settings.aggregator.log_format)
    serve_aggregator(settings)


@aggregator.command(
    epilog="""\b
Example:
  kelsey aggregator status --config aggregator.toml --json"""
)
@config_option
@as_json_option
def status(config: Path, as_json: bool) -> None:
    """Show epochs agreed on, shares that wait, refusals and sums that the hub does not have yet."""
    from hub.aggregator.settings import load_aggregator_settings
    from hub.aggregator.status import aggregator_status
    from kelsey.status_words import status_text

    found = aggregator_status(load_aggregator_settings(config))
    print_json(found) if as_json else click.echo(status_text(found))
