"""How far counts lie from what was expected of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["poisson_deviance"]


def poisson_deviance(counts: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the log likelihood lost to a model that knew each count; `expected` above 0."""
    return np.asarray(2.0 * (special.xlogy(counts, counts / expected) - counts + expected), dtype=np.float64)
