"""Exact sums over a whole population: what the sites hold together at the end of the era."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kelsey.simulation.contributions import wallet_weights
from kelsey.simulation.population import Population
from privacy.wallet import WEIGHT_ONE, WalletPolicy

__all__ = ["PopulationCounts", "WalletCounts", "count_population"]


@dataclass(frozen=True, slots=True)
class WalletCounts:
    """Weights under one wallet policy.

    Parameters
    ----------
    weight
        Sum of weights by cell, in counts (weights of 1), shape (drugs, reactions).
    kept_ratio
        Sum of weights over distinct pairs of patient and cell.
    scale_ratio
        Sum of squared weights over sum of weights.
    """

    weight: NDArray[np.float64]
    kept_ratio: float
    scale_ratio: float


@dataclass(frozen=True, slots=True)
class PopulationCounts:
    """What was drawn.

    Parameters
    ----------
    patients, reports, pairs
        How many patients, reports, and distinct pairs of patient and cell.
    count
        Patients by cell, shape (drugs, reactions).
    wallets
        By policy.
    """

    patients: int
    reports: int
    pairs: int
    count: NDArray[np.float64]
    wallets: dict[WalletPolicy, WalletCounts]


def count_population(
    population: Population,
    reports: int,
    policies: Sequence[WalletPolicy],
    *,
    random: np.random.Generator,
    advance: Callable[[int], None],
) -> PopulationCounts:
    """Draw the patients and add them up; `advance` is told the number of reports that were counted."""
    shape = (population.drug_share.size, population.reaction_share.size)
    cells = shape[0] * shape[1]
    count = np.zeros(cells, dtype=np.int64)
    weight = {policy: np.zeros(cells) for policy in policies}  # whole numbers of grid units, exact below 2**53
    squares = dict.fromkeys(policies, 0.0)
    patients = drawn = 0
    for pairs in population.patients(reports, random):
        count += np.bincount(pairs.cell, minlength=cells)
        for policy in policies:
            paid = wallet_weights(pairs, policy).astype(np.float64)
            weight[policy] += np.bincount(pairs.cell, weights=paid, minlength=cells)
            squares[policy] += float(paid @ paid)
        patients += pairs.patient_count
        drawn += pairs.report_count
        advance(pairs.report_count)
    total = int(count.sum())
    wallets = {
        policy: WalletCounts(
            weight=weight[policy].reshape(shape) / WEIGHT_ONE,
            kept_ratio=float(weight[policy].sum()) / WEIGHT_ONE / total,
            scale_ratio=squares[policy] / WEIGHT_ONE / float(weight[policy].sum()),
        )
        for policy in policies
    }
    return PopulationCounts(patients, drawn, total, count.reshape(shape).astype(np.float64), wallets)
