"""Fisher's exact test: the chance of so many reports or more, given the margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors._contingency import cells
from detectors.measure import Measure
from detectors.pair_arrays import PairArrays
from detectors.table import CountTable

__all__ = ["FisherExact", "fisher_exact"]

_LARGEST = float(2**31)


def fisher_exact(n: ArrayLike, n_drug: ArrayLike, n_reaction: ArrayLike, n_total: ArrayLike) -> NDArray[np.float64]:
    """One-sided chance of each pair, exact and mid-p, shape (pairs, 2).

    NaN where the counts make no two-by-two table: a cell below 0, a count that is not finite or not whole, no reports;
    and for more than 2 ** 31 reports, where summing the chances takes for ever.
    """
    both, drug_only, reaction_only, neither = cells(n, n_drug, n_reaction, n_total, has_correction=False)
    every = (both, drug_only, reaction_only, neither)
    is_whole = np.logical_and.reduce([(cell == np.floor(cell)) & (cell <= _LARGEST) for cell in every])
    a, b, c, d = (np.where(is_whole, cell, 0.0) for cell in every)
    total = np.where(is_whole, a + b + c + d, 1.0)
    from scipy.stats import hypergeom  # half of what importing this package would take, and few ask for it

    above = hypergeom.sf(a, total, a + b, a + c)
    at = hypergeom.pmf(a, total, a + b, a + c)
    chances = np.stack([np.minimum(above + at, 1.0), above + at / 2], axis=-1)
    chances[~is_whole] = np.nan
    return np.asarray(chances, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class FisherExact(Measure):
    r"""Chance :math:`P(X \ge n)` of a hypergeometric count X with the pair's margins; one-sided, for an excess.

    Notes
    -----
    Conservative where counts are small; `FisherMidP` comes closer to its level. It does not tell how strong an
    association is, and with many reports calls the slightest excess. Of ten thousand pairs five hundred are below 0.05
    by luck alone: correct for multiplicity. Crude: strata do not change it.

    Examples
    --------
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_counts([("rofecoxib", "infarction", 3), ("rofecoxib", "rash", 1),
    ...                                 ("paracetamol", "infarction", 1), ("paracetamol", "rash", 3)])
    >>> round(FisherExact().score_one(table, "rofecoxib", "infarction"), 4)
    0.2429

    References
    ----------
    Fisher RA (1935), Journal of the Royal Statistical Society 98:39-82, doi:10.2307/2342435
    """

    columns: ClassVar[tuple[str, ...]] = ("fisher_p",)
    variant: ClassVar[str] = "one-sided, for an excess"

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Chance of every row, shape (pairs,)."""
        return fisher_exact(arrays.n, arrays.n_drug, arrays.n_reaction, arrays.n_total)[:, 0]

    def score_one(self, table: CountTable, drug: str, reaction: str) -> float:
        """Chance of one pair; raises `UnknownTermError` like `Measure.score_one`."""
        return float(self.score_many(table.arrays_of([(drug, reaction)]))[0])
