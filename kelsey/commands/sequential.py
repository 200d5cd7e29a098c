"""`kelsey sequential`: boundaries of tests that may look again and again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from kelsey.commands.options import EXISTING_FILE, as_json_option, print_json

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
    """Tests that may look again and again: exact boundaries, and a file of periods watched by them."""


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


@sequential.command(
    epilog="""\b
Examples:
  kelsey sequential conditional --alpha 0.05 --events 20 --cases 20
  kelsey sequential conditional --alpha 0.05 --events 40 --length-ratio 0.5 --delay-ratio 0.05 --json"""
)
@click.option("--alpha", type=float, required=True, metavar="A", help="Risk of a false signal, in (0, 1).")
@click.option("--events", type=int, required=True, metavar="C", help="Events of the history.")
@click.option("--cases", type=int, metavar="K", help="The surveillance ends with so many events.")
@click.option("--length-ratio", type=float, metavar="T", help="Instead: it ends with so many times the exposure.")
@click.option("--minimum-events", type=int, default=1, show_default=True, metavar="M", help="No signal with fewer.")
@click.option("--delay-ratio", type=float, default=0.0, metavar="D", help="No signal before D times the exposure.")
@as_json_option
def conditional(
    alpha: float, events: int, cases: int | None, length_ratio: float | None, minimum_events: int,
    delay_ratio: float, *, as_json: bool,
) -> None:  # fmt: skip
    """Count against a history that is a count too, and whose own chance is allowed for."""
    from detectors.sequential import conditional_max_sprt

    design: dict[str, Any] = {
        "events": events, "cases": cases, "length_ratio": length_ratio, "minimum_events": minimum_events,
        "delay_ratio": delay_ratio,
    }  # fmt: skip
    _say("conditional", conditional_max_sprt(alpha=alpha, **design), design, as_json=as_json)


@sequential.command(
    epilog="""\b
Examples:
  kelsey sequential spending --alpha 0.05 --length 17 --groups 5,6,6 --family pocock
  kelsey sequential spending --alpha 0.05 --length 60 --groups 20,20,20 --family power --rho 2 --ratio 3 --json"""
)
@click.option("--alpha", type=float, required=True, metavar="A", help="Risk of a false signal, in (0, 1).")
@click.option("--length", type=float, required=True, metavar="T", help="Size at which all of it may be spent.")
@click.option("--groups", callback=_sizes, required=True, metavar="5,6,6", help="What each look adds, in any number.")
@click.option("--family", type=click.Choice(["power", "obrien-fleming", "pocock"]), default="power", show_default=True)
@click.option("--rho", type=float, default=1.0, show_default=True, help="Exponent of power; 1 is linear.")
@click.option("--ratio", type=float, metavar="Z", help="Binomial: comparison time a unit of exposed time.")
@click.option("--minimum-events", type=int, default=1, show_default=True, metavar="M", help="No signal with fewer.")
@as_json_option
def spending(
    alpha: float, length: float, groups: list[float], family: str, rho: float, ratio: float | None,
    minimum_events: int, *, as_json: bool,
) -> None:  # fmt: skip
    """Say for each look, whatever its size, which count signals and what alpha it really spends.

    Sizes are expected events, or with --ratio the events of both groups.
    """
    from cases import ParameterError
    from detectors.sequential import SpendingBoundary, SpendingFunction
    from kelsey.console import table

    if not (ratio is None or ratio > 0):
        raise ParameterError(f"ratio must be above 0, not {ratio!r}")
    boundary = SpendingBoundary(
        alpha=alpha, length=length, spending=SpendingFunction(family=family, rho=rho),
        chance=None if ratio is None else 1 / (1 + ratio), minimum_events=minimum_events,
    )  # fmt: skip
    looks = [boundary.look(size) for size in groups]
    if as_json:
        design: dict[str, Any] = {
            "length": length, "family": family, "rho": rho, "ratio": ratio, "minimum_events": minimum_events,
            "groups": groups,
        }  # fmt: skip
        spent = boundary.last.alpha_spent
        print_json(
            {"test": "spending", "alpha": alpha, **design, "looks": [asdict(look) for look in looks],
             "alpha_spent": spent}
        )  # fmt: skip
        return
    rows = [
        (f"{look.size:g}", look.signal_count or "none may", f"{look.alpha_allowed:.10g}", f"{look.alpha_spent:.10g}")
        for look in looks
    ]
    click.echo(table(rows, header=("size so far", "events that signal", "alpha allowed", "alpha spent")))


@sequential.command(
    epilog="""\b
