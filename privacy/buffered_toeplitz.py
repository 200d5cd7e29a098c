r"""Strategy matrices whose coefficients are a few decaying exponentials: good for an era of any length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.toeplitz_strategy import ToeplitzStrategy

__all__ = ["PARAMETER_BITS", "BufferedToeplitzFactorisation"]

PARAMETER_BITS = 32
_ONE = 1 << PARAMETER_BITS


@dataclass(frozen=True)
class BufferedToeplitzFactorisation(ToeplitzStrategy):
    r"""Buffered linear Toeplitz (BLT): :math:`c_0 = 1, c_k = \sum_j \omega_j \theta_j^{k-1}`, rounded to a grid.

    A handful of numbers describes an era of any length. Coefficients are computed in whole numbers from whole-number
    parameters, so every machine has the same.

    Parameters
    ----------
    epochs, coefficient_bits
        As `SquareRootFactorisation`.
    buffers
        Pairs (omega, theta) in units of 2**-32: scale above 0, the scales adding up to at most 1, and decay strictly
        between 0 and 1. At least one pair, at most 16.

    Examples
    --------
    >>> half = 1 << 31
    >>> BufferedToeplitzFactorisation(5, 8, ((half, half),)).coefficients
    array([256, 128,  64,  32,  16])

    References
    ----------
    Dvijotham KD, McMahan HB, Pillutla K, Steinke T, Thakurta A (2024), Efficient and near-optimal noise generation for
    streaming differential privacy, FOCS, arXiv:2404.16706
    """

    epochs: int
    coefficient_bits: int
    buffers: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.buffers) <= 16:
            raise ParameterError(f"buffers must be 1 to 16 pairs, not {len(self.buffers)}")
        if not all(scale > 0 and 0 < decay < _ONE for scale, decay in self.buffers):
            raise ParameterError("buffers must have scales above 0 and decays strictly between 0 and 2**32")
        if not sum(scale for scale, _ in self.buffers) <= _ONE:
            raise ParameterError("buffers must have scales that add up to at most 2**32")
        self._check()

    @cached_property
    def coefficients(self) -> NDArray[np.int64]:
        """Integer coefficients by lag, shape (epochs,); read-only."""
        guard = 96  # bits below the parameters', so that cutting off at every lag never reaches the result
        down = PARAMETER_BITS + guard - self.coefficient_bits
        values = [scale << guard for scale, _ in self.buffers]
        rounded = [1 << self.coefficient_bits]
        for _ in range(1, self.epochs):
            rounded.append((sum(values) + (1 << (down - 1))) >> down)
            values = [value * decay >> PARAMETER_BITS for value, (_, decay) in zip(values, self.buffers, strict=True)]
        out = np.array(rounded, dtype=np.int64)
        out.flags.writeable = False
        return out
