"""How many sites must be in a sum before it is opened, and how much noise each of them brings."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, isqrt, sqrt

from cases.errors import ParameterError

__all__ = ["Cohort"]

_SMALLEST_SIGMA = 64


@dataclass(frozen=True, slots=True)
class Cohort:
    r"""The promise a sum over sites rests on: enough sites, and enough of them honest.

    Every site adds noise of :math:`\sigma_1 = \lceil \sigma / \sqrt{k} \rceil` with :math:`k = \lceil h m \rceil`, so
    that any k honest sites together add at least the noise :math:`\sigma` that the budget asks for. A sum that is
    opened holds at least m sites, of which at least the fraction h is assumed to be honest; the noise of the others may
    be zero, or known to those who attack.

    Parameters
    ----------
    minimum
        m, fewest accepted sites with which a sum is opened; at least 2. The nearer it is to the number of sites that
        take part, the less noise is wasted.
    honest_fraction
        h, share of the accepted sites that add their noise and keep it to themselves, in (0, 1].

    Examples
    --------
    >>> cohort = Cohort(10, 0.8)
    >>> cohort.honest, round(cohort.inflation(10), 3), round(cohort.inflation(12), 3)
    (8, 1.118, 1.225)
    """

    minimum: int
    honest_fraction: float

    def __post_init__(self) -> None:
        if not self.minimum >= 2:
            raise ParameterError(f"minimum_cohort must be at least 2, not {self.minimum!r}")
        if not 0 < self.honest_fraction <= 1:
            raise ParameterError(f"honest_fraction must lie in (0, 1], not {self.honest_fraction!r}")

    @property
    def honest(self) -> int:
        """k, the fewest honest sites in an opened sum."""
        return ceil(Fraction(str(self.honest_fraction)) * self.minimum)

    def site_sigma(self, sigma: int) -> int:
        """Noise that one site adds, in lattice units, for a sum that needs `sigma`; rounded up.

        Raises `ParameterError` where it is so small that a sum of discrete Gaussians is no discrete Gaussian any more.
        """
        found = isqrt((sigma * sigma - 1) // self.honest) + 1
        if not found >= _SMALLEST_SIGMA:
            raise ParameterError(
                f"{self.honest} honest sites would add noise of {found} lattice units each; at least "
                f"{_SMALLEST_SIGMA} are needed",
                hint="raise coefficient_bits",
            )
        return found

    def inflation(self, sites: int) -> float:
        """Noise of a sum in which `sites` all add theirs, relative to the noise that is needed."""
        return sqrt(sites / self.honest)
