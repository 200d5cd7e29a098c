"""The series by which the adaptive online procedures spend their wealth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta

__all__ = ["power_weights"]

_EXPONENT = 1.6
_SCALE = 1 / float(zeta(_EXPONENT))


def power_weights(age: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weight of wealth of an age from 1 on; they sum to 1."""
    weights: NDArray[np.float64] = _SCALE * age.astype(np.float64) ** -_EXPONENT
    return weights
