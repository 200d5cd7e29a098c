r"""Where the pairs of a large vocabulary are counted: some in a cell of their own, all others in hashed buckets.

Three thousand drugs and fifteen thousand reactions make 45 million pairs, too many numbers for every release. Pairs
chosen from public data have a cell each (the active ones); every other pair falls into one of a number of buckets, by a
function that everybody knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError

__all__ = ["MAXIMUM_BUCKETS", "ResidualCells"]

MAXIMUM_BUCKETS = 1 << 20
_PART = 1 << 20  # cells looked at together: a few arrays of 8 MB


@dataclass(frozen=True, slots=True, eq=False)
class ResidualCells:
    r"""Positions of product cells (``drug_index * reactions + reaction_index``) in a pair table with buckets.

    The active cells come first, in order, then the buckets. The bucket of a cell x is the upper bits of
    :math:`c\,m(a x + b) \bmod 2^{64}`, where m adds the upper half of a word to its lower half (without carry) and
    a, b, c are drawn from a public seed, a and c odd. The first step scatters neighbours, the last alone makes any two
    cells share a bucket with a probability of at most 2 / buckets (multiply-shift). The seed is no secret, and no proof
    takes it for one.

    Parameters
    ----------
    active
        Product cells with a cell of their own, int64, strictly rising, at least one.
    buckets
        Power of two in [2, 2**20].
    seed
        Hexadecimal; a protocol's hash, so that the next era hashes anew.

    Examples
    --------
    >>> cells = ResidualCells(np.array([3, 8]), buckets=4, seed="5eed")
    >>> cells.positions(np.array([8, 3, 5])).tolist()  # 5 is not active: it has a bucket, after the two active cells
    [1, 0, 2]

    References
    ----------
    Dietzfelbinger M, Hagerup T, Katajainen J, Penttonen M (1997), Journal of Algorithms 25:19-51,
    doi:10.1006/jagm.1997.0873
    """

    active: NDArray[np.int64]
    buckets: int
    seed: str

    def __post_init__(self) -> None:
        if not (self.active.size and self.active[0] >= 0 and bool(np.all(np.diff(self.active) > 0))):
            raise ParameterError("active cells must be strictly rising numbers from 0 on, at least one")
        if not (2 <= self.buckets <= MAXIMUM_BUCKETS and self.buckets.bit_count() == 1):
            raise ParameterError(f"buckets must be a power of two in [2, 2**20], not {self.buckets!r}")

    @property
    def length(self) -> int:
        """Coordinates of the pair table."""
        return self.active.size + self.buckets

    def buckets_of(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Bucket of each product cell, in [0, buckets), whether the cell is active or not."""
        drawn = hashlib.sha256(f"kelsey.residual-buckets/1 {self.seed}".encode()).digest()
        a, b, c = (np.uint64(int.from_bytes(drawn[start : start + 8], "little")) for start in (0, 8, 16))
        odd = np.uint64(1)
        mixed = cells.astype(np.uint64) * (a | odd) + b  # modulo 2**64, like all of it
        mixed ^= mixed >> np.uint64(32)
        mixed *= c | odd
        return (mixed >> np.uint64(65 - self.buckets.bit_length())).astype(np.int64)

    def residual_parts(self, product: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Cells below `product` that are not active, with their buckets, a part at a time, in order."""
        for start in range(0, product, _PART):
            end = min(start + _PART, product)
            first, last = np.searchsorted(self.active, (start, end))
            cells = np.delete(np.arange(start, end, dtype=np.int64), self.active[first:last] - start)
            yield cells, self.buckets_of(cells)

    def positions(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Position of each product cell in the pair table: its own, or that of its bucket."""
        place = np.searchsorted(self.active, cells)
        is_active = self.active[np.minimum(place, self.active.size - 1)] == cells
        return np.where(is_active, place, self.active.size + self.buckets_of(cells))
