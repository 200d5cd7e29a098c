"""From counts by number to columns of pairs, sorted by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors._counts import PAIR_STRIDE, Counts
from detectors._names import Names
from detectors.pair_arrays import PairArrays

__all__ = ["PairColumns"]

_Integers = NDArray[np.int64]


class PairColumns:
    """The pairs of some counts, sorted by (drug, reaction) by Unicode code point, and what other counts say of them."""

    def __init__(self, counts: Counts, drugs: Names, reactions: Names) -> None:
        drug, reaction, n = counts.pair_columns()
        self._names = drugs.ordered(), reactions.ordered()
        self._drug_rank, self._reaction_rank = drugs.ranks(), reactions.ranks()
        place = self._drug_rank[drug] * len(self._reaction_rank) + self._reaction_rank[reaction]
        order = np.argsort(place, kind="stable")  # next to nothing where names came in their order
        self._drug, self._reaction, self._n = drug[order], reaction[order], n[order]
        self._counts = counts

    def _margins(self, counts: Counts) -> tuple[_Integers, _Integers]:
        drugs = counts.drug_margins(len(self._drug_rank))
        reactions = counts.reaction_margins(len(self._reaction_rank))
        return drugs[self._drug], reactions[self._reaction]

    def _reports(self, counts: Counts) -> _Integers:
        """Reports of each pair among other counts, 0 where they hold none."""
        keys, n = counts.pairs.columns()
        wanted = self._drug * PAIR_STRIDE + self._reaction
        position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[position] == wanted, n[position], 0)

    def arrays(self, part: Counts | None = None) -> PairArrays:
        """One row a pair, counted among the reports of `part` (which must hold some), by default those of its own."""
        counts = self._counts if part is None else part
        n = self._n if part is None else self._reports(part)
        n_drug, n_reaction = self._margins(counts)
        expected = n_drug.astype(np.float64) * n_reaction / counts.reports
        return self._columns(counts, n, n_drug, n_reaction, expected)

    def stratified_arrays(self, parts: Sequence[Counts]) -> PairArrays:
        """One row a pair, its expected count summed over the parts that the reports are divided into."""
        n_drug, n_reaction = self._margins(self._counts)
        expected = np.zeros(len(self._n))
        for part in parts:
            drugs, reactions = self._margins(part)
            expected += drugs / part.reports * reactions
        return self._columns(self._counts, self._n, n_drug, n_reaction, expected)

    def _columns(
        self, counts: Counts, n: _Integers, n_drug: _Integers, n_reaction: _Integers, expected: NDArray[np.float64]
    ) -> PairArrays:
        return PairArrays(
            *self._names,
            self._drug_rank[self._drug],
            self._reaction_rank[self._reaction],
            n,
            n_drug,
            n_reaction,
            np.full(len(n), counts.reports, dtype=np.int64),
            expected,
        )
