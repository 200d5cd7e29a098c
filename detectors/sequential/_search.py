"""The least boundary whose exact risk of a false signal is not above the one allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import toms748

from cases import ParameterError
from detectors.sequential.critical_value import CriticalValue

__all__ = ["check_design", "check_groups", "least_attainable", "least_continuous"]

_ROUNDING = 1e-11
_ABOVE = 5e-9  # far above the rounding of a log likelihood ratio, below the digits that are printed


def check_design(*, alpha: float, length: float, minimum_events: int, delay: float) -> None:
    """Raise `ParameterError` for a design that no surveillance can have."""
    if not 0 < alpha < 1:
        raise ParameterError(f"alpha must lie in (0, 1), not {alpha!r}")
    if not 0 < length <= 10_000:
        raise ParameterError(f"length must lie in (0, 10000], not {length!r}")
    if not (minimum_events >= 1 and minimum_events == int(minimum_events)):
        raise ParameterError(f"minimum_events must be a whole number of at least 1, not {minimum_events!r}")
    if not 0 <= delay < length:
        raise ParameterError(f"delay must lie in [0, length), not {delay!r}")


def check_groups(groups: Sequence[float], length: float) -> NDArray[np.float64]:
    """Size of the surveillance at each look; raises `ParameterError` unless the groups are positive and sum to it."""
    sizes = np.asarray(groups, dtype=np.float64)
    if not (len(sizes) and (sizes > 0).all()):
        raise ParameterError(f"groups must be positive sizes, not {list(groups)!r}")
    if not abs(float(sizes.sum()) - length) <= 1e-9 * length:
        raise ParameterError(f"groups must sum to the length {length:g}, not to {float(sizes.sum()):g}")
    return np.cumsum(sizes)


def least_continuous(risk: Callable[[float], float], *, alpha: float) -> CriticalValue:
    """Boundary by root finding; where the risk jumps over `alpha`, the upper side of the jump."""
    low, high = 0.0, 4.0
    while risk(high) > alpha:
        low, high = high, high * 2
    if risk(low) <= alpha:
        return CriticalValue(critical_value=low, alpha=alpha, alpha_spent=risk(low))
    root = float(toms748(lambda value: risk(value) - alpha, low, high, xtol=1e-13, rtol=1e-14, maxiter=200))
    spent = risk(root)
    if abs(spent - alpha) <= _ROUNDING:
        return CriticalValue(critical_value=root, alpha=alpha, alpha_spent=min(spent, alpha))
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if risk(middle) > alpha else (low, middle)
    return CriticalValue(critical_value=high, alpha=alpha, alpha_spent=risk(high))


def least_attainable(risk: Callable[[float], float], attainable: NDArray[np.float64], *, alpha: float) -> CriticalValue:
    """Just above the largest value that the statistic can take and that is too low for a boundary.

    All boundaries from there to the next attainable value are the same test; this one is the least of them, as it is
    where the statistic is continuous.
    """
    values = np.unique(attainable)
    low, high = -1, len(values)  # all below `high` are known to take too much, none from `high` on
    if not high or risk(float(values[-1])) > alpha:
        raise ParameterError(
            f"no boundary keeps the risk within alpha = {alpha:g}: the design is too short to signal at all",
            hint="a longer surveillance, fewer minimum events or a larger alpha",
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if risk(float(values[middle])) > alpha else (low, middle)
    value = float(values[high])
    if high:
        too_low = float(values[high - 1])
        value = min(too_low + _ABOVE, (too_low + value) / 2)
    return CriticalValue(critical_value=value, alpha=alpha, alpha_spent=risk(value))
