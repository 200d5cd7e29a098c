"""Benjamini and Hochberg's q values: the plain control of the false discovery rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.multiplicity._step_up import checked_probabilities, step_up

__all__ = ["benjamini_hochberg"]


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    r"""Adjusted p values (q values): the least false discovery rate at which each test is called.

    .. math:: q_{(i)} = \min_{k \ge i} \min(1, m\, p_{(k)} / k)

    over the m sorted p values, mapped back to the order given. Calling all tests with ``q <= a`` keeps the expected
    share of false ones among those called at most ``a``, if the tests are independent or positively dependent.

    Parameters
    ----------
    p_values
        One dimension, each in [0, 1]. NaN is a test that could not be made: it stays NaN and does not count in m.

    Raises
    ------
    ParameterError
        A value outside [0, 1].

    Notes
    -----
    Not for a stream of tests, where a later test would change what was already said (`Lord`, `Saffron`, `Addis`), nor
    for one hypothesis looked at again and again (`detectors.sequential`).

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5, float("nan")]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5, nan]

    References
    ----------
    Benjamini Y, Hochberg Y (1995), Journal of the Royal Statistical Society B 57:289-300,
    doi:10.1111/j.2517-6161.1995.tb02031.x
    """
    return step_up(checked_probabilities(p_values, "p_values"), 1.0)
