"""The command line: what exists, how errors are said, and exit codes 0 done, 1 failed, 2 wrong usage.

Commands import what they need when they run, so that `--help` answers at once.
"""

from __future__ import annotations

from typing import Any

import click

from cases.errors import KelseyError
from kelsey.commands.aggregator import aggregator
from kelsey.commands.backtest import backtest
from kelsey.commands.context import context
from kelsey.commands.demo import demo
from kelsey.commands.doctor import doctor
from kelsey.commands.hub import hub
from kelsey.commands.intake import intake
from kelsey.commands.interactions import interactions
from kelsey.commands.ledger import ledger
from kelsey.commands.privacy import privacy
from kelsey.commands.protocol import protocol
from kelsey.commands.replay import replay
from kelsey.commands.report import report
from kelsey.commands.rules import rules
from kelsey.commands.score import score
from kelsey.commands.sequential import sequential
from kelsey.commands.simulate import simulate
from kelsey.commands.site import site
from kelsey.commands.treescan import treescan

__all__ = ["cli", "main"]


class _Failure(click.ClickException):
    """A failed command: one line on standard error, exit code 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        click.echo(f"kelsey: {self.message}", file=file, err=True)


class _Group(click.Group):
    """Turns our own errors and those of the file system into one clear line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KelseyError as error:
            raise _Failure(str(error)) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            name = f"{error.filename}: " if error.filename else ""
            raise _Failure(f"{name}{error.strerror or error}") from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="kelsey")
def cli() -> None:
    """Drug-safety analytics that never moves a patient record.

    Hospitals keep their records; only differentially private statistics leave. Start with `kelsey demo`.
    """


for command in (
    demo,
    intake,
    backtest,
    score,
    report,
    interactions,
    rules,
    context,
    sequential,
    treescan,
    simulate,
    protocol,
    ledger,
    privacy,
    site,
    hub,
    aggregator,
    replay,
    doctor,
):
    cli.add_command(command)


def main() -> None:
    """Entry point of the `kelsey` program."""
    cli(prog_name="kelsey")
