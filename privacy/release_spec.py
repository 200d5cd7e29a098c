"""From a protocol to the noise of every table: sensitivities, budget split, sigma, and what the hub may expect.

All of it in exact integers up to sigma, which is rounded up to a whole lattice unit, so that the spent mu squared is
never above what the protocol grants. The lattice is that of W: weights on 2**-8 times coefficients on
2**-coefficient_bits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, isqrt, sqrt

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.accounting import epsilon_from_mu, mu_from_epsilon_delta
from privacy.gaussian import DiscreteGaussian
from privacy.protocol import SurveillanceProtocol
from privacy.strategy_matrix import StrategyMatrix
from privacy.wallet import WEIGHT_BITS, WalletPolicy

__all__ = ["MICRO", "ReleaseSpec", "TableSpec"]

MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """Noise of one table.

    Parameters
    ----------
    name, length
        Which table, and how many cells it has.
    sigma
        Standard deviation of the noise of every W, in lattice units; a whole number.
    sensitivity_squared
        Largest squared L2 change one patient's whole era can make to all W together, in squared lattice units; for
        `drug` and `reaction` that of both together, as they are released together.
    mu
        sensitivity / sigma: ``drug`` and ``reaction`` share theirs, it counts once.
    """

    name: str
    length: int
    sigma: int
    sensitivity_squared: int
    mu: float

    @property
    def sensitivity(self) -> float:
        """Square root of `sensitivity_squared`, in lattice units."""
        return sqrt(self.sensitivity_squared)


@dataclass(frozen=True)
class ReleaseSpec:
    """How every release of a protocol is made and what it costs.

    Parameters
    ----------
    protocol_hash
        Of the protocol it follows from.
    factorisation
        C.
    wallet
        C (capacity) and M.
    tables
        ``pair``, ``drug``, ``reaction`` by name.
    cap_micro_mu2
        Budget the protocol's epsilon and delta grant for the era: mu squared in millionths, rounded down.
    cost_micro_mu2
        What the era's releases cost together, in the same unit, rounded up; never above the cap. Paid with the first
        epoch; every later epoch costs 0.

    Examples
    --------
    >>> from datetime import date
    >>> from privacy.calendar import EpochCalendar
    >>> protocol = SurveillanceProtocol(
    ...     name="example", version="1", era="2026", vocabulary="v@1", drugs=("A",), reactions=("R", "S"),
    ...     calendar=EpochCalendar("month", date(2026, 1, 1), 12), epsilon=3.0, delta=1e-6)
    >>> spec = ReleaseSpec.of(protocol)
    >>> round(spec.epsilon(1e-6), 3), round(spec.running_total_sd("pair", 11), 2)
    (3.0, 4.4)
    """

    protocol_hash: str
    factorisation: StrategyMatrix
    wallet: WalletPolicy
    tables: dict[str, TableSpec]
    cap_micro_mu2: int
    cost_micro_mu2: int

    @classmethod
    def of(cls, protocol: SurveillanceProtocol) -> ReleaseSpec:
        """The spec a protocol fixes; equal protocols give equal specs.

        Raises `ParameterError` where the budget is too small to be counted in millionths of mu squared or for the
        sampler's widest noise, `ConfigurationError` where the protocol's factorisation is not at hand.
        """
        factorisation = protocol.strategy
        wallet = WalletPolicy(protocol.wallet_capacity, protocol.wallet_operations)
        cap = int(mu_from_epsilon_delta(protocol.epsilon, protocol.delta) ** 2 * MICRO)
        share = Fraction(protocol.margin_share)
        pair_squared = wallet.capacity_squared * factorisation.column_norm_squared  # Theorem 1
        margin_squared = 2 * pair_squared  # Theorem 2, both margins together
        if not cap >= 1:
            raise ParameterError(f"epsilon {protocol.epsilon:g} at delta {protocol.delta:g} is too small a budget")
        pair = _sigma(pair_squared, (1 - share) * cap)
        margin = _sigma(margin_squared, share * cap)
        for sigma in (pair, margin):
            if not sigma <= DiscreteGaussian.LARGEST_SIGMA:
                raise ParameterError(
                    f"the budget needs noise of {sigma:.3g} lattice units, the sampler ends at 2**28",
                    hint="raise epsilon or margin_share, or lower coefficient_bits",
                )
            if protocol.cohort is not None:
                protocol.cohort.site_sigma(sigma)  # refuses noise too fine to be shared
        tables = {
            name: TableSpec(
                name=name, length=length, sigma=sigma, sensitivity_squared=squared, mu=sqrt(squared) / sigma
            )
            for (name, length), sigma, squared in zip(
                protocol.layout.lengths.items(),
                (pair, margin, margin),
                (pair_squared, margin_squared, margin_squared),
                strict=True,
            )
        }
        spent = Fraction(pair_squared, pair**2) + Fraction(margin_squared, margin**2)
        return cls(protocol.hash, factorisation, wallet, tables, cap, ceil(spent * MICRO))

    @property
    def lattice_per_count(self) -> int:
        """Lattice units of W in one full weight of 1."""
        return 1 << (WEIGHT_BITS + self.factorisation.coefficient_bits)

    @property
    def mu(self) -> float:
        """What one patient's whole era loses: pair table and both margins together, over all epochs."""
        return sqrt(self.tables["pair"].mu ** 2 + self.tables["drug"].mu ** 2)

    def epsilon(self, delta: float) -> float:
        """The same as epsilon at a chosen delta."""
        return epsilon_from_mu(self.mu, delta)

    def sampler_delta(self, epsilon: float) -> float:
        """What the finite tables of the sampler add to delta at `epsilon`, over the whole era, at most."""
        distance = sum(
            table.length * self.factorisation.epochs * DiscreteGaussian(table.sigma).distance
            for table in self.tables.values()
        )
        return (1 + exp(epsilon)) * distance

    def running_total_sd(self, table: str, epoch: int) -> float:
        """Standard deviation of the noise in one site's running total at `epoch`, in counts (weights of 1)."""
        noise = self.tables[table].sigma / self.lattice_per_count
        return noise * self.factorisation.error_factor(epoch) / self.factorisation.column_norm

    def running_total(self, encoded: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """One site's noisy running total, in counts, from its W of epochs 0, 1, ... of one table."""
        rows = np.stack(encoded)
        return self.factorisation.running_total(rows) / (1 << WEIGHT_BITS)

    def minimum_detectable_excess(
        self,
        epoch: int,
        *,
        sites: float = 1,
        background: float = 10.0,
        z: float = 4.1,
        kept_ratio: float = 0.5,
        scale_ratio: float = 0.67,
    ) -> float:
        """Excess reports of a pair at which the sum over `sites` stands `z` standard deviations above `background`.

        Parameters
        ----------
        sites
            How many times the noise of one site is in the sum; of a secure sum the square of `Cohort.inflation`.
        background
            Expected reports of the pair without a signal.
        kept_ratio
            Mean weight the wallet leaves a pair; about 0.5 where patients have five to six pairs.
        scale_ratio
            Sum of squared weights over sum of weights; about 0.67 there.
        """
        noise = sites * self.running_total_sd("pair", epoch) ** 2
        half = z * z * scale_ratio / (2 * kept_ratio)
        return half + sqrt(half * half + z * z * (scale_ratio * kept_ratio * background + noise) / kept_ratio**2)

    @property
    def hash(self) -> str:
        """SHA-256 over protocol hash, sigmas and cost, 64 hexadecimal digits: what the ledger books under."""
        content = [self.protocol_hash, {name: table.sigma for name, table in self.tables.items()}, self.cost_micro_mu2]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sigma(sensitivity_squared: int, micro_mu2: Fraction) -> int:
    """Smallest whole sigma with sensitivity^2 / sigma^2 <= micro_mu2 / 10^6."""
    return isqrt(ceil(Fraction(sensitivity_squared * MICRO) / micro_mu2) - 1) + 1
