"""What a test of rates is to the watch that runs it: judges the counts of one period against what was expected.

`CusumTest`, `PageHinkleyTest` and `WindowTest` implement it, each for all watched series at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cases import IntegrityError
from detectors.online._columns import Columns

__all__ = ["RateTest"]


class RateTest(ABC):
    """A sequential test of many series; keeps its running values as columns with a row for each.

    Parameters
    ----------
    columns
        Names of the values that a series has; a series begins, and begins again after an alarm, with all at 0.
    """

    NAME: ClassVar[str]

    def __init__(self, columns: list[str]) -> None:
        self.columns = Columns(columns)

    @abstractmethod
    def update(
        self, counts: NDArray[np.float64], expected: NDArray[np.float64], is_judged: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Take in one period and say which series raise an alarm, all of shape (series,).

        Series that are not judged change nothing; `expected` is above 0 where they are. Whoever calls clears the rows
        with an alarm.
        """

    @abstractmethod
    def settings(self) -> dict[str, float]:
        """The keyword arguments that make an equal test."""

    def snapshot(self) -> dict[str, Any]:
        """Name, settings and running values as JSON-able values."""
        return {"name": self.NAME, "settings": self.settings(), "state": self.columns.pack()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over running values; raises `IntegrityError` where they are another test's."""
        if state["name"] != self.NAME:
            raise IntegrityError(f"the snapshot is of the test {state['name']!r}, not {self.NAME}")
        self.columns.unpack(state["state"])
