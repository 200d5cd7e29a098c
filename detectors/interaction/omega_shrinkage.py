"""Omega: reports of two drugs together over what each on its own leads one to expect, on a log2 scale, shrunken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.information_component import information_component
from detectors.interaction.report_index import ReportIndex
from detectors.interaction.triple_arrays import TripleArrays
from detectors.interval import Interval, check_level

__all__ = ["OmegaShrinkage", "expected_of_both"]


def _odds(reports: ArrayLike, total: ArrayLike) -> NDArray[np.float64]:
    """Odds of the reaction; NaN without reports, where all have the reaction, and for what are no counts."""
    some, every = np.broadcast_arrays(np.asarray(reports, dtype=np.float64), np.asarray(total, dtype=np.float64))
    odds = np.full(some.shape, np.nan)
    np.divide(some, every - some, out=odds, where=(some >= 0) & (some < every) & np.isfinite(every))
    return odds


def expected_of_both(
    n_11: ArrayLike,
    n_101: ArrayLike,
    n_10: ArrayLike,
    n_011: ArrayLike,
    n_01: ArrayLike,
    n_001: ArrayLike,
    n_00: ArrayLike,
) -> NDArray[np.float64]:
    """Reports of both drugs with the reaction that are expected where each adds its own risk and no more.

    Counts as in `TripleArrays`. NaN where a group (both, one alone, the other alone, neither) has no report, where all
    reports of one of the last three have the reaction, and where a number is no count.
    """
    neither, one, two = _odds(n_001, n_00), _odds(n_101, n_10), _odds(n_011, n_01)
    both = np.asarray(n_11, dtype=np.float64)
    odds = np.maximum(neither, one) + np.maximum(neither, two) - neither
    return np.where((both > 0) & np.isfinite(both), both * odds / (1 + odds), np.nan)  # 1 - 1 / (odds + 1), exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class OmegaShrinkage:
    r"""Omega, :math:`\log_2 \frac{n_{111} + 1/2}{E_{111} + 1/2}`, with gamma limits.

    With :math:`f` the share of reports with the reaction among those of neither drug (00), of one alone (10, 01), and
    :math:`o = f / (1 - f)`, the expected count :math:`E_{111} = n_{11\cdot}\, g_{11}` has

    .. math:: g_{11} = 1 - \frac{1}{\max(o_{00}, o_{10}) + \max(o_{00}, o_{01}) - o_{00} + 1}

    so that risks add up, and a drug that seems to protect counts as one that does nothing. The limits are quantiles of
    :math:`\log_2 \mu` where :math:`\mu` is gamma distributed with shape :math:`n_{111} + 1/2` and rate
    :math:`E_{111} + 1/2`.

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1). Higher is wider; the usual choice is 0.95, whose lower limit is Omega025.

    Notes
    -----
    NaN where the baseline cannot be told: no report of one drug without the other, of both or of neither, or a group
    whose reports all have the reaction. The interval takes the expected count as known: where one drug alone has few
    reports it is not, and the limits are too narrow.

    Examples
    --------
    >>> rows = [("warfarin", None, "bleeding", 20), ("warfarin", None, "rash", 380), ("aspirin", None, "bleeding", 30),
    ...         ("aspirin", None, "rash", 570), ("warfarin", "aspirin", "bleeding", 24),
    ...         ("warfarin", "aspirin", "rash", 76), ("other", None, "bleeding", 50), ("other", None, "rash", 4950)]
    >>> named = [(one, two, reaction) for one, two, reaction, count in rows for _ in range(count)]
    >>> flat = [(case, drug, reaction) for case, (*drugs, reaction) in enumerate(named) for drug in drugs if drug]
    >>> index = ReportIndex(*zip(*flat, strict=True))
    >>> OmegaShrinkage(level=0.95).score_one(index, "warfarin", "aspirin", "bleeding").round(2)
    Interval(point=1.41, lower=0.78, upper=1.93, level=0.95)

    References
    ----------
    Noren GN, Sundberg R, Bate A, Edwards IR (2008), Statistics in Medicine 27:3057-3070, doi:10.1002/sim.3247
    """

    columns: ClassVar[tuple[str, ...]] = ("omega", "omega_lower", "omega_upper")
    variant: ClassVar[str] = "gamma limits"

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def expected_many(self, arrays: TripleArrays) -> NDArray[np.float64]:
        """Expected reports of every row, shape (triples,); NaN where there is no baseline."""
        return expected_of_both(
            arrays.n_11, arrays.n_101, arrays.n_10, arrays.n_011, arrays.n_01, arrays.n_001, arrays.n_00
        )

    def score_many(self, arrays: TripleArrays) -> NDArray[np.float64]:
        """Omega, lower and upper limit of every row, shape (triples, 3)."""
        return information_component(arrays.n_111, self.expected_many(arrays), level=self.level)

    def score_one(self, index: ReportIndex, drug1: str, drug2: str, reaction: str) -> Interval:
        """The same for one triple, which need not have been reported, in either order of the drugs.

        Raises like `ReportIndex.triples_of`.
        """
        point, lower, upper = self.score_many(index.triples_of([(drug1, drug2, reaction)]))[0].tolist()
        return Interval(point, lower, upper, self.level)
