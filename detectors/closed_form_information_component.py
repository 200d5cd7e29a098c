"""Information component with the closed-form limits that tools without gamma quantiles print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError
from detectors.information_component import closed_form_information_component
from detectors.interval import check_level
from detectors.measure import IntervalMeasure
from detectors.pair_arrays import PairArrays

__all__ = ["ClosedFormInformationComponent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedFormInformationComponent(IntervalMeasure):
    r"""Information component with limits fitted to the gamma ones, at 95 % alone.

    With :math:`s = n + 1/2` the limits are :math:`IC - 3.3 s^{-1/2} - 2 s^{-3/2}` and
    :math:`IC + 2.4 s^{-1/2} - s^{-3/2} / 2`.

    Parameters
    ----------
    level
        Coverage of the interval: 0.95, as the formula holds for no other.

    Notes
    -----
    For comparison with tools that print it. `InformationComponent` has the limits that this one approximates.

    Examples
    --------
    >>> from detectors.table import CountTable
    >>> table = CountTable.from_counts([("rofecoxib", "infarction", 30), ("rofecoxib", "rash", 70),
    ...                                 ("paracetamol", "infarction", 20), ("paracetamol", "rash", 880)])
    >>> ClosedFormInformationComponent().score_one(table, "rofecoxib", "infarction").round(2)
    Interval(point=2.47, lower=1.86, upper=2.9, level=0.95)

    References
    ----------
    Noren GN, Hopstadius J, Bate A (2013), Statistical Methods in Medical Research 22:57-69,
    doi:10.1177/0962280211403604
    """

    columns: ClassVar[tuple[str, ...]] = ("ic_closed", "ic_closed_lower", "ic_closed_upper")
    variant: ClassVar[str] = "closed-form limits, 95 %"

    level: float = 0.95

    def __post_init__(self) -> None:
        if check_level(self.level) != 0.95:
            raise ParameterError(
                f"level of the closed form must be 0.95, not {self.level!r}; InformationComponent takes any"
            )

    def score_many(self, arrays: PairArrays) -> NDArray[np.float64]:
        """Component, lower and upper limit of every row, shape (pairs, 3), on ``arrays.expected``."""
        return closed_form_information_component(arrays.n, arrays.expected)
