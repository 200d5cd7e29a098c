"""`kelsey treescan`: an excess anywhere in a tree of reactions, for one drug."""

from __future__ import annotations

from pathlib import Path

import click

from kelsey.commands.options import EXISTING_FILE, as_json_option, print_json

__all__ = ["treescan"]


@click.command(
    epilog="""\b
Examples:
  kelsey treescan --reports reports.csv --tree tree.csv --drug rofecoxib
  kelsey treescan --reports reports.csv --tree tree.csv --drug rofecoxib --comparator naproxen --json
  kelsey treescan --reports 2024.csv --tree tree.csv --drug rofecoxib --baseline 2023.csv --ratio 1.2"""
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
@click.option("--replications", type=int, default=999, show_default=True, metavar="B", help="Draws without excess.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Where the draws start.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Branches to show.")
@as_json_option
def treescan(
    reports: Path, tree: Path, drug: str, comparators: tuple[str, ...], chance: float | None, baseline: Path | None,
    ratio: float | None, replications: int, seed: int, top: int, as_json: bool,
) -> None:  # fmt: skip
    """Scan a tree of reactions for branches with more reports of a drug than chance lets expect.

    Reports of the drug are compared with those of other drugs, or, with --baseline, with an earlier period of its own.
    p allows for having looked at the whole tree. A report counts once at each branch.
    """
    from kelsey.hierarchy_file import read_hierarchy
    from kelsey.tree_scan import scan_against_baseline, scan_against_comparators

    if (baseline is None) != (ratio is None):
        raise click.UsageError("--baseline and --ratio belong together")
    if baseline is not None and (comparators or chance is not None):
        raise click.UsageError("--baseline takes the place of --comparator and --chance")
    hierarchy = read_hierarchy(tree)
    if baseline is not None and ratio is not None:
        found = scan_against_baseline(
            reports, hierarchy, drug, baseline=baseline, ratio=ratio, replications=replications, seed=seed
        )
    else:
        found = scan_against_comparators(
            reports, hierarchy, drug, comparators=comparators, chance=chance, replications=replications, seed=seed
        )
    if as_json:
        print_json(found.as_dict())
    else:
        click.echo(_words(found, top, "in the baseline" if baseline is not None else "of comparators"))


def _words(found: object, top: int, others: str) -> str:
    """The result as text."""
    from kelsey.console import table
    from kelsey.tree_scan import DrugTreeScan

    assert isinstance(found, DrugTreeScan)  # noqa: S101  named here so that --help need not import it
    judged = [cut for cut in found.cuts if cut.expected]
    rows = [
        (cut.name, cut.level, cut.observed, cut.expected, cut.llr, f"{cut.p:.4g}", ", ".join(cut.same_as))
        for cut in judged[:top]
    ]
    lines = [
        f"{found.drug}: {found.reports:,} reports, {found.other_reports:,} {others}; {found.model}",
        table(rows, header=("branch", "level", "reports", "expected", "LLR", "p", "the same reports as")),
    ]
    new = [f"{cut.name} ({cut.observed})" for cut in found.cuts if not cut.expected]
    if new:
        lines.append(f"never in the baseline, so without p: {', '.join(new[:top])}{', ...' if len(new) > top else ''}")
    lines.append(f"{len(judged):,} branches looked at; p from {found.replications:,} draws, seed {found.seed}")
    return "\n".join(lines)
