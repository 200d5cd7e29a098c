"""Exact sums over a whole population: what the sites hold together at the end of the era."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kelsey.simulation.contributions import coordinate_sums, wallet_weights
from kelsey.simulation.population import Population
from privacy.table_layout import TableLayout
from privacy.wallet import WEIGHT_ONE, WalletPolicy

__all__ = ["PopulationCounts", "WalletCounts", "count_population"]


@dataclass(frozen=True, slots=True)
class WalletCounts:
    """Weights under one wallet policy.

    Parameters
    ----------
    tables
        Sums of weights in counts (weights of 1), as `hub.totals.joined_tables` takes them.
    kept_ratio
        Sum of weights over distinct pairs of patient and cell.
    scale_ratio
        Sum of squared weights over sum of weights.
    """

    tables: Mapping[str, NDArray[np.float64]]
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
        Patients by cell, drug and reaction, in tables of the same form.
    wallets
        By policy.
    """

    patients: int
    reports: int
    pairs: int
    count: Mapping[str, NDArray[np.float64]]
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
    layout = TableLayout(drugs=population.drug_share.size, reactions=population.reaction_share.size)
    count = np.zeros(layout.length)
    weight = {policy: np.zeros(layout.length) for policy in policies}  # whole numbers of grid units, exact below 2**53
    squares = dict.fromkeys(policies, 0.0)
    patients = drawn = 0
    for pairs in population.patients(reports, random):
        count += coordinate_sums(pairs, np.ones(pairs.cell.size), layout)
        for policy in policies:
            paid = wallet_weights(pairs, policy).astype(np.float64)
            weight[policy] += coordinate_sums(pairs, paid, layout)
            squares[policy] += float(paid @ paid)
        patients += pairs.patient_count
        drawn += pairs.report_count
        advance(pairs.report_count)
    exact = layout.split(count)
    total = int(exact["pair"].sum())
    wallets = {}
    for policy in policies:
        kept = float(weight[policy][: layout.cells].sum())
        wallets[policy] = WalletCounts(
            tables=layout.split(weight[policy] / WEIGHT_ONE),
            kept_ratio=kept / WEIGHT_ONE / total,
            scale_ratio=squares[policy] / WEIGHT_ONE / kept,
        )
    return PopulationCounts(patients, drawn, total, exact, wallets)
