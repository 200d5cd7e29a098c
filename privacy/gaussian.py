r"""Exact discrete Gaussian noise from the operating system's randomness, fast enough to draw a release at once.

Data and noise share one lattice (ADR 0005), so sigma is 10^5 to 10^8 lattice units: too wide for one table. Two narrow
ones make a wide one:

.. math:: X = X_1 + k X_2, \qquad \sigma^2 = s_1^2 + k^2 s_2^2

Completing the square, :math:`P(X = x) \propto \rho_\sigma(x) \sum_{j \in Z} \rho_\tau(j - c_x)` with
:math:`\tau = s_1 s_2 / \sigma`. By Poisson summation the inner sum is constant in x up to the factor
:math:`1 \pm 2\sum_{m \ge 1} e^{-2 \pi^2 \tau^2 m^2}` (tau lies above the smoothing parameter of the integers). With
:math:`s_1 = 4k` tau is at least 3.9 wherever two tables are used and the deviation is below 2**-400: far less than the
2**-128 roundings of the tables.

References
----------
Peikert C (2010), An efficient and parallel Gaussian sampler for lattices, CRYPTO, doi:10.1007/978-3-642-14623-7_5
Micciancio D, Walter M (2017), Gaussian sampling over the integers, CRYPTO, doi:10.1007/978-3-319-63715-0_16
Canonne CL, Kamath G, Steinke T (2020), The discrete Gaussian for differential privacy, NeurIPS, arXiv:2004.00010
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt, log, pi
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.inversion_table import InversionTable

__all__ = ["ConvolutionPlan", "DiscreteGaussian"]

_DIRECT_BELOW = 1024.0
_CHUNK = 1 << 15


@dataclass(frozen=True, slots=True)
class ConvolutionPlan:
    """The two narrow Gaussians that add up to a wide one, exactly in variance.

    Parameters
    ----------
    step
        k, at least 1.
    fine, coarse
        Variances of X1 and X2.
    """

    step: int
    fine: Fraction
    coarse: Fraction

    @classmethod
    def of(cls, sigma: float) -> ConvolutionPlan:
        """The plan with both standard deviations near ``2 * sqrt(sigma)``; sigma at least 16."""
        if not 16 <= sigma <= 1 << 28:
            raise ParameterError(f"sigma of a convolution must lie in [16, 2**28], not {sigma!r}")
        step = isqrt(int(sigma)) // 2
        fine = Fraction(16 * step * step)
        return cls(step, fine, (Fraction(sigma) ** 2 - fine) / step**2)

    @property
    def deviation_bits(self) -> float:
        """The pmf deviates from the exact one by a relative 2**-deviation_bits at most."""
        tau_squared = 1 / (self.step**2 / self.fine + 1 / self.coarse)
        return 2 * pi**2 * float(tau_squared) / log(2) - 2


class DiscreteGaussian:
    r"""Integers with :math:`P(x) \propto \exp(-x^2 / (2 \sigma^2))`, within 2**-100 of exact in total variation.

    Parameters
    ----------
    sigma
        In lattice units, in [0.5, 2**28]. Below 1024 one table is used, else two (see the module).

    Examples
    --------
    >>> import random
    >>> noise = DiscreteGaussian(210_000.0)
    >>> draws = noise.sample(100_000, random_bytes=random.Random(1).randbytes)
    >>> bool(abs(draws.std() / 210_000 - 1) < 0.01)
    True
    """

    SMALLEST_SIGMA: ClassVar[float] = 0.5
    LARGEST_SIGMA: ClassVar[float] = float(1 << 28)

    def __init__(self, sigma: float) -> None:
        if not self.SMALLEST_SIGMA <= sigma <= self.LARGEST_SIGMA:
            raise ParameterError(f"sigma must lie in [{self.SMALLEST_SIGMA}, 2**28] lattice units, not {sigma!r}")
        self.sigma = sigma
        self._step = 0
        if sigma < _DIRECT_BELOW:
            self._fine = InversionTable.of(Fraction(sigma) ** 2)
            return
        plan = ConvolutionPlan.of(sigma)
        if not plan.deviation_bits >= 128:
            raise ParameterError(f"sigma {sigma!r} has no convolution within 2**-128")
        self._step = plan.step
        self._fine = InversionTable.of(plan.fine)
        self._coarse = InversionTable.of(plan.coarse)

    @property
    def limit(self) -> int:
        """No draw is larger than this in magnitude (about 15 sigma); below 2**33, so sums cannot overflow."""
        return self._fine.limit + (self._step * self._coarse.limit if self._step else 0)

    @property
    def distance(self) -> float:
        """Bound on the total variation distance of one draw to the exact distribution; goes into delta."""
        return self._fine.distance + (self._coarse.distance + 2.0**-127 if self._step else 0.0)

    def sample(self, size: int, *, random_bytes: Callable[[int], bytes] = os.urandom) -> NDArray[np.int64]:
        """Draw `size` independent values.

        `random_bytes(n)` must give n independent uniform bytes, fit for cryptography in production. Takes 8 bytes a
        value and table, in chunks of 32768 values: first the fine, then the coarse table's.
        """
        if not size >= 0:
            raise ParameterError(f"size must be at least 0, not {size!r}")
        out = np.empty(size, dtype=np.int64)
        for start in range(0, size, _CHUNK):
            part = out[start : start + _CHUNK]
            part[:] = self._fine.draw(part.size, random_bytes)
            if self._step:
                part += self._step * self._coarse.draw(part.size, random_bytes)
        return out
