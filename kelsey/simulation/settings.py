"""What to simulate: population, federation, privacy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cases import ParameterError

__all__ = ["Cadence", "SimulationSettings", "Trust"]

Cadence = Literal["single", "month", "week", "day"]
Trust = Literal["secure-sum", "per-site"]

_LARGEST_REPORTS = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """A population and a federation over it.

    Parameters
    ----------
    sites
        S, at least 1; at least 2 for ``secure-sum``.
    reports
        Expected number of reports over the whole era, in [100, 100 million].
    epsilons
        Budgets to compare, each for a patient's whole era; the first is the headline's.
    delta
        The same for all of them.
    drugs, reactions
        Size of the active set, each at least 2.
    signals
        Pairs that are really associated, at least 0.
    years
        Length of the era, at least 1.
    cadence
        How often the federation releases; compared with a single release and a monthly one.
    trust
        Who adds the noise; the other is simulated beside it.
    honest_fraction
        h of a secure sum, in (0, 1]. The minimum cohort is the number of sites.
    wallet_capacity, wallet_operations
        C and M.
    margin_share
        Share of mu squared for the margins.
    draws
        Draws of the noise that results are averaged over, at least 1.
    seed
        The same seed and settings give the same result.
    compared_wallets, compared_margin_shares
        Also how other wallets (C, M), and other shares, would have done.
    """

    sites: int
    reports: int
    epsilons: tuple[float, ...]
    delta: float = 1e-6
    drugs: int = 500
    reactions: int = 1000
    signals: int = 200
    years: int = 1
    cadence: Literal["month", "week", "day"] = "day"
    trust: Trust = "secure-sum"
    honest_fraction: float = 0.8
    wallet_capacity: float = 1.5
    wallet_operations: int = 16
    margin_share: float = 0.05
    draws: int = 1
    seed: int = 0
    compared_wallets: tuple[tuple[float, int], ...] = ()
    compared_margin_shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.sites >= (2 if self.trust == "secure-sum" else 1):
            raise ParameterError(f"sites must be at least 1, and 2 for a secure sum, not {self.sites!r}")
        if not 100 <= self.reports <= _LARGEST_REPORTS:
            raise ParameterError(f"reports must lie in [100, {_LARGEST_REPORTS}], not {self.reports!r}")
        if not self.epsilons or len(set(self.epsilons)) != len(self.epsilons):
            raise ParameterError(f"epsilons must be distinct, at least one, not {self.epsilons!r}")
        for name in ("drugs", "reactions"):
            if not getattr(self, name) >= 2:
                raise ParameterError(f"{name} must be at least 2, not {getattr(self, name)!r}")
        if not 0 <= self.signals <= self.drugs * self.reactions // 10:
            raise ParameterError(f"signals must lie between 0 and a tenth of the pairs, not {self.signals!r}")
        for name in ("years", "draws"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, not {getattr(self, name)!r}")
        if not self.seed >= 0:
            raise ParameterError(f"seed must be at least 0, not {self.seed!r}")

    @property
    def cadences(self) -> tuple[Cadence, ...]:
        """Those that are compared: one release at the end, months, and the federation's own."""
        return tuple(dict.fromkeys(("single", "month", self.cadence)))
