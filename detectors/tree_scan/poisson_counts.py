"""Counts against an expectation: the Poisson model of a tree-based scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from cases import ParameterError
from detectors.tree_scan._counting import Counts, Floats, checked_counts, checked_lengths, xlogx

__all__ = ["PoissonCounts"]


@dataclass(frozen=True, slots=True, eq=False)
class PoissonCounts:
    r"""Reports seen and expected, a value a set of `NodeSets`.

    With c reports at a name and e expected, :math:`c \ln (c / e) - (c - e)` where :math:`c > e`, else 0; conditional
    on all C reports, :math:`c \ln (c / e) + (C - c) \ln ((C - c) / (C - e))` with the e made to sum to C.

    Parameters
    ----------
    observed
        Reports of each set, shape (sets,), whole numbers of at least 0.
    expected
        What was to be expected of each before they came, at least 0: from an earlier period or an outside rate, never
        from the same reports. A set with 0 is never drawn; a name where nothing at all is expected is not tested.
    is_conditional
        Whether only the distribution over the tree is tested, given the number of reports: for expectations that are
        known but for a factor. Then reports where nothing is expected are refused.

    Raises
    ------
    ParameterError
        Counts that are no counts, an expectation below 0 or not finite, columns of unequal length, nothing expected.
    """

    observed: Counts
    expected: Floats
    is_conditional: bool

    def __init__(self, observed: ArrayLike, expected: ArrayLike, *, is_conditional: bool = False) -> None:
        count, means = checked_counts("observed", observed), np.asarray(expected, dtype=np.float64)
        checked_lengths(observed=count, expected=means)
        good = (means >= 0) & (means < np.inf)
        if not good.all():
            row = int(np.argmin(good))
            raise ParameterError(f"expected must be finite and at least 0, not {float(means[row])!r} (set {row})")
        if not means.sum() > 0:
            raise ParameterError("nothing is expected of any set")
        if is_conditional:
            if (count[means == 0] > 0).any():
                row = int(np.argmax((count > 0) & (means == 0)))
                raise ParameterError(f"observed has {count[row]} where nothing is expected (set {row})")
            means = means * (count.sum() / means.sum())
        object.__setattr__(self, "observed", count)
        object.__setattr__(self, "expected", means)
        object.__setattr__(self, "is_conditional", is_conditional)

    @property
    def size(self) -> Floats:
        """What is expected of each set."""
        return self.expected

    def draw(self, random: np.random.Generator, draws: int) -> Counts:
        """Counts under the expectation, shape (sets, draws)."""
        drawn = np.zeros((len(self.expected), draws), dtype=np.int64)
        rows = np.flatnonzero(self.expected)
        if self.is_conditional:
            if len(rows):
                share = self.expected[rows] / self.expected.sum()
                drawn[rows] = random.multinomial(int(self.observed.sum()), share, size=draws).T
        else:
            drawn[rows] = random.poisson(self.expected[rows][:, None], (len(rows), draws))
        return drawn

    def expected_at(self, nodes: csr_array) -> Floats:
        """Expected reports at each name."""
        return np.asarray(nodes @ self.expected, dtype=np.float64)

    def ratio_at(self, nodes: csr_array, count: Counts) -> Floats:
        """Log likelihood ratio of an excess of counts, shape (names, draws)."""
        mean = self.expected_at(nodes)[:, None]
        if self.is_conditional:
            total = int(self.observed.sum())
            rest = total - mean
            outside = np.log(np.where(rest > 0, rest, 1.0))
            ratio = xlogx(count) - count * np.log(mean) + xlogx(total - count) - (total - count) * outside
        else:
            ratio = xlogx(count)
            ratio -= count * (np.log(mean) + 1.0)
            ratio += mean
        ratio[count <= mean] = 0.0
        return np.maximum(ratio, 0.0, out=ratio)

    def __add__(self, other: PoissonCounts) -> PoissonCounts:
        """Both looks together; raises `ParameterError` for looks at other sets or under another condition."""
        checked_lengths(first=self.observed, second=other.observed)
        if self.is_conditional != other.is_conditional:
            raise ParameterError("looks must all be conditional, or none")
        return PoissonCounts(
            self.observed + other.observed, self.expected + other.expected, is_conditional=self.is_conditional
        )
