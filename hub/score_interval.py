"""Score interval for the cell of a two-by-two table with given margins, seen through additive noise of known variance.

The odds ratio, the proportional ratio and observed over expected follow from it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cell_count_interval"]

_Array = NDArray[np.float64]

_HALVINGS = 44  # of a bracket: 2^-44, below the rounding of what is printed from it
_CHUNK = 8192  # cells worked on at once: their arrays stay in the processor's cache


def _spread(
    cell: _Array, n_drug: _Array, n_reaction: _Array, n_total: float, variances: tuple[float, float, float, float]
) -> _Array:
    """Standard deviation of the noisy count about a hypothetical true one, the margins' noise carried along.

    With g = 1/a + 1/b + 1/c + 1/d this is sqrt(1/g + s2 + ((1/b + 1/d)/g)^2 v1 + ((1/c + 1/d)/g)^2 v2
    + ((1/d)/g)^2 vN), multiplied out so that no cell of the table is divided by.
    """
    s2, v1, v2, vn = variances
    b, c = n_drug - cell, n_reaction - cell
    ab, cd = cell * b, c * (n_total - n_drug - n_reaction + cell)
    other = n_total - n_drug
    scale = 1.0 / np.maximum(n_drug * cd + other * ab, 1e-300)
    result = ab * cd * scale + s2
    result += ((n_total - n_reaction) * cell * c * scale) ** 2 * v1
    result += (other * ab * scale) ** 2 * v2
    result += (ab * c * scale) ** 2 * vn
    return np.sqrt(result)


def _bisect(
    count: _Array,
    n_drug: _Array,
    n_reaction: _Array,
    n_total: float,
    variances: tuple[float, float, float, float],
    quantile: float,
) -> tuple[_Array, _Array]:
    smallest = np.maximum(n_drug + n_reaction - n_total, 0.0)
    largest = np.minimum(n_drug, n_reaction)

    def excess(cell: _Array, sign: float) -> _Array:
        """Above 0 where `cell` lies outside the interval on the side of `sign`."""
        return sign * (cell - count) - quantile * _spread(cell, n_drug, n_reaction, n_total, variances)

    ends = []
    for sign in (-1.0, 1.0):
        outside = smallest if sign < 0 else largest
        inside = np.clip(count, smallest, largest)
        is_open = excess(outside, sign) <= 0  # the interval reaches the edge of what is possible
        out, into = outside.copy(), inside.copy()
        for _ in range(_HALVINGS):
            middle = 0.5 * (out + into)
            beyond = excess(middle, sign) > 0
            out = np.where(beyond, middle, out)
            into = np.where(beyond, into, middle)
        # A count beyond every possible one by more than its spread fits nowhere.
        fits = excess(inside, sign) <= 0
        ends.append(np.where(is_open, outside, np.where(fits, 0.5 * (out + into), np.nan)))
    nowhere = np.isnan(ends[0]) | np.isnan(ends[1])
    return np.where(nowhere, np.nan, ends[0]), np.where(nowhere, np.nan, ends[1])


def cell_count_interval(
    count: _Array,
    n_drug: _Array,
    n_reaction: _Array,
    n_total: float,
    *,
    variances: tuple[float, float, float, float],
    quantile: float,
) -> tuple[_Array, _Array]:
    r"""True counts :math:`a` that a noisy count is compatible with, the margins given (Cornfield).

    The acceptance region is :math:`|y - a| \le z \sqrt{V(a)}`, with the conditional variance of the cell, the noise
    of the cell and that of the margins in `V`. As odds ratio, proportional ratio and observed over expected all grow
    with `a`, their intervals are the images of this one.

    Parameters
    ----------
    count, n_drug, n_reaction, n_total
        Noisy counts of pair, drug, reaction and all; margins above 0, `n_total` above both.
    variances
        Noise variances of the four, in squared counts.
    quantile
        Normal quantile of the two-sided level (1.96 for 95 %).

    Returns
    -------
    lower, upper
        Within the counts the margins allow; at their edge where the interval is open on that side; NaN where
        nothing fits.

    References
    ----------
    Cornfield J (1956), Proc. Third Berkeley Symposium 4:135-148
    """
    lower, upper = np.empty_like(count), np.empty_like(count)
    for start in range(0, count.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        lower[part], upper[part] = _bisect(count[part], n_drug[part], n_reaction[part], n_total, variances, quantile)
    return lower, upper
