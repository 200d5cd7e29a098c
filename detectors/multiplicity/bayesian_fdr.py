"""Bayesian false discovery rate: what share of a list is expected to be null, by the posterior probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.multiplicity._step_up import checked_probabilities

__all__ = ["bayesian_fdr"]


def bayesian_fdr(null_probabilities: ArrayLike) -> NDArray[np.float64]:
    r"""Expected share of nulls among all pairs that are at least as convincing as each.

    .. math:: q_i = \operatorname{mean}\{ v_j : v_j \le v_i \}

    with v the posterior probability that a pair is null, e.g. that its reporting ratio is at most 1 (`EmpiricalBayes`).
    The mean is taken after the sort, over all pairs of equal probability at once, and mapped back to the order given.
    Calling all pairs with ``q <= a`` gives a list with an expected share of nulls of at most ``a``.

    Parameters
    ----------
    null_probabilities
        One dimension, each in [0, 1]. NaN is a pair without a posterior: it stays NaN and does not count.

    Raises
    ------
    ParameterError
        A value outside [0, 1].

    Notes
    -----
    It is as good as the prior: with a badly fitted prior the share is not what it says. It is no p value, and must not
    be given to `benjamini_hochberg`.

    Examples
    --------
    >>> bayesian_fdr([0.3, 0.01, 0.05, 0.9]).round(3).tolist()
    [0.12, 0.01, 0.03, 0.315]

    References
    ----------
    Mueller P, Parmigiani G, Robert C, Rousseau J (2004), Journal of the American Statistical Association 99:990-1001,
    doi:10.1198/016214504000001646. Ahmed I et al. (2009), Statistics in Medicine 28:1774-1792, doi:10.1002/sim.3586
    """
    values = checked_probabilities(null_probabilities, "null_probabilities")
    q_values = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    distinct, place, size = np.unique(values[known], return_inverse=True, return_counts=True)
    means = np.cumsum(distinct * size) / np.cumsum(size)
    # the mean of rising values rises; rounding must not undo that
    q_values[known] = np.maximum.accumulate(means)[place]
    return q_values
