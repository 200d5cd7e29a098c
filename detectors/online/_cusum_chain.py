"""Run lengths of a Poisson CUSUM on a lattice: a finite Markov chain, solved for every threshold at once.

The chain has a state for each multiple of the lattice step below the threshold, and the transitions between two states
do not depend on where the threshold lies. The matrices of rising thresholds are therefore nested, one triangular
decomposition serves them all, and the run length as a function of the threshold is a running sum of positive terms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["run_lengths"]

_NEGLIGIBLE = 1e-300
_SMALLEST_PIVOT = 1e-15  # rounding; a run length beyond 1e12 periods is an order of magnitude and no more


def run_lengths(*, mean: float, reference: int, step: int, size: int, start: int, is_rise: bool) -> NDArray[np.float64]:
    """Mean periods until the sum reaches 1, 2, ..., `size` lattice steps from `start`, shape (size,).

    Parameters
    ----------
    mean
        Of the Poisson counts, above 0.
    reference, step
        A period of count x moves the sum by x * step - reference lattice steps, or the negative of that for a fall.
    start
        Where the sum begins; entries of thresholds at or below it are 1 (the next period is judged in any case).
    """
    matrix = _chain(mean, reference, step, size, is_rise)
    solved, weights = np.ones(size), np.zeros(size)
    weights[start] = 1.0
    reach = min(size, reference + 1) if is_rise else size  # a period without reports moves down by `reference`
    for i in range(size):
        pivot = max(matrix[i, i], _SMALLEST_PIVOT)
        weights[i] /= pivot
        last = min(size, i + reach)
        factors = matrix[i + 1 : last, i] / pivot
        row = matrix[i, i + 1 :]
        weights[i + 1 :] -= row * weights[i]
        solved[i + 1 : last] -= factors * solved[i]
        if len(factors) == 1:
            matrix[i + 1, i + 1 :] -= factors[0] * row
        else:
            matrix[i + 1 : last, i + 1 :] -= np.outer(factors, row)
    lengths = np.cumsum(weights * solved)
    lengths[:start] = 1.0
    return lengths


def _chain(mean: float, reference: int, step: int, size: int, is_rise: bool) -> NDArray[np.float64]:
    """Identity less the transition matrix among the states 0 to size - 1; the sum never falls below 0."""
    jump = np.zeros(2 * size + 1)  # chance of moving by -size ... size
    counts = np.arange((2 * size + reference) // step + 2, dtype=np.float64)
    chance = np.exp(special.xlogy(counts, mean) - mean - special.gammaln(counts + 1.0))
    moves = (counts * step).astype(np.int64) - reference
    if not is_rise:
        moves = -moves
    inside = (moves > -size) & (moves <= size) & (chance > _NEGLIGIBLE)
    jump[moves[inside] + size] = chance[inside]
    below = chance[moves <= -size].sum() + (0.0 if is_rise else special.pdtrc(counts[-1], mean))
    state = np.arange(size)
    matrix = -jump[state[None, :] - state[:, None] + size]
    matrix[:, 0] = -(below + np.cumsum(jump)[size - state])
    matrix[state, state] += 1.0
    return np.asarray(matrix, dtype=np.float64)
