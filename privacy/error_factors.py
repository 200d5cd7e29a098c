"""How precise the running totals of a strategy matrix are, in four numbers."""

from __future__ import annotations

from math import isclose, sqrt
from typing import Self

import msgspec
import numpy as np

from privacy.strategy_matrix import StrategyMatrix

__all__ = ["ErrorFactors"]


class ErrorFactors(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Noise of running totals relative to one single release at the same budget.

    Parameters
    ----------
    worst, rms
        Largest and root mean square over all epochs.
    read_worst, read_rms
        The same over the epochs that a workload reads.
    """

    worst: float
    rms: float
    read_worst: float
    read_rms: float

    @classmethod
    def of(cls, strategy: StrategyMatrix, read_epochs: tuple[int, ...] = ()) -> Self:
        """Those of a matrix; without read epochs all are read."""
        factors = np.array([strategy.error_factor(t) for t in range(strategy.epochs)])
        read = factors[list(read_epochs)] if read_epochs else factors
        return cls(
            worst=float(factors.max()),
            rms=sqrt(np.mean(factors**2)),
            read_worst=float(read.max()),
            read_rms=sqrt(np.mean(read**2)),
        )

    def agrees(self, other: ErrorFactors) -> bool:
        """Equal but for the last digits in which machines differ."""
        return all(isclose(getattr(self, name), getattr(other, name), rel_tol=1e-6) for name in self.__struct_fields__)
