"""What the hub knows of all sites together: noisy counts and how noisy each kind of them is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError
from hub.noisy_buckets import NoisyBuckets

__all__ = ["NoisyTotals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyTotals:
    """Unbiased counts of pairs, drugs and reactions, with the standard deviation of their privacy noise.

    The counting unit is the patient, with the weight that the wallet leaves: once in each pair, drug and reaction.

    Parameters
    ----------
    pair
        Shape (drugs, reactions); with `cells` one entry for each of them.
    drug, reaction
        Shapes (drugs,) and (reactions,).
    total
        By which the product of a drug and a reaction is divided to give what is expected of their pair
        (`hub.totals.joined_tables`); not a number where nothing tells it.
    pair_sd, drug_sd, reaction_sd, total_sd
        Standard deviations in counts, at least 0; the same for every cell of a kind. `total_sd` is not a number where
        `total` is not.
    epochs
        Latest epoch each site has released.
    cells
        Where not every pair has a count of its own: the product cells (drug index times number of reactions plus
        reaction index) of those that do.
    buckets
        What is counted of all others together, then.

    Raises
    ------
    ParameterError
        Where shapes do not fit or a standard deviation is negative or not a number.
    """

    pair: NDArray[np.float64]
    drug: NDArray[np.float64]
    reaction: NDArray[np.float64]
    total: float
    pair_sd: float
    drug_sd: float
    reaction_sd: float
    total_sd: float
    epochs: Mapping[str, int] = field(default_factory=dict)
    cells: NDArray[np.int64] | None = None
    buckets: NoisyBuckets | None = None

    def __post_init__(self) -> None:
        shape = (self.drug.size, self.reaction.size) if self.cells is None else self.cells.shape
        if self.pair.shape != shape:
            raise ParameterError(f"pair must have the shape {shape}, not {self.pair.shape}")
        for name in ("pair_sd", "drug_sd", "reaction_sd", "total_sd"):
            is_unknown = name == "total_sd" and isnan(self.total)
            if not (getattr(self, name) >= 0 or is_unknown):
                raise ParameterError(f"{name} must be at least 0, not {getattr(self, name)!r}")

    def margins(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Counts of the drug and of the reaction of every pair, in the order of the pairs."""
        if self.cells is None:
            return np.repeat(self.drug, self.reaction.size), np.tile(self.reaction, self.drug.size)
        row, column = np.divmod(self.cells, self.reaction.size)
        return self.drug[row], self.reaction[column]

    def divided(self, by: float) -> NoisyTotals:
        """Every count and standard deviation in units of `by` contributions."""
        return NoisyTotals(
            pair=self.pair / by,
            drug=self.drug / by,
            reaction=self.reaction / by,
            total=self.total / by,
            pair_sd=self.pair_sd / by,
            drug_sd=self.drug_sd / by,
            reaction_sd=self.reaction_sd / by,
            total_sd=self.total_sd / by,
            epochs=self.epochs,
            cells=self.cells,
            buckets=None if self.buckets is None else self.buckets.divided(by),
        )
