"""`kelsey treescan`: an excess anywhere in a tree of reactions, for one drug."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kelsey.commands.options import EXISTING_FILE, as_json_option, print_json

if TYPE_CHECKING:
    from kelsey.tree_scan import DrugTreeScan

__all__ = ["treescan"]


@click.command(
    epilog="""\b
Examples:
  kelsey treescan --reports reports.csv --tree tree.csv --drug rofecoxib
  kelsey treescan --reports reports.csv --tree tree.csv --drug rofecoxib --comparator naproxen --json
  kelsey treescan --reports 2024.csv --tree tree.csv --drug rofecoxib --baseline 2023.csv --ratio 1.2
  kelsey treescan --reports 2024.csv --tree tree.csv --drug rofecoxib --expected expected.csv"""
)
@click.option(
    "--reports", type=EXISTING_FILE, required=True, metavar="FILE", help="CSV or Parquet: case_id,drug,reaction."
)
@click.option("--tree", type=EXISTING_FILE, required=True, metavar="FILE", help="Tree of reactions: child,parent.")
@click.option("--drug", required=True, metavar="NAME", help="As the file writes it.")
@click.option(
    "--comparator", "comparators", multiple=True, metavar="NAME", help="Compare with these; default all others."
)
@click.option("--chance", type=float, metavar="P", help="Chance that a report is of the drug, if known beforehand.")
@click.option("--baseline", type=EXISTING_FILE, metavar="FILE", help="Instead: reports of an earlier period.")
@click.option("--ratio", type=float, metavar="R", help="Exposure now for each unit of exposure in the baseline.")
@click.option(
    "--expected", type=EXISTING_FILE, metavar="FILE", help="Instead: reaction,expected, from an outside rate."
)
@click.option("--replications", type=int, default=999, show_default=True, metavar="B", help="Draws without excess.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Where the draws start.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Branches to show.")
@as_json_option
def treescan(
    reports: Path, tree: Path, drug: str, comparators: tuple[str, ...], chance: float | None, baseline: Path | None,
    ratio: float | None, expected: Path | None, replications: int, seed: int, top: int, as_json: bool,
) -> None:  # fmt: skip
    """Scan a tree of reactions for branches with more reports of a drug than chance lets expect.

    Reports of the drug are compared with those of other drugs, with an earlier period of its own (--baseline), or with
    what was expected beforehand (--expected). p allows for having looked at the whole tree.
    """
    from kelsey.hierarchy_file import read_hierarchy
    from kelsey.tree_scan import scan_against_baseline, scan_against_comparators, scan_against_expected

    if (baseline is None) != (ratio is None):
        raise click.UsageError("--baseline and --ratio belong together")
    if sum([bool(comparators) or chance is not None, baseline is not None, expected is not None]) > 1:
        raise click.UsageError("give --comparator and --chance, or --baseline, or --expected")
    hierarchy = read_hierarchy(tree)
    if baseline is not None and ratio is not None:
        found = scan_against_baseline(
            reports, hierarchy, drug, baseline=baseline, ratio=ratio, replications=replications, seed=seed
        )
    elif expected is not None:
        found = scan_against_expected(reports, hierarchy, drug, expected=expected, replications=replications, seed=seed)
    else:
        found = scan_against_comparators(
            reports, hierarchy, drug, comparators=comparators, chance=chance, replications=replications, seed=seed
        )
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo(_words(found, top))


def _words(found: DrugTreeScan, top: int) -> str:
    """The result as text."""
    from kelsey.console import table

    judged = [cut for cut in found.cuts if cut.expected]
    rows = [
        (cut.name, cut.level, cut.observed, cut.expected, cut.llr, f"{cut.p:.4g}", ", ".join(cut.same_as))
        for cut in judged[:top]
    ]
    beside = "" if found.other_reports is None else f" beside {found.other_reports:,}"
    lines = [
        f"{found.drug}: {found.reports:,} reports{beside}; {found.model}",
        table(rows, header=("branch", "level", "seen", "expected", "LLR", "p", "the same as")),
    ]
    new = [f"{cut.name} ({cut.observed})" for cut in found.cuts if not cut.expected]
    if new:
        lines.append(f"not expected at all, so without p: {', '.join(new[:top])}{', ...' if len(new) > top else ''}")
    lines.append(f"{len(judged):,} branches looked at; p from {found.replications:,} draws, seed {found.seed}")
    return "\n".join(lines)
