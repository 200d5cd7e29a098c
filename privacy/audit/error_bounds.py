r"""From the errors of a test between two worlds to lower bounds on what the worlds' releases give away.

Whoever guesses from a release whether a patient is in the data makes false alarms with probability :math:`\alpha` and
misses with :math:`\beta`. Under mu-Gaussian differential privacy :math:`\mu \ge \Phi^{-1}(1 - \alpha) -
\Phi^{-1}(\beta)` for no test whatsoever, under (epsilon, delta) :math:`e^\varepsilon \ge (1 - \beta - \delta) / \alpha`
for none. Upper confidence bounds on both errors therefore give a lower confidence bound on what is really lost.

References
----------
Clopper CJ, Pearson ES (1934), Biometrika 26:404-413, doi:10.1093/biomet/26.4.404
Nasr M et al. (2023), Tight auditing of differentially private machine learning, USENIX Security, arXiv:2302.07956
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from cases.errors import ParameterError

__all__ = ["epsilon_lower_bound", "mu_lower_bound", "upper_rate"]

_Counts = NDArray[np.int64]
_Bounds = NDArray[np.float64]


def upper_rate(count: _Counts, runs: int, *, level: float) -> _Bounds:
    """Clopper-Pearson upper limit, one-sided, of a rate of which `count` in `runs` were seen; 1 where all were.

    Examples
    --------
    >>> upper_rate(np.array([0]), 100, level=0.95).round(4)  # one minus the hundredth root of 0.05
    array([0.0295])
    """
    if not 0 < level < 1:
        raise ParameterError(f"level must lie in (0, 1), not {level!r}")
    if not (np.all(count >= 0) and np.all(count <= runs) and runs >= 1):
        raise ParameterError(f"counts must lie between 0 and the {runs} runs")
    limit = betaincinv(count + 1, np.maximum(runs - count, 1), level)
    return np.asarray(np.where(count == runs, 1.0, limit), dtype=np.float64)


def mu_lower_bound(false_alarms: _Counts, misses: _Counts, runs: int, *, level: float) -> _Bounds:
    """Lower confidence bound of mu from a test with these errors in `runs` runs of each world; at least 0.

    Both errors are bounded at (1 + level) / 2, so that they hold together with probability `level`.
    """
    alarm, miss = (upper_rate(count, runs, level=(1 + level) / 2) for count in (false_alarms, misses))
    return np.asarray(np.maximum(-ndtri(alarm) - ndtri(miss), 0.0), dtype=np.float64)


def epsilon_lower_bound(false_alarms: _Counts, misses: _Counts, runs: int, *, delta: float, level: float) -> _Bounds:
    """The same for epsilon at `delta`, of any (epsilon, delta)-DP release, Gaussian or not; at least 0."""
    alarm, miss = (upper_rate(count, runs, level=(1 + level) / 2) for count in (false_alarms, misses))
    with np.errstate(divide="ignore"):
        ratio = np.maximum((1 - miss - delta) / alarm, (1 - alarm - delta) / miss)
    return np.log(np.maximum(ratio, 1.0))
