"""When running totals are read: what a strategy matrix can be made for."""

from __future__ import annotations

from typing import Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.calendar import EpochCalendar

__all__ = ["Workload"]


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When totals are read: what the matrix was made for.

    Parameters
    ----------
    objective
        ``worst`` or ``mean-square``, see `privacy.optimal_strategy`.
    read_epochs
        Epochs that count more than the others, rising; empty where all count alike.
    emphasis
        How much more: an error there is as bad as one `emphasis` times as large elsewhere; in [1, 1000].

    Examples
    --------
    >>> from datetime import date
    >>> year = EpochCalendar("week", date(2027, 1, 4), 52)
    >>> Workload.of_calendar(year, objective="worst", read="quarter", emphasis=2.0).read_epochs
    (11, 24, 37, 50, 51)
    """

    objective: Literal["worst", "mean-square"]
    read_epochs: tuple[int, ...] = ()
    emphasis: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.emphasis <= 1000:
            raise ParameterError(f"emphasis must lie in [1, 1000], not {self.emphasis!r}")
        if any(late <= early for early, late in zip((-1, *self.read_epochs), self.read_epochs, strict=False)):
            raise ParameterError("read_epochs must rise strictly from at least 0")

    @classmethod
    def of_calendar(
        cls,
        calendar: EpochCalendar,
        *,
        objective: Literal["worst", "mean-square"],
        read: Literal["all", "month", "quarter"],
        emphasis: float,
    ) -> Self:
        """The workload of reading totals at the last epoch to end in each month or quarter, and at the era's last."""
        if read == "all":
            return cls(objective=objective)
        months = 1 if read == "month" else 3
        ends = [calendar.last_day(epoch) for epoch in range(calendar.count)]
        periods = [(end.year, (end.month - 1) // months) for end in ends]
        last = [now != later for now, later in zip(periods, [*periods[1:], None], strict=True)]
        return cls(objective=objective, read_epochs=tuple(np.flatnonzero(last).tolist()), emphasis=emphasis)

    def by_epoch(self, epochs: int) -> NDArray[np.float64]:
        """Emphasis of every epoch, shape (epochs,); raises `ParameterError` where a read epoch lies outside."""
        if self.read_epochs and not self.read_epochs[-1] < epochs:
            raise ParameterError(f"read_epochs must lie below {epochs}, not {self.read_epochs[-1]}")
        weights = np.ones(epochs)
        weights[list(self.read_epochs)] = self.emphasis
        return weights
