r"""The best strategy matrix there is for when totals are read, and the proof that there is none much better.

With X = C^T C and columns of length 1, the noise of the total at epoch t is :math:`F_t^2 = a_t X^{-1} a_t^T`, where
:math:`a_t` has ones up to t. For weights w of the epochs, :math:`\sum_t w_t F_t^2 = \mathrm{tr}(V X^{-1})` is convex in
X, and Lagrange multipliers v of the constraint diag(X) = 1 give the minimiser and a lower bound,

.. math:: X = D^{-1/2} (D^{1/2} V D^{1/2})^{1/2} D^{-1/2}, \quad D = \mathrm{diag}(v); \qquad
          2\,\mathrm{tr}(D^{1/2} V D^{1/2})^{1/2} - \sum_i v_i \le \min_C \sum_t w_t F_t^2 ,

the bound being tight where v is the diagonal of the square root, which is iterated (Denisov et al. 2022). The *worst*
objective lets the weights move to the epochs that are behind (multiplicative weights); its bound is the same one, as
the largest of numbers is never below a weighted mean of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError

__all__ = ["Objective", "OptimalStrategy", "OptimiserStep", "optimal_strategy"]

Objective = Literal["worst", "mean-square"]


@dataclass(frozen=True, slots=True)
class OptimiserStep:
    """Where the optimiser stands.

    Parameters
    ----------
    number
        From 0.
    objective
        Best so far: largest, or root mean square, of emphasis times error factor.
    bound
        What no matrix can be below.
    gradient
        Largest relative gradient of the bound in its multipliers; 0 at the optimum for the weights at hand.
    """

    number: int
    objective: float
    bound: float
    gradient: float

    @property
    def gap_ratio(self) -> float:
        """How far above the bound the objective is at most, relative to it."""
        return self.objective / self.bound - 1 if self.bound > 0 else float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class OptimalStrategy:
    """A matrix with columns of length 1, shape (epochs, epochs), and the last step, which says how good it is."""

    matrix: NDArray[np.float64]
    step: OptimiserStep


def optimal_strategy(
    emphasis: NDArray[np.float64],
    *,
    objective: Objective,
    tolerance: float = 1e-4,
    maximum_steps: int = 1000,
    progress: Callable[[OptimiserStep], None] | None = None,
) -> OptimalStrategy:
    """Minimise the noise of running totals, in emphasised epochs more than in others.

    Parameters
    ----------
    emphasis
        Shape (epochs,), above 0: how much worse an error at this epoch is than where it is 1. Only ratios matter.
    objective
        ``worst``: the largest of emphasis times F, so no epoch is sacrificed. ``mean-square``: their root mean square.
    tolerance
        Stop when the objective is within this ratio of its bound; in (0, 1).
    maximum_steps
        Stop then in any case; each step is one eigenvalue decomposition.
    progress
        Told after every step.

    Notes
    -----
    Deterministic on one machine; another linear algebra library may differ in the last digits, so a matrix is made
    once and handed out. Condition (S) is not part of the problem: project the result (`DenseFactorisation.project`).

    Examples
    --------
    >>> best = optimal_strategy(np.ones(12), objective="mean-square")
    >>> round(best.step.objective, 2), best.step.gap_ratio < 1e-4
    (1.61, True)

    References
    ----------
    Denisov S et al. (2022), Improved differential privacy for SGD via optimal private linear operators on adaptive
    streams, NeurIPS, arXiv:2202.08312
    """
    if not (emphasis.ndim == 1 and emphasis.size and np.all((emphasis > 0) & np.isfinite(emphasis))):
        raise ParameterError("emphasis must be a vector of finite numbers above 0")
    if not 0 < tolerance < 1:
        raise ParameterError(f"tolerance must lie in (0, 1), not {tolerance!r}")
    if not maximum_steps >= 1:
        raise ParameterError(f"maximum_steps must be at least 1, not {maximum_steps!r}")
    weights = np.full(emphasis.size, 1 / emphasis.size)
    multipliers = np.sqrt(np.diagonal(_workload(emphasis, weights)))
    best, least, bound = np.eye(emphasis.size), float("inf"), 0.0
    for number in range(maximum_steps):
        root = _root(np.sqrt(multipliers), _workload(emphasis, weights))
        ahead = np.diagonal(root).copy()
        bound = max(bound, 2 * float(ahead.sum()) - float(multipliers.sum()))
        gradient = float(np.abs(ahead / multipliers - 1).max())
        matrix = _columns_of(root)
        errors = emphasis * _errors(matrix)
        value = float(errors.max()) if objective == "worst" else float(sqrt(np.mean(errors**2)))
        if value < least:
            best, least = matrix, value
        step = OptimiserStep(number, least, sqrt(bound), gradient)
        if progress is not None:
            progress(step)
        if step.gap_ratio < tolerance:
            break
        multipliers = ahead
        if objective == "worst":
            weights = weights * errors**4  # the square of what each contributes: found fastest, 1 and 2 both converge
            weights /= weights.sum()
    return OptimalStrategy(best, step)


def _workload(emphasis: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """V: entry (i, j) adds up the weighted epochs whose totals hold both increments i and j."""
    later = np.cumsum((weights * emphasis**2)[::-1])[::-1]
    indices = np.arange(emphasis.size)
    workload: NDArray[np.float64] = later[np.maximum.outer(indices, indices)]
    return workload


def _root(scale: NDArray[np.float64], workload: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square root of diag(scale) V diag(scale)."""
    values, vectors = np.linalg.eigh(scale[:, None] * workload * scale[None, :])
    root: NDArray[np.float64] = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def _columns_of(root: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower-triangular C with C^T C proportional to X and columns of length 1 (rescaling X leaves it feasible)."""
    length = np.sqrt(np.diagonal(root))
    gram = root / np.outer(length, length)  # D^(-1/2) on both sides falls out against the rescaling
    upper = np.linalg.cholesky(gram[::-1, ::-1]).T
    return np.ascontiguousarray(upper[::-1, ::-1])


def _errors(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """F by epoch of a matrix with columns of length 1."""
    errors: NDArray[np.float64] = np.linalg.norm(np.cumsum(np.linalg.inv(matrix), axis=0), axis=1)
    return errors
