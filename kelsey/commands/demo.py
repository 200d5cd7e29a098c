"""`kelsey demo`: twelve months at three hospitals in a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from kelsey.commands.options import as_json_option, print_json

__all__ = ["demo"]


@click.command(
    epilog="""\b
Examples:
  kelsey demo
  kelsey demo --seed 7 --out var/seven
  kelsey demo --trust secure-sum
  kelsey demo --serve          # the hub stays up on http://127.0.0.1:8080"""
)
@click.option("--serve", is_flag=True, help="Leave the hub's API up afterwards, on 127.0.0.1, until Ctrl-C.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port for --serve.")
@click.option("--seed", type=click.IntRange(0), default=1960, show_default=True, help="Another seed, another year.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/demo"),
    show_default=True,
    metavar="DIR",
)
@click.option(
    "--trust",
    type=click.Choice(["per-site", "secure-sum"]),
    default="per-site",
    show_default=True,
    help="secure-sum: twelve hospitals, and besides a hub, two aggregators and twelve sites as processes of their own.",
)
@as_json_option
def demo(serve: bool, port: int, seed: int, out: Path, trust: Literal["per-site", "secure-sum"], as_json: bool) -> None:
    """Play twelve months at three made-up hospitals, and see what the hub finds through the noise.

    Records carry planted associations, confounders and dirt. The privacy noise comes from the operating system, so two
    runs of one seed differ a little at the hub, and only there.
    """
    from kelsey.demo import run_demo
    from kelsey.demo_hub import require_free_port, serve_demo

    if serve:
        require_free_port(port)
    summary = run_demo(seed=seed, out=out, trust=trust)
    if as_json:
        print_json(summary.as_dict())
    else:
        click.echo(summary.text())
    if serve:
        serve_demo(out, port=port, announce=lambda line: click.echo(line, err=True))
