"""Which rows of a column hold the same text, without sorting it and without a Python object a row."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["same_text"]


def same_text(text: pl.Series) -> NDArray[np.int64]:
    """For each row the number of one row of the same text: two rows have the same number if their texts are equal.

    Rows are thrown into a table by their hash; a row whose text is that of the last one in its place stands for it
    hereby, and the others, which met another text there, are thrown again. A null equals nothing, not even itself, and
    must not be among them.
    """
    stands_for = np.arange(len(text), dtype=np.int64)
    left, rest = stands_for, text
    for throw in range(len(text)):
        if not len(left):
            break
        bits = len(left).bit_length()
        place = (rest.hash(seed=throw).to_numpy() >> np.uint64(64 - bits)).astype(np.int64)
        last = np.empty(1 << bits, dtype=np.int64)
        last[place] = np.arange(len(left))
        met = last[place]
        is_same = (rest.gather(met) == rest).to_numpy()
        stands_for[left[is_same]] = left[met[is_same]]
        other = np.flatnonzero(~is_same)
        left, rest = left[other], rest.gather(other)
    return stands_for
