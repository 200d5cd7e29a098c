"""`kelsey simulate`: what a federation would find, before there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from kelsey.commands.options import as_json_option, print_json

__all__ = ["simulate"]

_WALLETS = ((1.0, 16), (1.5, 16), (1.5, 32), (2.0, 16), (3.0, 16))
_MARGIN_SHARES = (0.02, 0.05, 0.1, 0.2, 0.5, 0.66)


@click.command(
    epilog="""\b
Examples:
  kelsey simulate --sites 20 --reports 20000 --epsilon 3 --drugs 50 --reactions 80 --signals 20 --out var/small
  kelsey simulate --sites 100 --reports 1000000 --epsilon 1 --epsilon 3 --out var/nation
  kelsey simulate --sites 12 --reports 200000 --epsilon 3 --cadence month --trust per-site --out var/pilot --json"""
)
@click.option("--sites", type=int, required=True, metavar="S", help="Sites that take part.")
@click.option("--reports", type=int, required=True, metavar="N", help="Reports of all of them over the era.")
@click.option(
    "--epsilon", "epsilons", type=float, multiple=True, required=True, metavar="E",
    help="Budget of a patient's whole era; repeat to compare, the first is the headline's.",
)  # fmt: skip
@click.option("--delta", type=float, default=1e-6, show_default=True)
@click.option("--cadence", type=click.Choice(["day", "week", "month"]), default="day", show_default=True)
@click.option("--trust", type=click.Choice(["secure-sum", "per-site"]), default="secure-sum", show_default=True)
@click.option("--honest-fraction", type=float, default=0.8, show_default=True, help="Of a secure sum.")
@click.option("--wallet-capacity", type=float, default=1.5, show_default=True, help="C.")
@click.option("--wallet-operations", type=int, default=16, show_default=True, help="M.")
@click.option("--margin-share", type=float, default=0.05, show_default=True, help="Share of the budget for margins.")
@click.option("--drugs", type=int, default=500, show_default=True)
@click.option("--reactions", type=int, default=1000, show_default=True)
@click.option("--signals", type=int, default=200, show_default=True, help="True associations, of ratio 2, 4 and 8.")
@click.option("--years", type=int, default=1, show_default=True, help="Length of the era.")
@click.option("--draws", type=int, default=1, show_default=True, help="Draws of the noise to average over.")
@click.option(
    "--compare", type=click.Choice(["wallets", "margins"]), multiple=True,
    help="Also how other wallets, or other budget shares, would have done.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR")
@as_json_option
def simulate(
    sites: int, reports: int, epsilons: tuple[float, ...], delta: float, cadence: Literal["day", "week", "month"],
    trust: Literal["secure-sum", "per-site"], honest_fraction: float, wallet_capacity: float, wallet_operations: int,
    margin_share: float, drugs: int, reactions: int, signals: int, years: int, draws: int, compare: tuple[str, ...],
    seed: int, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Count a made-up population as a federation would, and say what it finds of what is true.

    Writes simulation.json, views.csv, bands.csv, recall.svg, bands.svg and index.html to DIR.
    """
    from kelsey.console import progress
    from kelsey.simulation import SimulationSettings, count_views, run_simulation
    from kelsey.simulation.output import write_simulation

    settings = SimulationSettings(
        sites=sites, reports=reports, epsilons=epsilons, delta=delta, drugs=drugs, reactions=reactions,
        signals=signals, years=years, cadence=cadence, trust=trust, honest_fraction=honest_fraction,
        wallet_capacity=wallet_capacity, wallet_operations=wallet_operations, margin_share=margin_share, draws=draws,
        seed=seed, compared_wallets=_WALLETS if "wallets" in compare else (),
        compared_margin_shares=_MARGIN_SHARES if "margins" in compare else (),
    )  # fmt: skip
    # counting half of the bar, looking the other half, whatever their number
    views, steps = count_views(settings), 1000
    with progress("simulating", 2 * steps) as advance:
        share = _Share(steps, settings.reports, advance)
        looks = _Share(steps, views, advance)
        result = run_simulation(settings, count_progress=share.add, view_progress=looks.add)
    document = write_simulation(result, out)
    if as_json:
        print_json(document)
    else:
        click.echo(_words(document, out))


class _Share:
    """Turns counts of something into whole steps of a progress bar."""

    def __init__(self, steps: int, whole: int, advance: Any) -> None:
        self._steps, self._whole, self._advance = steps, whole, advance
        self._done, self._shown = 0, 0

    def add(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        shown = min(self._steps, self._done * self._steps // self._whole)
        self._advance(shown - self._shown)
        self._shown = shown


def _words(document: dict[str, Any], out: Path) -> str:
    """The result as text."""
    from kelsey.console import table

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    rows = [
        (view["name"], "" if view["epsilon"] is None else f"{view['epsilon']:g}", view["cadence"] or "",
         f"{view['noise_sd']:.2f}", number(view["recall"]), number(view["fdr"]), number(view["auprc"]),
         "" if view["detectable_excess"] is None else f"{view['detectable_excess']:.0f}")
        for view in document["views"]
        if view["study"] == "architecture"
    ]  # fmt: skip
    header = ("view", "epsilon", "cadence", "noise sd", "recall", "FDR", "AUPRC", "excess that shows")
    return (
        f"{document['reports']:,} reports of {document['patients']:,} patients, {document['pairs']:,} pairs\n"
        f"{table(rows, header=header)}\n"
        f"noise factor at month-ends, all-in: {document['noise_factor_month_end']:.2f}; "
        f"coverage of 95 % intervals: {number(document['coverage']) or 'nothing to judge'}\n{out}/index.html"
    )
