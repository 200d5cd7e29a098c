"""Reports of a drug among those of the drug and its comparators: the Bernoulli model of a tree-based scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from cases import ParameterError
from detectors.tree_scan._counting import Counts, Floats, checked_counts, checked_lengths, xlogx

__all__ = ["BernoulliCounts"]

_MOST_DEALT = 10**7  # reports that are dealt out one by one, which costs their memory; else set by set


@dataclass(frozen=True, slots=True, eq=False)
class BernoulliCounts:
    r"""Reports of the drug among all reports, a value a set of `NodeSets`.

    With c of n reports at a name, :math:`c \ln \frac{c / n}{p} + (n - c) \ln \frac{1 - c / n}{1 - p}` where
    :math:`c / n > p`, else 0. Without a chance p the number of the drug's reports is taken as given, and the share at a
    name is compared with the share of all other reports.

    Parameters
    ----------
    observed
        Reports of the drug, shape (sets,), whole numbers of at least 0.
    total
        Reports of the drug and its comparators, no fewer.
    chance
        Chance that a report is of the drug if the reaction has nothing to do with it, in (0, 1), known beforehand: 0.5
        for matched pairs, 1/3 for two comparators each. None where it would have to be taken from these very reports.

    Raises
    ------
    ParameterError
        Counts that are no counts, more of the drug than in all, a chance outside (0, 1), no report.
    """

    observed: Counts
    total: Counts
    chance: float | None

    def __init__(self, observed: ArrayLike, total: ArrayLike, *, chance: float | None) -> None:
        count, reports = checked_counts("observed", observed), checked_counts("total", total)
        checked_lengths(observed=count, total=reports)
        if (count > reports).any():
            row = int(np.argmax(count > reports))
            raise ParameterError(f"observed must not be above total, not {count[row]} of {reports[row]} (set {row})")
        if chance is not None and not 0 < chance < 1:
            raise ParameterError(f"chance must lie in (0, 1), not {chance!r}")
        if not 0 < reports.sum() < 10**9:
            raise ParameterError(f"total must sum to at least 1 and less than 10^9 reports, not {int(reports.sum())}")
        object.__setattr__(self, "observed", count)
        object.__setattr__(self, "total", reports)
        object.__setattr__(self, "chance", chance)

    @property
    def size(self) -> Floats:
        """Reports of each set."""
        return self.total.astype(np.float64)

    def draw(self, random: np.random.Generator, draws: int) -> Counts:
        """Reports of the drug if every report is of it by the same chance, shape (sets, draws)."""
        drawn = np.zeros((len(self.total), draws), dtype=np.int64)
        rows = np.flatnonzero(self.total)
        total = self.total[rows]
        if self.chance is None:
            drug, reports = int(self.observed.sum()), int(total.sum())
            is_dealt = min(drug, reports - drug) < len(rows) and reports <= _MOST_DEALT
            method: Literal["count", "marginals"] = "count" if is_dealt else "marginals"
            drawn[rows] = random.multivariate_hypergeometric(total, drug, size=draws, method=method).T
        else:
            drawn[rows] = random.binomial(total[:, None], self.chance, (len(rows), draws))
        return drawn

    @property
    def _share(self) -> float:
        return float(self.observed.sum() / self.total.sum()) if self.chance is None else self.chance

    def expected_at(self, nodes: csr_array) -> Floats:
        """Expected reports of the drug at each name."""
        return np.asarray((nodes @ self.total) * self._share, dtype=np.float64)

    def ratio_at(self, nodes: csr_array, count: Counts) -> Floats:
        """Log likelihood ratio of an excess of counts, shape (names, draws)."""
        total = np.asarray(nodes @ self.total, dtype=np.int64)[:, None]
        ratio = xlogx(count) + xlogx(total - count) - xlogx(total)
        if self.chance is None:
            drug, reports = int(self.observed.sum()), int(self.total.sum())
            outside, left = drug - count, reports - total
            ratio += xlogx(outside) + xlogx(left - outside) - xlogx(left)
            ratio -= float(np.diff(xlogx(np.array([reports, drug])))[0] + xlogx(np.array([reports - drug]))[0])
            ratio[count * reports <= total * drug] = 0.0
        else:
            ratio -= count * np.log(self.chance) + (total - count) * np.log1p(-self.chance)
            ratio[count <= total * self.chance] = 0.0
        return np.maximum(ratio, 0.0, out=ratio)

    def __add__(self, other: BernoulliCounts) -> BernoulliCounts:
        """Both looks together; raises `ParameterError` for looks at other sets or with another chance."""
        checked_lengths(first=self.observed, second=other.observed)
        if self.chance != other.chance:
            raise ParameterError(f"looks must have one chance, not {self.chance!r} and {other.chance!r}")
        return BernoulliCounts(self.observed + other.observed, self.total + other.total, chance=self.chance)
