"""`kelsey sequential`: boundaries of tests that may look again and again."""

from __future__ import annotations

from typing import Any

import click

from kelsey.commands.options import as_json_option, print_json

__all__ = ["sequential"]


def _sizes(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[float] | None:
    """The sizes of the groups, from a list with commas."""
    try:
        return None if value is None else [float(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of numbers such as 5,6,6") from None


def _design(command: Any) -> Any:
    """The options that both tests have."""
    for option in (
        as_json_option,
        click.option("--groups", callback=_sizes, metavar="5,6,6", help="Look only after each of these; sum to T."),
        click.option("--delay", type=float, default=0.0, metavar="D", help="No signal before D (of T) has passed."),
        click.option(
            "--minimum-events", type=int, default=1, show_default=True, metavar="M", help="No signal with fewer events."
        ),
        click.option("--alpha", type=float, required=True, metavar="A", help="Risk of a false signal, in (0, 1)."),
    ):
        command = option(command)
    return command


def _say(test: str, result: Any, design: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        values = {"critical_value": result.critical_value, "alpha_spent": result.alpha_spent}
        print_json({"test": test, "alpha": result.alpha, **design, **values})
        return
    click.echo(f"critical value  {result.critical_value:.10g}  (log likelihood ratio, signal at or above)")
    click.echo(f"alpha spent     {result.alpha_spent:.10g}  (of {result.alpha:g})")


@click.group()
def sequential() -> None:
    """Exact boundaries of the maximised sequential probability ratio test (MaxSPRT)."""


@sequential.command(
    epilog="""\b
Examples:
  kelsey sequential poisson --alpha 0.05 --length 20
  kelsey sequential poisson --alpha 0.05 --length 17 --groups 5,6,6 --json"""
)
@click.option("--length", type=float, required=True, metavar="T", help="Expected events at the planned end.")
@_design
def poisson(
    length: float, alpha: float, minimum_events: int, delay: float, groups: list[float] | None, *, as_json: bool
) -> None:
    """Count against an expectation that was fixed before the surveillance began."""
    from detectors.sequential import poisson_max_sprt

    design: dict[str, Any] = {
        "length": length, "minimum_events": minimum_events, "delay": delay, "groups": groups,
    }  # fmt: skip
    _say("poisson", poisson_max_sprt(alpha=alpha, **design), design, as_json=as_json)


@sequential.command(
    epilog="""\b
Examples:
  kelsey sequential binomial --alpha 0.05 --length 50
  kelsey sequential binomial --alpha 0.05 --length 60 --ratio 3 --minimum-events 4"""
)
@click.option("--length", type=int, required=True, metavar="T", help="Events, exposed or not, at the planned end.")
@click.option(
    "--ratio", type=float, default=1.0, show_default=True, metavar="Z", help="Comparison time a unit of exposed time."
)
@_design
def binomial(
    length: int, ratio: float, alpha: float, minimum_events: int, delay: float, groups: list[float] | None,
    *, as_json: bool,
) -> None:  # fmt: skip
    """Exposed events against those of a comparison period or group."""
    from detectors.sequential import binomial_max_sprt

    design: dict[str, Any] = {
        "length": length, "ratio": ratio, "minimum_events": minimum_events, "delay": delay, "groups": groups,
    }  # fmt: skip
    _say("binomial", binomial_max_sprt(alpha=alpha, **design), design, as_json=as_json)
