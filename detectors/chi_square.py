"""Chi-square of a pair's two-by-two table with Yates' correction, as the Evans rule asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors._contingency import cells
from detectors.measure import Measure
from detectors.pair_arrays import PairArrays
from detectors.table import CountTable

__all__ = ["ChiSquare", "chi_square"]


def chi_square(n: ArrayLike, n_drug: ArrayLike, n_reaction: ArrayLike, n_total: ArrayLike) -> NDArray[np.float64]:
    """Chi-square of each pair, shape (pairs,); the counts may be noisy.

    NaN where the counts make no two-by-two table, and where a margin is 0 (every report has the drug, say), as nothing
    is then left to compare with.
    """
    a, b, c, d = cells(n, n_drug, n_reaction, n_total, has_correction=False)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # an empty margin: NaN, as documented
        total = a + b + c + d
        excess = np.maximum(np.abs(a * d - b * c) - total / 2, 0)
        scores: NDArray[np.float64] = total * excess**2 / ((a + b) * (c + d) * (a + c) * (b + d))
    return scores


@dataclass(frozen=True, slots=True)
class ChiSquare(Measure):
    r"""Chi-square with one degree of freedom, :math:`\frac{N (|ad - bc| - N/2)^2}{(a+b)(c+d)(a+c)(b+d)}`.

    A difference below Yates' correction counts as none, so the value is never negative.

    Notes
    -----
    It grows with the number of reports at the same strength of association, and does not tell more from fewer reports
    than expected: read it beside a ratio.

    Examples
    --------
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_counts([("rofecoxib", "infarction", 30), ("rofecoxib", "rash", 70),
    ...                                 ("paracetamol", "infarction", 20), ("paracetamol", "rash", 880)])
    >>> round(ChiSquare().score_one(table, "rofecoxib", "infarction"), 2)
    140.41

    References
    ----------
    Yates F (1934), Supplement to the Journal of the Royal Statistical Society 1:217-235, doi:10.2307/2983604
    """

    columns: ClassVar[tuple[str, ...]] = ("chi2",)
    variant: ClassVar[str] = "Yates correction"

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Chi-square of every row, shape (pairs,)."""
        return chi_square(arrays.n, arrays.n_drug, arrays.n_reaction, arrays.n_total)

    def score_one(self, table: CountTable, drug: str, reaction: str) -> float:
        """Chi-square of one pair; raises `UnknownTermError` like `Measure.score_one`."""
        return float(self.score_many(table.arrays_of([(drug, reaction)]))[0])
