"""Information component: observed over expected reports on a log2 scale, shrunk towards 0 where there are few."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv

from detectors.interval import check_level
from detectors.measure import IntervalMeasure
from detectors.pair_arrays import PairArrays

__all__ = [
    "InformationComponent",
    "closed_form_information_component",
    "information_component",
    "information_component_quantile",
]

_TABLED = 1024  # counts below it


def _shrunken(n: ArrayLike, expected: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shape and rate of the gamma posterior, ``n + 0.5`` and ``expected + 0.5``; NaN where either is no count."""
    counts, means = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    defined = (counts >= 0) & (means >= 0) & np.isfinite(counts) & np.isfinite(means)
    return np.where(defined, counts + 0.5, np.nan), np.where(defined, means + 0.5, np.nan)


@lru_cache(maxsize=16)
def _tabled(probability: float) -> NDArray[np.float64]:
    """Quantiles on the log2 scale of the shapes 0.5, 1.5, ... of small counts; the same values as without a table."""
    table: NDArray[np.float64] = np.log2(gammaincinv(np.arange(_TABLED) + 0.5, probability))
    table.flags.writeable = False
    return table


def _log_quantile(shape: NDArray[np.float64], probability: float) -> NDArray[np.float64]:
    """Quantile of log2 of a gamma variable of rate 1, which is but a scale."""
    place = np.where(shape < _TABLED, shape, 0).astype(np.int64)
    result = np.asarray(_tabled(probability)[place])
    others = np.flatnonzero(place + 0.5 != shape)  # large, fractional, or no counts
    if len(others):
        values, position = np.unique(shape.flat[others], return_inverse=True)
        result.flat[others] = np.log2(gammaincinv(values, probability))[position]
    return result


def information_component_quantile(n: ArrayLike, expected: ArrayLike, *, probability: float) -> NDArray[np.float64]:
    """Quantile of the information component's gamma posterior, for a probability in (0, 1).

    NaN where `n` or `expected` is below 0 or not finite.
    """
    shape, rate = _shrunken(n, expected)
    return np.asarray(_log_quantile(shape, probability) - np.log2(rate))


def information_component(n: ArrayLike, expected: ArrayLike, *, level: float) -> NDArray[np.float64]:
    """Point, lower and upper limit (gamma) of each pair, shape (pairs, 3); the counts may be noisy.

    NaN where `n` or `expected` is below 0 or not finite.
    """
    check_level(level)
    shape, rate = _shrunken(n, expected)
    lower, upper = (_log_quantile(shape, probability) for probability in ((1 - level) / 2, (1 + level) / 2))
    return np.stack([np.log2(shape), lower, upper], axis=-1) - np.log2(rate)[..., np.newaxis]


def closed_form_information_component(n: ArrayLike, expected: ArrayLike) -> NDArray[np.float64]:
    """Point and closed-form 95 % limits of each pair, shape (pairs, 3): what tools without gamma quantiles print.

    Kept to compare with them; it flags other pairs than the gamma limits do. NaN as in `information_component`.
    """
    shape, rate = _shrunken(n, expected)
    point = np.log2(shape) - np.log2(rate)
    lower = point - 3.3 * shape**-0.5 - 2 * shape**-1.5
    upper = point + 2.4 * shape**-0.5 - 0.5 * shape**-1.5
    return np.stack([point, lower, upper], axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationComponent(IntervalMeasure):
    r"""Information component, :math:`\log_2 \frac{n + 1/2}{E + 1/2}`, with gamma limits.

    The limits are quantiles of :math:`\log_2 \mu` where :math:`\mu` is gamma distributed with shape :math:`n + 1/2` and
    rate :math:`E + 1/2`. Other variants in use (closed form, normal approximation) flag up to 4 % more or fewer pairs.

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1). Higher is wider; the usual choice is 0.95, whose lower limit is IC025.

    Notes
    -----
    The only measure here that uses the expected count, and so the only one that a stratified expected count adjusts.

    Examples
    --------
    One report where next to none was expected is not yet anything; ten where five were is nearly so:

    >>> information_component([1, 10], [0.001, 5], level=0.95).round(2)
    array([[ 1.58, -2.22,  3.22],
           [ 0.93, -0.1 ,  1.69]])

    References
    ----------
    Noren GN, Hopstadius J, Bate A (2013), Statistical Methods in Medical Research 22:57-69,
    doi:10.1177/0962280211403604
    """

    columns: ClassVar[tuple[str, ...]] = ("ic", "ic_lower", "ic_upper")
    variant: ClassVar[str] = "gamma limits"

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Component, lower and upper limit of every row, shape (pairs, 3), on ``arrays.expected``."""
        return information_component(arrays.n, arrays.expected, level=self.level)
