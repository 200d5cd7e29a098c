"""Poisson CUSUM with a known run length: how high the sum must be for the false alarms that one accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cases import ParameterError
from detectors.online._cusum_chain import run_lengths

__all__ = ["PoissonCusum"]

_FINEST_STEP = 512  # states a unit of counts; below a reference value of 1/512 no lattice is laid
_LARGEST_SIZE = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class PoissonCusum:
    r"""Cumulative sum of counts against a reference value, with exact mean run lengths.

    A rise is watched by :math:`S_t = \max(0, S_{t-1} + x_t - k)`, a fall by the same with :math:`k - x_t`; an alarm is
    raised when :math:`S_t \ge h`. The reference value that tells a mean :math:`\mu` best from :math:`\rho\mu` is
    :math:`k = \mu (\rho - 1) / \ln \rho`. As :math:`k` and :math:`h` are multiples of one fraction, the sum is a
    finite Markov chain and its mean run length the solution of a linear system, not an approximation.

    Parameters
    ----------
    reference
        :math:`k`, a fraction above 0.
    threshold
        :math:`h`, above 0, in reports.
    is_rise
        Whether a rise is watched.

    Notes
    -----
    The run lengths are those of independent Poisson counts of a mean that is known. Counts that vary more than Poisson
    counts do, and means that were estimated from a few reports, have false alarms earlier.

    Examples
    --------
    >>> cusum = PoissonCusum(reference=Fraction(1, 4), threshold=Fraction(10), is_rise=True)
    >>> round(cusum.run_length(0.25))  # periods until a false alarm; Lucas (1985), table 2: 438
    438
    >>> design = PoissonCusum.design(mean=2.0, ratio=2.0, run_length=1000)
    >>> float(design.reference), float(design.threshold)
    (2.875, 7.5)
    >>> round(design.run_length(2.0)), round(design.run_length(4.0), 1)
    (1014, 7.3)

    References
    ----------
    Lucas JM (1985), Technometrics 27:129-144, doi:10.1080/00401706.1985.10488030.
    Brook D, Evans DA (1972), Biometrika 59:539-549, doi:10.1093/biomet/59.3.539
    """

    reference: Fraction
    threshold: Fraction
    is_rise: bool

    def __post_init__(self) -> None:
        for name in ("reference", "threshold"):
            value = getattr(self, name)
            if not (isinstance(value, Fraction) and value > 0):
                raise ParameterError(f"{name} must be a fraction above 0, not {value!r}")
        size = self.threshold * self._step()
        if not size <= _LARGEST_SIZE:
            raise ParameterError(
                f"threshold must be at most {_LARGEST_SIZE} of the steps of 1/{self._step()} that it and reference "
                f"are multiples of, not {float(size):g}"
            )

    def run_length(self, mean: float, *, head_start: Fraction | int = 0) -> float:
        """Mean number of periods until an alarm if counts have the mean `mean` and the sum begins at `head_start`.

        Raises `ParameterError` for a mean that is not above 0 and finite, and for a head start outside [0, threshold)
        or not on the lattice of reference and threshold.
        """
        if not 0 < mean < math.inf:
            raise ParameterError(f"mean must lie in (0, infinity), not {mean!r}")
        step = self._step()
        start = head_start * step
        if not (0 <= start < self.threshold * step and start == int(start)):
            raise ParameterError(f"head_start must be a multiple of 1/{step} in [0, threshold), not {head_start!r}")
        size = int(self.threshold * step)
        lengths = run_lengths(
            mean=mean,
            reference=int(self.reference * step),
            step=step,
            size=size,
            start=int(start),
            is_rise=self.is_rise,
        )
        return float(lengths[-1])

    @classmethod
    def design(cls, *, mean: float, ratio: float, run_length: float) -> PoissonCusum:
        """The lowest threshold whose in-control run length is at least `run_length`.

        Parameters
        ----------
        mean
            In-control mean count of a period, in [0.003, 10,000].
        ratio
            Out-of-control over in-control mean that is to be found: a rise in [1.1, 100], a fall in [0.01, 0.9].
        run_length
            Mean number of periods until a false alarm, in (1, 1e9].

        Raises
        ------
        ParameterError
            A value outside its range, or a run length so long for a rare event that its lattice would be too fine.
        """
        if not 0.003 <= mean <= 10_000:
            raise ParameterError(f"mean must lie in [0.003, 10000], not {mean!r}")
        if not (0.01 <= ratio <= 0.9 or 1.1 <= ratio <= 100):
            raise ParameterError(f"ratio must lie in [0.01, 0.9] or [1.1, 100], not {ratio!r}")
        if not 1 < run_length <= 1e9:
            raise ParameterError(f"run_length must lie in (1, 1e9], not {run_length!r}")
        reference, step = _lattice(mean * (ratio - 1) / math.log(ratio), is_rise=ratio > 1)
        size = min(16 * step, 512)
        while size <= _LARGEST_SIZE:
            lengths = run_lengths(mean=mean, reference=reference, step=step, size=size, start=0, is_rise=ratio > 1)
            if lengths[-1] >= run_length:
                threshold = int(np.argmax(lengths >= run_length)) + 1
                return cls(reference=Fraction(reference, step), threshold=Fraction(threshold, step), is_rise=ratio > 1)
            size = min(2 * size, _LARGEST_SIZE) if size < _LARGEST_SIZE else size + 1
        raise ParameterError(
            f"run_length must be lower for a mean of {mean!r}, not {run_length!r}: its lattice would be too fine"
        )

    def _step(self) -> int:
        return math.lcm(self.reference.denominator, self.threshold.denominator)


def _lattice(reference: float, *, is_rise: bool) -> tuple[int, int]:
    """Reference value in steps and steps a report: within 2 % of `reference`, on the side of earlier alarms."""
    if reference < 0.125:
        step = math.floor(1 / reference) if not is_rise else math.ceil(1 / reference)
        return 1, min(step, _FINEST_STEP)
    outward = -1 if is_rise else 1
    best = (0, 1)
    for step in range(8, 65):
        steps = math.floor(reference * step) if is_rise else math.ceil(reference * step)
        while math.gcd(steps, step) > 1:  # a common divisor would leave a coarser lattice
            steps += outward
        if abs(steps / step - reference) <= 0.015 * reference:
            return steps, step
        if abs(steps / step - reference) < abs(best[0] / best[1] - reference):
            best = steps, step
    return best
