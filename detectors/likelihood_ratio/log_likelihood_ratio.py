"""Log likelihood ratio of an excess of reports over those expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.measure import Measure
from detectors.pair_arrays import PairArrays
from detectors.table import CountTable

__all__ = ["LogLikelihoodRatio", "log_likelihood_ratio"]


def log_likelihood_ratio(n: ArrayLike, expected: ArrayLike) -> NDArray[np.float64]:
    """Natural logarithm of the Poisson likelihood at the larger of `n` and `expected`, over that at `expected`.

    0 where there is no excess, infinite where something was reported that could not be expected; NaN where either is
    below 0 or not finite.
    """
    counts, means = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    defined = (counts >= 0) & (means >= 0) & np.isfinite(counts) & np.isfinite(means)
    counts, means = np.where(defined, counts, np.nan), np.where(defined, np.abs(means), np.nan)  # a noisy -0.0 is 0
    excess = counts > means
    with np.errstate(
        divide="ignore", over="ignore"
    ):  # nothing expected: the ratio is infinite, and so is its logarithm
        ratio = counts * np.log(np.where(excess, counts / np.where(excess, means, 1.0), 1.0)) - (counts - means)
    return np.where(excess, ratio, np.where(defined, 0.0, np.nan))


@dataclass(frozen=True, slots=True)
class LogLikelihoodRatio(Measure):
    r"""Log likelihood ratio, :math:`n \ln \frac{\max(n, E)}{E} - (\max(n, E) - E)`.

    Notes
    -----
    It grows with the number of reports at the same strength of association, and is no chance by itself: a drug with
    many reactions has a larger one by luck alone. `likelihood_ratio_test` says how large. It is crude: a stratified
    expected count does not change it.

    Examples
    --------
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_counts([("rofecoxib", "infarction", 30), ("rofecoxib", "rash", 70),
    ...                                 ("paracetamol", "infarction", 20), ("paracetamol", "rash", 880)])
    >>> round(LogLikelihoodRatio().score_one(table, "rofecoxib", "infarction"), 2)
    28.75

    References
    ----------
    Huang L, Zalkikar J, Tiwari RC (2011), Journal of the American Statistical Association 106:1230-1241,
    doi:10.1198/jasa.2011.ap10243
    """

    columns: ClassVar[tuple[str, ...]] = ("llr",)
    variant: ClassVar[str] = "Poisson, natural logarithm"

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Ratio of every row, shape (pairs,), on the crude expected count."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # noisy margins: such a row is NaN
            expected = arrays.n_drug * (arrays.n_reaction / arrays.n_total)
        return log_likelihood_ratio(arrays.n, expected)

    def score_one(self, table: CountTable, drug: str, reaction: str) -> float:
        """Ratio of one pair; raises `UnknownTermError` like `Measure.score_one`."""
        return float(self.score_many(table.arrays_of([(drug, reaction)]))[0])
