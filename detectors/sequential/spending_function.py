"""How much of alpha may be spent by when: functions of the share of the surveillance that is over."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scipy.special import ndtr, ndtri

from cases import ParameterError

__all__ = ["SPENDING_FAMILIES", "SpendingFunction"]


def _power(fraction: float, alpha: float, rho: float) -> float:
    return float(alpha * fraction**rho)


def _obrien_fleming(fraction: float, alpha: float, _rho: float) -> float:
    return 2 * float(ndtr(ndtri(alpha / 2) / math.sqrt(fraction))) if fraction else 0.0


def _pocock(fraction: float, alpha: float, _rho: float) -> float:
    return alpha * math.log1p(math.expm1(1) * fraction)


SPENDING_FAMILIES: Mapping[str, Callable[[float, float, float], float]] = MappingProxyType(
    {"power": _power, "obrien-fleming": _obrien_fleming, "pocock": _pocock}
)
"""Alpha spent by name, as a function of the fraction, alpha and rho."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingFunction:
    r"""Alpha that may be spent once a fraction t of the surveillance is over; 0 at its beginning, alpha at its end.

    Parameters
    ----------
    family
        ``power``: :math:`\alpha t^\rho` (Kim and DeMets); ``obrien-fleming``: :math:`2 \Phi(z_{\alpha/2} / \sqrt t)`,
        which saves nearly all for the end; ``pocock``: :math:`\alpha \ln(1 + (e - 1) t)`, which spends more early.
    rho
        Exponent of ``power``, above 0: 1 is linear, more saves for the end. The others take none and need 1.

    Examples
    --------
    >>> [round(SpendingFunction(family="obrien-fleming").spent(t, alpha=0.05), 5) for t in (0.25, 0.5, 1)]
    [9e-05, 0.00557, 0.05]

    References
    ----------
    Lan KKG, DeMets DL (1983), Biometrika 70:659-663, doi:10.1093/biomet/70.3.659.
    Kim K, DeMets DL (1987), Biometrika 74:149-154, doi:10.1093/biomet/74.1.149
    """

    family: str
    rho: float = 1.0

    def __post_init__(self) -> None:
        if self.family not in SPENDING_FAMILIES:
            raise ParameterError(f"family must be one of {', '.join(SPENDING_FAMILIES)}, not {self.family!r}")
        if not 0 < self.rho < math.inf:
            raise ParameterError(f"rho must be finite and above 0, not {self.rho!r}")
        if not (self.rho == 1 or self.family == "power"):
            raise ParameterError(f"rho belongs to power alone, not to {self.family}")

    def spent(self, fraction: float, *, alpha: float) -> float:
        """Cumulated alpha at a fraction in [0, 1] of the surveillance; never above `alpha`."""
        if not 0 <= fraction <= 1:
            raise ParameterError(f"fraction must lie in [0, 1], not {fraction!r}")
        return min(SPENDING_FAMILIES[self.family](fraction, alpha, self.rho), alpha)
