"""Options that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["EXISTING_FILE", "OUTPUT_FILE", "as_json_option", "config_option", "print_json"]


class _OutputFile(click.Path):
    """A file to write, whose folder is there: known before the work, not after it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not path.absolute().parent.is_dir():
            self.fail(f"Folder '{path.parent}' does not exist.", param, ctx)
        return path


EXISTING_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
OUTPUT_FILE = _OutputFile(dir_okay=False, writable=True, path_type=Path)

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
config_option = click.option(
    "--config", "config", type=EXISTING_FILE, required=True, metavar="FILE", help="Settings file (TOML)."
)


def print_json(value: Any) -> None:
    """One JSON document on standard output; dates as text."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))
