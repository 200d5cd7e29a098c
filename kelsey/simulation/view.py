r"""What a hub would know at the end of the era, under one protocol.

The noise of a running total is drawn as what it is: the decoded sum :math:`\sum_t g_t Z_t` of independent discrete
Gaussians on a lattice of 2**-16 counts or finer, that is, a Gaussian with the standard deviation that
`ReleaseSpec.running_total_sd` states, times the root of the number of draws. That this equals encoding every epoch,
adding every site's noise and decoding is tested on short eras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hub.noisy_totals import NoisyTotals
from hub.rules import DEFAULT_RULES
from hub.totals import joined_tables
from kelsey.simulation.settings import Cadence, SimulationSettings, Trust
from privacy.calendar import EpochCalendar
from privacy.chosen_strategy import built_in_artefact
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.wallet import WalletPolicy
from privacy.workload import Workload

__all__ = ["View", "exact_totals"]

_START = date(2027, 1, 1)
_EPOCHS_PER_YEAR = {"month": 12, "week": 52, "day": 365}


@dataclass(frozen=True, slots=True)
class View:
    """A protocol, and the number of sites that work under it.

    Parameters
    ----------
    protocol
        As sites and hub would agree on it.
    sites
        S.
    """

    protocol: SurveillanceProtocol
    sites: int

    @classmethod
    def of(
        cls,
        settings: SimulationSettings,
        *,
        epsilon: float,
        cadence: Cadence,
        trust: Trust,
        wallet: WalletPolicy | None = None,
        margin_share: float | None = None,
    ) -> Self:
        """The view of a federation as in `settings`, but for what is given.

        A daily year counts with the built-in matrix, everything else with the square root. Raises `ParameterError` for
        a number out of the range of `SurveillanceProtocol`.
        """
        fields: dict[str, Any] = {}
        if cadence == "single":
            calendar = EpochCalendar("month", _START, 1)
        else:
            calendar = EpochCalendar(cadence, _START, _EPOCHS_PER_YEAR[cadence] * settings.years)
        if cadence == "day" and settings.years == 1:
            artefact = built_in_artefact("daily-year")
            fields |= {"factorisation": artefact.hash, "coefficient_bits": artefact.coefficient_bits}
        if trust == "secure-sum":
            fields |= {"minimum_cohort": settings.sites, "honest_fraction": settings.honest_fraction}
        protocol = SurveillanceProtocol(
            name="simulation",
            version="1",
            era="simulated",
            vocabulary="simulated@1",
            drugs=tuple(f"drug {number + 1}" for number in range(settings.drugs)),
            reactions=tuple(f"reaction {number + 1}" for number in range(settings.reactions)),
            calendar=calendar,
            epsilon=epsilon,
            delta=settings.delta,
            wallet_capacity=settings.wallet_capacity if wallet is None else wallet.capacity,
            wallet_operations=settings.wallet_operations if wallet is None else wallet.operation_limit,
            margin_share=settings.margin_share if margin_share is None else margin_share,
            trust_mode=trust,
            rules=DEFAULT_RULES,
            **fields,
        )
        return cls(protocol, settings.sites)

    @property
    def spec(self) -> ReleaseSpec:
        """How its releases are made."""
        return ReleaseSpec.of(self.protocol)

    @property
    def inflation(self) -> float:
        """Noise of the sum of all sites, relative to that of one draw of what the budget asks for."""
        cohort = self.protocol.cohort
        return sqrt(self.sites) if cohort is None else cohort.inflation(self.sites)

    @property
    def noise_factor(self) -> float:
        """Worst noise of a month-end total, relative to one draw for a single release at the same budget; all in."""
        strategy = self.protocol.strategy
        reads = Workload.of_calendar(self.protocol.calendar, objective="worst", read="month", emphasis=1.0).read_epochs
        return self.inflation * max(strategy.error_factor(epoch) for epoch in reads)

    def noise_sd(self, table: str, spec: ReleaseSpec) -> float:
        """Standard deviation of the noise of one entry of the total at the era's last epoch, in counts."""
        last = self.protocol.calendar.count - 1
        sigma, cohort = spec.tables[table].sigma, self.protocol.cohort
        added = sigma if cohort is None else cohort.site_sigma(sigma)  # by each site
        return spec.running_total_sd(table, last) * added / sigma * sqrt(self.sites)

    def totals(self, tables: Mapping[str, NDArray[np.float64]], random: np.random.Generator) -> NoisyTotals:
        """What the hub makes of the sites' weights at the era's last epoch, with noise drawn here.

        Parameters
        ----------
        tables
            Exact sums, in counts, as `hub.totals.joined_tables` takes them.
        """
        spec = self.spec
        sd = {name: self.noise_sd(name, spec) for name in spec.tables}
        noisy = {name: exact + random.normal(0.0, sd[name], exact.shape) for name, exact in tables.items()}
        return joined_tables(
            noisy,
            variance={name: value * value for name, value in sd.items()},
            epochs={},
            residual=self.protocol.layout.residual,
        )


def exact_totals(tables: Mapping[str, NDArray[np.float64]]) -> NoisyTotals:
    """Counts without any noise, in the form that the hub's statistics take."""
    return joined_tables(tables, variance=dict.fromkeys(tables, 0.0), epochs={})
