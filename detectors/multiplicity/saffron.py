"""SAFFRON: online control of the false discovery rate that spends little on tests that look null."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError
from detectors.multiplicity._online import OnlineProcedure
from detectors.multiplicity._power_weights import power_weights

__all__ = ["Saffron"]


class Saffron(OnlineProcedure):
    r"""Serial estimate of the alpha fraction that is futilely rationed on true nulls (SAFFRON).

    .. math:: \alpha_t = \min\Big(\lambda, (1 - \lambda) \big[w_0 \gamma_{t - C_0} + (\alpha - w_0)
        \gamma_{t - \tau_1 - C_1} + \alpha \sum_{j \ge 2} \gamma_{t - \tau_j - C_j}\big]\Big)

    with :math:`\tau_j` the time of the j-th discovery, :math:`C_j` the candidates (:math:`p \le \lambda`) since it, and
    :math:`\gamma_t \propto t^{-1.6}`. A candidate does not use up wealth, so that it has more power than `Lord` where
    many tests are not null: the online form of `storey`.

    Parameters
    ----------
    alpha
        False discovery rate that is allowed at every time, in (0, 1).
    initial_wealth
        What may be spent before the first discovery, in (0, alpha); half of `alpha` by default.
    candidate
        The value lambda, in (0, 1); no level is above it.

    Notes
    -----
    The p values must be independent. Where nulls are conservative (p values that crowd near 1, as of counts), `Addis`
    has more power. State and cost of a test grow with the discoveries.

    Examples
    --------
    >>> saffron = Saffron(alpha=0.05)
    >>> [saffron.update(p) for p in (0.8, 1e-6, 0.001, 0.4)], round(saffron.level, 6)
    ([False, True, True, False], 0.01821)

    References
    ----------
    Ramdas A, Zrnic T, Wainwright MJ, Jordan MI (2018), Proceedings of Machine Learning Research 80:4286-4294,
    doi:10.48550/arXiv.1802.09098
    """

    schema: ClassVar[str] = "kelsey.saffron"

    def __init__(self, *, alpha: float, initial_wealth: float | None = None, candidate: float = 0.5) -> None:
        if not 0 < candidate < 1:
            raise ParameterError(f"candidate must lie in (0, 1), not {candidate!r}")
        super().__init__(alpha=alpha, initial_wealth=initial_wealth, candidate=candidate, discard=1.0)

    def _settings(self) -> dict[str, float]:
        return {**super()._settings(), "candidate": self._candidate}

    @staticmethod
    def _weights(age: NDArray[np.int64]) -> NDArray[np.float64]:
        return power_weights(age)
