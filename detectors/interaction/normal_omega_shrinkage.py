"""Omega with the normal limits that many papers print."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from detectors.interaction.omega_shrinkage import OmegaShrinkage
from detectors.interaction.triple_arrays import TripleArrays

__all__ = ["NormalOmegaShrinkage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalOmegaShrinkage(OmegaShrinkage):
    r"""Omega as in `OmegaShrinkage`, with limits :math:`\Omega \pm z / (\ln 2 \sqrt{n_{111}})`.

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1): z is the normal quantile at (1 + level) / 2.

    Notes
    -----
    For comparison with papers that print it. Without a report of the triple the limits are infinite; with a few they
    are too high, as the posterior of a small count is skewed downwards. Prefer `OmegaShrinkage`.

    References
    ----------
    Noren GN, Sundberg R, Bate A, Edwards IR (2008), Statistics in Medicine 27:3057-3070, doi:10.1002/sim.3247
    """

    columns: ClassVar[tuple[str, ...]] = ("omega_normal", "omega_normal_lower", "omega_normal_upper")
    variant: ClassVar[str] = "normal limits"

    def score_many(self, arrays: TripleArrays) -> NDArray[np.float64]:
        """Omega, lower and upper limit of every row, shape (triples, 3)."""
        point = super(NormalOmegaShrinkage, self).score_many(arrays)[:, 0]
        z = float(ndtri((1 + self.level) / 2))
        with np.errstate(divide="ignore"):
            half_width = z / (math.log(2) * np.sqrt(arrays.n_111))
        return np.stack([point, point - half_width, point + half_width], axis=-1)
