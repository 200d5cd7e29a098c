"""One discrete Gaussian as a table of its distribution function in 128 bits, inverted for many random words at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError

__all__ = ["InversionTable"]

_PRECISION = 320  # bits of the fixed-point masses; their summed error stays below 2**-250
_TAIL = 160  # masses below 2**-160 of the centre's are left out; together they weigh less than 2**-140
_LARGEST_VARIANCE = 1 << 32
_WORD = 1 << 64
_MASK = _WORD - 1


class InversionTable:
    r"""Samples :math:`P(X = x) \propto \exp(-x^2 / (2 v))` on the integers, for moderate v.

    A uniform 128-bit number u gives the x with F(x - 1) <= u < F(x), F being the distribution function rounded down to
    multiples of 2**-128. Two 64-bit words make one number; the second is drawn only where the first alone does not
    decide, which leaves the distribution as it is. A guide table indexed by the first bits of the word finds nearly
    every x without a search. No floating point is involved: masses come from a recurrence in 320-bit integers.

    The distance to the exact distribution is at most `distance` in total variation.

    Parameters
    ----------
    variance
        v, in (0, 2**32], exact. Build time and memory grow with its square root (about 27 rows per unit of sd).
    """

    def __init__(self, variance: Fraction) -> None:
        if not 0 < variance <= _LARGEST_VARIANCE:
            raise ParameterError(f"variance must lie in (0, {_LARGEST_VARIANCE}], not {float(variance):g}")
        masses = _masses(variance)
        self.limit = len(masses) - 1  # values are -limit ... limit
        total = masses[0] + 2 * sum(masses[1:])
        running = 0
        bounds: list[int] = []
        for x in range(-self.limit, self.limit):  # the last bound, 2**128, is never reached by u
            running += masses[abs(x)]
            bounds.append((running << 128) // total)
        self._high = np.array([bound >> 64 for bound in bounds] + [_MASK], dtype=np.uint64)
        self._low = np.array([bound & _MASK for bound in bounds] + [_MASK], dtype=np.uint64)

        bits = min(19, max(8, (32 * self.limit // 13).bit_length()))
        self._shift = np.uint64(64 - bits)
        starts = np.arange(1 << bits, dtype=np.uint64) << self._shift
        guide = np.searchsorted(self._high[:-1], starts, side="left")
        ends = np.append(guide[1:], len(self._high) - 1)
        self._guide = guide.astype(np.int32)
        self._is_crowded = ends - guide > 1

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, variance: Fraction) -> InversionTable:
        """The table for `variance`, built once a process."""
        return cls(variance)

    @property
    def rows(self) -> int:
        """Number of values the table holds."""
        return 2 * self.limit + 1

    @property
    def distance(self) -> float:
        """Bound on the total variation distance to the exact distribution: at most two roundings of 2**-128 a row."""
        return 2 * self.rows * 2.0**-128

    def probabilities(self) -> list[int]:
        """What each value from -limit to limit is drawn with, exactly, in units of 2**-128."""
        bounds = [int(high) << 64 | int(low) for high, low in zip(self._high[:-1], self._low[:-1], strict=True)]
        return [upper - lower for lower, upper in zip([0, *bounds], [*bounds, 1 << 128], strict=True)]

    def draw(self, size: int, random_bytes: Callable[[int], bytes]) -> NDArray[np.int64]:
        """`size` independent values; takes 8 bytes each, and 8 more for each word that meets a bound exactly."""
        words = np.frombuffer(random_bytes(8 * size), dtype="<u8").astype(np.uint64, copy=False)
        bucket = (words >> self._shift).astype(np.intp)
        index = self._guide[bucket].astype(np.intp)  # bounds below the bucket's first word
        index += self._high[index] < words
        crowded = np.flatnonzero(self._is_crowded[bucket])
        if crowded.size:
            index[crowded] = np.searchsorted(self._high, words[crowded], side="left")
        for place in np.flatnonzero(self._high[index] == words):  # the word alone does not decide
            index[place] = self._decide(words[place], np.uint64(int.from_bytes(random_bytes(8), "little")))
        return index - self.limit

    def _decide(self, high: np.uint64, low: np.uint64) -> int:
        """Number of bounds that are at most the 128-bit number (high, low)."""
        first = int(np.searchsorted(self._high[:-1], high, side="left"))
        last = int(np.searchsorted(self._high[:-1], high, side="right"))
        return first + int(np.searchsorted(self._low[first:last], low, side="right"))


def _masses(variance: Fraction) -> list[int]:
    """exp(-x^2 / (2 variance)) for x = 0, 1, ... in units of 2**-320, as far as they matter."""
    with localcontext() as context:
        context.prec = 120
        step = (Decimal(-variance.denominator) / Decimal(2 * variance.numerator)).exp()
        ratio = int(step * (1 << _PRECISION))  # exp(-(2x + 1) / (2 variance)) at x = 0
    square = ratio * ratio >> _PRECISION
    mass = 1 << _PRECISION
    masses = []
    while mass >> (_PRECISION - _TAIL):
        masses.append(mass)
        mass = mass * ratio >> _PRECISION
        ratio = ratio * square >> _PRECISION
    return masses
