"""ADDIS: online control of the false discovery rate that also leaves out hopeless tests."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError
from detectors.multiplicity._online import OnlineProcedure
from detectors.multiplicity._power_weights import power_weights

__all__ = ["Addis"]


class Addis(OnlineProcedure):
    r"""Adaptive discarding (ADDIS): for p values that are conservative under the null, as those of counts are.

    .. math:: \alpha_t = \min\Big(\lambda, (\tau - \lambda) \big[w_0 \gamma_{a_0} + (\alpha - w_0) \gamma_{a_1} +
        \alpha \sum_{j \ge 2} \gamma_{a_j}\big]\Big)

    with :math:`a_j` one more than the tests with :math:`\lambda < p \le \tau` since the j-th discovery (:math:`a_0`:
    since the beginning) and :math:`\gamma_t \propto t^{-1.6}`. Tests with :math:`p > \tau` are discarded
    and cost nothing.

    Parameters
    ----------
    alpha
        False discovery rate that is allowed at every time, in (0, 1).
    initial_wealth
        What may be spent before the first discovery, in (0, alpha); half of `alpha` by default.
    candidate
        The value lambda, in (0, discard); no level is above it.
    discard
        The value tau, in (candidate, 1]; at 1 nothing is discarded, which is `Saffron`.

    Notes
    -----
    The p values must be independent and, under the null, uniformly conservative: given that one is at most tau, it is
    no smaller than a uniform one. State and cost of a test grow with the discoveries.

    Examples
    --------
    >>> addis = Addis(alpha=0.05)
    >>> [addis.update(p) for p in (0.8, 1e-6, 0.001, 0.4)], round(addis.level, 6)
    ([False, True, True, False], 0.003608)

    References
    ----------
    Tian J, Ramdas A (2019), Advances in Neural Information Processing Systems 32:9388-9396,
    doi:10.48550/arXiv.1905.11465
    """

    schema: ClassVar[str] = "kelsey.addis"

    def __init__(
        self, *, alpha: float, initial_wealth: float | None = None, candidate: float = 0.25, discard: float = 0.5
    ) -> None:
        if not 0 < discard <= 1:
            raise ParameterError(f"discard must lie in (0, 1], not {discard!r}")
        if not 0 < candidate < discard:
            raise ParameterError(f"candidate must lie in (0, discard), not {candidate!r}")
        super().__init__(alpha=alpha, initial_wealth=initial_wealth, candidate=candidate, discard=discard)

    def _settings(self) -> dict[str, float]:
        return {**super()._settings(), "candidate": self._candidate, "discard": self._discard}

    @staticmethod
    def _weights(age: NDArray[np.int64]) -> NDArray[np.float64]:
        return power_weights(age)
