"""Area under the ROC curve with its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

__all__ = ["auc"]


def auc(
    score: NDArray[np.float64], is_positive: NDArray[np.bool_], *, level: float = 0.95
) -> tuple[float, float, float]:
    """Area, lower and upper limit; NaN where one of the two classes has fewer than two members.

    The chance that a positive control scores above a negative one, ties counting half; the interval is DeLong's
    (1988, doi:10.2307/2531595), on the logit scale so that it stays within 0 and 1. A perfect separation has no
    spread to go by: both limits are then the area.

    Examples
    --------
    >>> area, lower, upper = auc(np.array([3.0, 2.0, 1.0, 0.0, 2.5]), np.array([True, True, False, False, False]))
    >>> round(area, 4), lower < area < upper
    (0.8333, True)
    """
    positive, negative = score[is_positive], score[~is_positive]
    if min(len(positive), len(negative)) < 2:
        return (np.nan,) * 3
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[: len(positive)] - rankdata(positive)) / len(negative)  # negatives below each positive
    below = 1 - (ranks[len(positive) :] - rankdata(negative)) / len(positive)
    area = float(above.mean())
    spread = float(np.sqrt(above.var(ddof=1) / len(positive) + below.var(ddof=1) / len(negative)))
    if spread == 0 or area in (0.0, 1.0):
        return area, area, area
    logit, width = np.log(area / (1 - area)), norm.ppf((1 + level) / 2) * spread / (area * (1 - area))
    lower, upper = (1 / (1 + np.exp(-(logit + sign * width))) for sign in (-1, 1))
    return area, float(lower), float(upper)
