"""Noisy integers as bytes: zigzag, then as many bytes each as the largest needs.

No compression on purpose: noise does not compress, every vector has exactly one encoding (so nothing can hide in it),
and no bytes can unpack to more than they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cases.errors import IntegrityError, ParameterError

__all__ = ["pack_integers", "packed_size_bytes", "unpack_integers"]


def packed_size_bytes(length: int) -> int:
    """Largest size of a packed vector of `length` integers."""
    return 1 + 8 * length


def pack_integers(values: NDArray[np.int64]) -> bytes:
    """One byte that holds the width w (1 to 8), then w bytes a value: zigzag, little-endian.

    Raises `ParameterError` where `values` is not a one-dimensional int64 array.
    """
    if values.dtype != np.int64 or values.ndim != 1:
        raise ParameterError(f"values must be a one-dimensional int64 array, not {values.dtype} of {values.ndim} axes")
    zigzag = ((values << 1) ^ (values >> 63)).astype("<u8")
    width = _width(zigzag)
    return bytes([width]) + zigzag.view(np.uint8).reshape(-1, 8)[:, :width].tobytes()


def unpack_integers(data: bytes, *, length: int) -> NDArray[np.int64]:
    """Inverse of `pack_integers`; raises `IntegrityError` unless `data` is the packing of `length` integers."""
    width = data[0] if data else 0
    if not (1 <= width <= 8 and len(data) == 1 + width * length):
        raise IntegrityError(f"{len(data)} bytes are not a packed vector of {length} integers")
    words = np.zeros((length, 8), dtype=np.uint8)
    words[:, :width] = np.frombuffer(data, dtype=np.uint8, offset=1).reshape(length, width)
    zigzag = words.reshape(-1).view("<u8")
    if _width(zigzag) != width:
        raise IntegrityError("a packed vector is wider than its values need")
    half = (zigzag >> np.uint64(1)).astype(np.int64)
    return half ^ -(zigzag & np.uint64(1)).astype(np.int64)


def _width(zigzag: NDArray[np.uint64]) -> int:
    largest = int(zigzag.max()) if zigzag.size else 0
    return max(1, (largest.bit_length() + 7) // 8)