Examples:
  kelsey sequential watch periods.csv --alpha 0.05 --baseline-until 2024-12-31 --baseline-events 40 \\
    --baseline-exposure 20000 --length 20
  kelsey sequential watch periods.csv --alpha 0.05 --baseline-until 2024-12-31 --source "protocol, table 3" --json"""
)
@click.argument("periods", type=EXISTING_FILE)
@click.option("--alpha", type=float, required=True, metavar="A", help="Risk of a false signal of each test, in (0, 1).")
@click.option(
    "--baseline-until", type=click.DateTime(formats=["%Y-%m-%d"]), required=True, help="Last day of the baseline."
)
@click.option("--baseline-events", type=int, metavar="C", help="Events of the baseline.")
@click.option("--baseline-exposure", type=float, metavar="V", help="Its exposure, in the unit of the file.")
@click.option("--rate", type=float, metavar="R", help="Instead: events a unit of exposure, stated elsewhere.")
@click.option("--source", metavar="TEXT", help="Where the rate, or the expected counts of the file, come from.")
@click.option("--length", type=float, metavar="T", help="MaxSPRT too: expected events at its planned end.")
@click.option("--cases", type=int, metavar="K", help="Conditional MaxSPRT instead: events at its planned end.")
@click.option("--minimum-events", type=int, default=1, show_default=True, metavar="M", help="Of MaxSPRT.")
@click.option("--concentration", type=float, default=1.0, show_default=True, help="Of the e-process.")
@as_json_option
def watch(
    periods: Path, alpha: float, baseline_until: datetime, baseline_events: int | None,
    baseline_exposure: float | None, rate: float | None, source: str | None, length: float | None,
    cases: int | None, minimum_events: int, concentration: float, *, as_json: bool,
) -> None:  # fmt: skip
    """Watch periods against an expectation from before them, valid at every look, and by MaxSPRT.

    PERIODS is CSV or Parquet with day (the last of each period, rising), observed, and either exposure or expected;
    first_day, where a period does not begin right after the one before it.
    """
    from detectors.sequential import ConditionalMaxSprt, PoissonEProcess, PoissonMaxSprt
    from kelsey.watch import BaselineWords, read_periods
    from kelsey.watch import watch as watch_periods
    from kelsey.watch_words import watched_facts, watched_lines

    if length is not None and cases is not None:
        raise click.UsageError("give either --length or --cases")
    words = BaselineWords(
        last_day=baseline_until.date(), events=baseline_events, exposure=baseline_exposure, rate=rate, source=source
    )
    rows = read_periods(periods)
    known = words.expectation(rows.column)
    max_sprt: PoissonMaxSprt | ConditionalMaxSprt | None = None
    if length is not None:
        max_sprt = PoissonMaxSprt(expectation=known, alpha=alpha, length=length, minimum_events=minimum_events)
    elif cases is not None:
        max_sprt = ConditionalMaxSprt(expectation=known, alpha=alpha, cases=cases, minimum_events=minimum_events)
    found = watch_periods(rows, PoissonEProcess(expectation=known, alpha=alpha, concentration=concentration), max_sprt)
    if as_json:
        print_json(watched_facts(found))
        return
    click.echo("\n".join(watched_lines(found)))
