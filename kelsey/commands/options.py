"""Options that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["EXISTING_FILE", "OUTPUT_FILE", "as_json_option", "config_option", "print_json"]

EXISTING_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
OUTPUT_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
config_option = click.option(
    "--config", "config", type=EXISTING_FILE, required=True, metavar="FILE", help="Settings file (TOML)."
)


def print_json(value: Any) -> None:
    """One JSON document on standard output; dates as text."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))
