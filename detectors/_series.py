"""Columns in whatever form they come, as one series of text or numbers, without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError

__all__ = ["ArrowArray", "ArrowStream", "Column", "series_of"]


class ArrowStream(Protocol):
    """What gives its values by the Arrow PyCapsule interface, in chunks."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule of the stream."""


class ArrowArray(Protocol):
    """The same in one piece."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Capsules of the schema and the array."""


Column = Sequence[Any] | NDArray[Any] | pl.Series | ArrowStream | ArrowArray


def series_of(name: str, column: Column) -> pl.Series:
    """The column as a series; raises `ParameterError` where it does not hold one plain value a row."""
    if isinstance(column, pl.Series):
        series = column
    else:
        values: Any = column.tolist() if isinstance(column, np.ndarray) and column.dtype == object else column
        try:
            series = pl.Series(name, values, strict=False)
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            raise ParameterError(f"column {name} cannot be read: {error}") from error
    if series.dtype.is_nested() or series.dtype == pl.Object:
        raise ParameterError(f"column {name} must hold one text or number a row, not {series.dtype}")
    return series
