"""Minimum of a smooth function of a few numbers inside a box, by Newton steps that never go uphill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Minimum", "minimise"]

_Floats = NDArray[np.float64]
_Function = Callable[[_Floats], tuple[float, _Floats, _Floats]]

_STEP = 0.01  # towards infinity derivatives fade as well, but the next step stays at 1
_LONGEST = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """Where a search ended; only the last three tell whether it is a minimum."""

    value: float
    place: _Floats
    gradient_norm: float
    """Largest absolute derivative by a coordinate that is not at its bound."""
    at_bound: NDArray[np.bool_]
    """Which coordinates would leave the box if they might."""
    curvature: float
    """Least second derivative in any direction of the others."""


def minimise(
    function: _Function,
    start: _Floats,
    *,
    low: _Floats,
    high: _Floats,
    tolerance: float,
    steps: int = 60,
) -> Minimum:
    """Search from `start` until the derivatives are below `tolerance` and the next step is short, or nothing helps.

    Parameters
    ----------
    function
        Gives value, gradient and matrix of second derivatives.
    low, high
        Bounds of each coordinate.
    """
    x = np.clip(start, low, high)
    value, gradient, matrix = function(x)
    for _ in range(steps):
        at_bound = ((x >= high) & (gradient < 0)) | ((x <= low) & (gradient > 0))
        free = np.flatnonzero(~at_bound)
        values, vectors = np.linalg.eigh(matrix[np.ix_(free, free)])
        norm = float(np.abs(gradient[free]).max(initial=0.0))
        step = np.zeros_like(x)  # downhill also where the function bends the other way
        step[free] = vectors @ ((vectors.T @ gradient[free]) / np.maximum(np.abs(values), 1e-6))
        longest = float(np.abs(step).max())
        if norm <= tolerance and longest <= _STEP:
            break
        scale = min(1.0, _LONGEST / max(longest, 1e-300))
        shortest = 1e-6 * scale
        while scale > shortest:
            place = np.clip(x - scale * step, low, high)
            new_value, new_gradient, new_matrix = function(place)
            if new_value <= value + 1e-12 * abs(value):
                break
            if new_value <= value + 1e-9 * abs(value) and np.abs(new_gradient[free]).max(initial=0.0) < norm / 2:
                break  # a value that differs by its rounding alone says nothing; the derivatives still do
            scale /= 2
        else:
            break
        x, value, gradient, matrix = place, new_value, new_gradient, new_matrix
    least = float(values.min(initial=np.inf))
    return Minimum(value=value, place=x, gradient_norm=norm, at_bound=at_bound, curvature=least)
