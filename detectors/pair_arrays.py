"""The counts of many pairs as columns: what every measure scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PairArrays"]


@dataclass(frozen=True, slots=True, eq=False)
class PairArrays:
    """Columns of equal length, one row a pair; counts are distinct reports.

    Parameters
    ----------
    drug_names, reaction_names
        Names that `drug_index` and `reaction_index` point into; may hold names without a row.
    drug_index, reaction_index
        The pair of each row.
    n, n_drug, n_reaction, n_total
        Reports with both, with the drug, with the reaction, and all; int64. `n_total` is the same in every row.
    expected
        Reports expected without association: ``n_drug * n_reaction / n_total``, or the sum of the same over the strata
        where the columns were made with ``stratified=True``; float64.
    """

    drug_names: tuple[str, ...]
    reaction_names: tuple[str, ...]
    drug_index: NDArray[np.int64]
    reaction_index: NDArray[np.int64]
    n: NDArray[np.int64]
    n_drug: NDArray[np.int64]
    n_reaction: NDArray[np.int64]
    n_total: NDArray[np.int64]
    expected: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.n)

    @property
    def drug(self) -> list[str]:
        """Drug name of each row (built anew at each call)."""
        return [self.drug_names[index] for index in self.drug_index.tolist()]

    @property
    def reaction(self) -> list[str]:
        """Reaction name of each row (built anew at each call)."""
        return [self.reaction_names[index] for index in self.reaction_index.tolist()]
