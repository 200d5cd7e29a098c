"""The counts of many triples of two drugs and a reaction as columns: what a measure of interaction scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TripleArrays"]


@dataclass(frozen=True, slots=True, eq=False)
class TripleArrays:
    """Columns of equal length, one row a triple; counts are distinct reports.

    The digits say of which reports: with the first drug, with the second, with the reaction. A count without the third
    digit takes all reports of those drugs, whatever their reactions.

    Parameters
    ----------
    drug_names, reaction_names
        Names that the three indices point into; may hold names without a row.
    drug1_index, drug2_index, reaction_index
        The triple of each row; the name of drug 1 comes first by Unicode code point where many triples are counted.
    n_111, n_11
        Reports of both drugs with the reaction, and all of both drugs; int64.
    n_101, n_10, n_011, n_01
        The same of drug 1 without drug 2, and of drug 2 without drug 1.
    n_001, n_00
        The same of neither.
    """

    drug_names: tuple[str, ...]
    reaction_names: tuple[str, ...]
    drug1_index: NDArray[np.int64]
    drug2_index: NDArray[np.int64]
    reaction_index: NDArray[np.int64]
    n_111: NDArray[np.int64]
    n_11: NDArray[np.int64]
    n_101: NDArray[np.int64]
    n_10: NDArray[np.int64]
    n_011: NDArray[np.int64]
    n_01: NDArray[np.int64]
    n_001: NDArray[np.int64]
    n_00: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.n_111)

    @property
    def drug1(self) -> list[str]:
        """First drug of each row (built anew at each call)."""
        return [self.drug_names[index] for index in self.drug1_index.tolist()]

    @property
    def drug2(self) -> list[str]:
        """Second drug of each row (built anew at each call)."""
        return [self.drug_names[index] for index in self.drug2_index.tolist()]

    @property
    def reaction(self) -> list[str]:
        """Reaction of each row (built anew at each call)."""
        return [self.reaction_names[index] for index in self.reaction_index.tolist()]
