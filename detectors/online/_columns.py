"""Named columns of numbers with a row for each watched series, and how they outlive the process."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cases import IntegrityError

__all__ = ["Columns"]

_Rows = NDArray[np.int64]
_Values = NDArray[np.float64]


class Columns:
    """Float columns of one length that grow by doubling; new rows are 0.

    Kept as the bytes of 64-bit little-endian floats, compressed, in base64: exact, and a tenth of the decimal digits.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.size = 0
        self._data = np.zeros((len(self.names), 0))
        self._place = {name: place for place, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> _Values:
        """The column as it stands, to read and to write in place."""
        return self._data[self._place[name], : self.size]

    def block(self, first: str, last: str) -> _Values:
        """Neighbouring columns, shape (columns, rows), to read and to write in place."""
        return self._data[self._place[first] : self._place[last] + 1, : self.size]

    def resize(self, size: int) -> None:
        """Have `size` rows, at least as many as there are."""
        if size > self._data.shape[1]:
            data = np.zeros((len(self.names), max(size, min(2 * self._data.shape[1], size + 50_000))))
            data[:, : self.size] = self._data[:, : self.size]
            self._data = data
        self.size = size

    def clear(self, rows: _Rows) -> None:
        """Set `rows` to 0 in every column."""
        self._data[:, rows] = 0.0

    def pack(self) -> dict[str, Any]:
        """JSON-able values of all columns."""
        raw = np.ascontiguousarray(self._data[:, : self.size], dtype="<f8").tobytes()
        return {
            "columns": list(self.names),
            "rows": self.size,
            "zlib_base64": base64.b64encode(zlib.compress(raw, 1)).decode("ascii"),
        }

    def unpack(self, state: Mapping[str, Any]) -> None:
        """Take over what `pack` gave; raises `IntegrityError` where that had other columns or is damaged."""
        rows = state["rows"]
        if state["columns"] != list(self.names) or not (type(rows) is int and rows >= 0):
            raise IntegrityError(f"columns must be {', '.join(self.names)}")
        try:
            raw = zlib.decompress(base64.b64decode(state["zlib_base64"], validate=True))
            data = np.frombuffer(raw, dtype="<f8").reshape(len(self.names), rows)
        except (binascii.Error, zlib.error, ValueError) as error:
            raise IntegrityError("the values of the columns are damaged") from error
        self._data, self.size = data.astype(np.float64), rows
