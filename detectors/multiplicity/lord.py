"""LORD++: online control of the false discovery rate that needs nothing but independent p values."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detectors.multiplicity._online import OnlineProcedure

__all__ = ["Lord"]

# the constant of the published examples; the series then sums to 0.976, so that nothing is overspent
_SCALE = 0.07720838


def _weights(age: NDArray[np.int64]) -> NDArray[np.float64]:
    log = np.log(age)
    scaled: NDArray[np.float64] = _SCALE * np.log(np.maximum(age, 2)) / (age * np.exp(np.sqrt(log)))
    return scaled


class Lord(OnlineProcedure):
    r"""Levels based on recent discovery (LORD++): each test is decided as it comes, and never revised.

    .. math:: \alpha_t = w_0 \gamma_t + (\alpha - w_0) \gamma_{t - \tau_1} + \alpha \sum_{j \ge 2} \gamma_{t - \tau_j}

    with :math:`\tau_j` the time of the j-th discovery and
    :math:`\gamma_t \propto \ln(\max(t, 2)) / (t\, e^{\sqrt{\ln t}})`, which sums to less than 1. After
    long silence the level is small; a discovery raises it.

    Parameters
    ----------
    alpha
        False discovery rate that is allowed at every time, in (0, 1).
    initial_wealth
        What may be spent before the first discovery, in (0, alpha); half of `alpha` by default.

    Notes
    -----
    The p values must be independent. Not for the same pair tested every month on cumulated reports: that is one
    hypothesis looked at again and again (`detectors.sequential`). State and cost of a test grow with the discoveries.

    Examples
    --------
    >>> lord = Lord(alpha=0.05)
    >>> [lord.update(p) for p in (0.8, 1e-6, 0.001, 0.4)], round(lord.level, 6)
    ([False, True, True, False], 0.001004)

    References
    ----------
    Ramdas A, Yang F, Wainwright MJ, Jordan MI (2017), Advances in Neural Information Processing Systems 30:5650-5659,
    doi:10.48550/arXiv.1710.00499. Javanmard A, Montanari A (2018), Annals of Statistics 46:526-554,
    doi:10.1214/17-AOS1559
    """

    schema: ClassVar[str] = "kelsey.lord"

    def __init__(self, *, alpha: float, initial_wealth: float | None = None) -> None:
        super().__init__(alpha=alpha, initial_wealth=initial_wealth, candidate=0.0, discard=1.0)

    @staticmethod
    def _weights(age: NDArray[np.int64]) -> NDArray[np.float64]:
        return _weights(age)
