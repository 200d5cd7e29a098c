"""The counts of one set of reports: a whole table or one of its strata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors._pair_counts import PairCounts

__all__ = ["PAIR_STRIDE", "Counts"]

PAIR_STRIDE = 5_000_000_029
"""A pair's key is its drug's number times this, plus its reaction's number.

More than there are reactions; a power of two would leave the low bits of the keys nearly alike, and fill a dictionary
three times as slowly.
"""


def _change(counts: dict[int, int], keys: Iterable[int], by: int) -> None:
    """Add `by` to the count of each key; a count of 0 is no count."""
    if by > 0:
        for key in keys:
            counts[key] = counts.get(key, 0) + by
        return
    for key in keys:
        value = counts.get(key, 0) + by
        if value:
            counts[key] = value
        else:
            del counts[key]


def _merge(counts: dict[int, int], other: dict[int, int]) -> None:
    if not counts:
        counts.update(other)
        return
    for key, value in other.items():
        counts[key] = counts.get(key, 0) + value


def _dense(counts: dict[int, int], size: int) -> NDArray[np.int64]:
    """Count by number, 0 where there is none."""
    dense = np.zeros(size, dtype=np.int64)
    dense[np.fromiter(counts.keys(), np.int64, len(counts))] = np.fromiter(counts.values(), np.int64, len(counts))
    return dense


class Counts:
    """Reports in all, by drug number, by reaction number and by pair key; holds positive counts only."""

    __slots__ = ("drugs", "pairs", "reactions", "reports")

    def __init__(self) -> None:
        self.reports = 0
        self.drugs: dict[int, int] = {}
        self.reactions: dict[int, int] = {}
        self.pairs = PairCounts()

    def change(self, drugs: Sequence[int], reactions: Sequence[int], pairs: Sequence[int], by: int) -> None:
        """Count `by` reports of these more, or less."""
        self.reports += by
        _change(self.drugs, drugs, by)
        _change(self.reactions, reactions, by)
        self.pairs.change(pairs, by)

    def holds(self, drugs: Sequence[int], reactions: Sequence[int], pairs: Sequence[int]) -> bool:
        """Whether a report of these could be among the counted."""
        return (
            self.reports > 0
            and all(drug in self.drugs for drug in drugs)
            and all(reaction in self.reactions for reaction in reactions)
            and all(self.pairs.of(pairs))
        )

    def merge(self, other: Counts) -> None:
        """Add the counts of other reports, under the same numbers."""
        self.reports += other.reports
        _merge(self.drugs, other.drugs)
        _merge(self.reactions, other.reactions)
        self.pairs.merge(other.pairs)

    def copy(self) -> Counts:
        """The same counts, to change by themselves."""
        copy = Counts()
        copy.merge(self)
        return copy

    def renumbered(self, drugs: NDArray[np.int64], reactions: NDArray[np.int64]) -> Counts:
        """A copy under other numbers: drug ``i`` becomes ``drugs[i]``."""
        copy = Counts()
        copy.reports = self.reports
        copy.drugs = {int(drugs[number]): count for number, count in self.drugs.items()}
        copy.reactions = {int(reactions[number]): count for number, count in self.reactions.items()}
        drug, reaction, reports = self.pair_columns()
        copy.pairs = PairCounts(drugs[drug] * PAIR_STRIDE + reactions[reaction], reports)
        return copy

    def drug_margins(self, size: int) -> NDArray[np.int64]:
        """Reports by drug number, for numbers below `size`."""
        return _dense(self.drugs, size)

    def reaction_margins(self, size: int) -> NDArray[np.int64]:
        """Reports by reaction number, for numbers below `size`."""
        return _dense(self.reactions, size)

    def pair_columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Drug number, reaction number and reports of every pair, sorted by these numbers."""
        keys, reports = self.pairs.columns()
        drugs = keys // PAIR_STRIDE
        return drugs, keys - drugs * PAIR_STRIDE, reports
