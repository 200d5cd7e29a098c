"""Mid-p of Fisher's exact test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.fisher import fisher_exact
from detectors.measure import Measure
from detectors.pair_arrays import PairArrays
from detectors.table import CountTable

__all__ = ["FisherMidP"]


@dataclass(frozen=True, slots=True)
class FisherMidP(Measure):
    r"""Mid-p, :math:`P(X > n) + P(X = n) / 2`, of a hypergeometric count X with the pair's margins; for an excess.

    Notes
    -----
    Closer to its level than `FisherExact`, which it may exceed a little: not where a level must be kept with certainty.

    Examples
    --------
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_counts([("rofecoxib", "infarction", 3), ("rofecoxib", "rash", 1),
    ...                                 ("paracetamol", "infarction", 1), ("paracetamol", "rash", 3)])
    >>> round(FisherMidP().score_one(table, "rofecoxib", "infarction"), 4)
    0.1286

    References
    ----------
    Lancaster HO (1961), Journal of the American Statistical Association 56:223-234, doi:10.1080/01621459.1961.10482105
    """

    columns: ClassVar[tuple[str, ...]] = ("fisher_mid_p",)
    variant: ClassVar[str] = "one-sided, for an excess; half of the chance of the count itself"

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Mid-p of every row, shape (pairs,)."""
        return fisher_exact(arrays.n, arrays.n_drug, arrays.n_reaction, arrays.n_total)[:, 1]

    def score_one(self, table: CountTable, drug: str, reaction: str) -> float:
        """Mid-p of one pair; raises `UnknownTermError` like `Measure.score_one`."""
        return float(self.score_many(table.arrays_of([(drug, reaction)]))[0])
