"""A `CountTable` as the plain counters the oracle gives."""

from __future__ import annotations

from collections import Counter

from detectors.table import CountTable
from tests.streams.play import Tables

__all__ = ["plain"]


def plain(table: CountTable, *, prefix: str = "") -> Tables:
    """Pairs, drugs, reactions and reports; with a prefix only of the names that begin with it, reports left at 0."""
    if not table.report_count:
        return Counter(), Counter(), Counter(), 0
    arrays = table.arrays()
    pairs: Counter[tuple[str, str]] = Counter()
    drugs: Counter[str] = Counter()
    reactions: Counter[str] = Counter()
    rows = zip(
        arrays.drug,
        arrays.reaction,
        arrays.n.tolist(),
        arrays.n_drug.tolist(),
        arrays.n_reaction.tolist(),
        strict=True,
    )
    for drug, reaction, n, n_drug, n_reaction in rows:
        if drug.startswith(prefix):
            pairs[drug, reaction], drugs[drug], reactions[reaction] = n, n_drug, n_reaction
    return pairs, drugs, reactions, 0 if prefix else table.report_count
