r"""From the encoded noisy vectors of the sites to the national totals.

A site that made releases for the epochs :math:`e_1 < \dots < e_k` sent :math:`W = C_e X + Z`, where :math:`C_e` holds
the rows and columns of the strategy matrix for those epochs; what it did not send in a missed epoch it added to the
next. Its total is :math:`g \cdot W` with :math:`C_e^T g = 1`, and the noise of it has :math:`\lVert g\rVert` times the
standard deviation of one release. Sites are simply added, each up to its latest epoch: one that is late delays its own
reports and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sqlalchemy import Connection

from cases import ParameterError
from hub.noisy_totals import NoisyTotals
from hub.release_shelf import ReleaseShelf
from privacy.protocol import SurveillanceProtocol
from privacy.release import TABLES, table_lengths
from privacy.release_spec import ReleaseSpec
from privacy.strategy_matrix import StrategyMatrix
from privacy.wallet import WEIGHT_BITS

__all__ = ["fuse_margins", "running_totals", "total_weights"]


def total_weights(factorisation: StrategyMatrix, epochs: Sequence[int]) -> NDArray[np.float64]:
    """Weight of each released vector in the running total, for a site that released exactly `epochs` (ascending)."""
    if list(epochs) == list(range(len(epochs))):
        return factorisation.total_weights(len(epochs) - 1)
    matrix = np.zeros((len(epochs), len(epochs)))
    for number, epoch in enumerate(epochs):
        matrix[number, : number + 1] = factorisation.row(epoch)[np.asarray(epochs[: number + 1])]
    weights: NDArray[np.float64] = solve_triangular(matrix, np.ones(len(epochs)), lower=True, trans="T")
    return weights


def running_totals(
    connection: Connection, shelf: ReleaseShelf, protocol: SurveillanceProtocol, epoch: int
) -> NoisyTotals:
    """Totals over all sites of everything released for epochs up to and including `epoch`.

    Raises `ParameterError` where no site has released anything yet.
    """
    spec = ReleaseSpec.of(protocol)
    lengths = table_lengths(protocol)
    sums = {name: np.zeros(length) for name, length in lengths.items()}
    variance = dict.fromkeys(TABLES, 0.0)
    cohort = protocol.cohort
    noises = {} if cohort is None else shelf.sites_in_sums(connection, protocol.era)
    released = shelf.epochs(connection, protocol.era, up_to=epoch)
    if not released:
        raise ParameterError(f"no site has released an epoch up to {epoch}")
    for site, epochs in released.items():
        weights = total_weights(spec.factorisation, epochs) / (1 << WEIGHT_BITS)
        for weight, index in zip(weights, epochs, strict=True):
            tables = shelf.tables(connection, site, protocol.era, index, lengths=lengths)
            for name in TABLES:
                sums[name] += weight * tables[name]
        sizes = np.array([noises.get(index, 1) for index in epochs], dtype=np.float64)  # draws of noise in each vector
        for name in TABLES:
            sigma = spec.tables[name].sigma if cohort is None else cohort.site_sigma(spec.tables[name].sigma)
            variance[name] += sigma**2 * float(sizes @ weights**2)
    pair = sums["pair"].reshape(len(protocol.drugs), len(protocol.reactions))
    latest = {site: epochs[-1] for site, epochs in released.items()}
    return fuse_margins(pair, sums["drug"], sums["reaction"], variance=variance, epochs=latest)


def fuse_margins(
    pair: NDArray[np.float64],
    drug: NDArray[np.float64],
    reaction: NDArray[np.float64],
    *,
    variance: Mapping[str, float],
    epochs: Mapping[str, int],
) -> NoisyTotals:
    """Join each direct margin with the one derived by summing pairs, by inverse variance; the total likewise.

    Parameters
    ----------
    pair, drug, reaction
        Direct noisy tables.
    variance
        Noise variance of one entry, by table.
    epochs
        Latest epoch by site, carried along.
    """
    drugs, reactions = pair.shape
    fused_drug, drug_variance = _fuse((drug, variance["drug"]), (pair.sum(axis=1), reactions * variance["pair"]))
    fused_reaction, reaction_variance = _fuse(
        (reaction, variance["reaction"]), (pair.sum(axis=0), drugs * variance["pair"])
    )
    # Three independent estimates of the same total: the two direct margins and the pair table, each added up.
    total, total_variance = _fuse(
        (drug.sum(), drugs * variance["drug"]),
        (reaction.sum(), reactions * variance["reaction"]),
        (pair.sum(), drugs * reactions * variance["pair"]),
    )
    return NoisyTotals(
        pair=pair,
        drug=fused_drug,
        reaction=fused_reaction,
        total=float(total),
        pair_sd=sqrt(variance["pair"]),
        drug_sd=sqrt(drug_variance),
        reaction_sd=sqrt(reaction_variance),
        total_sd=sqrt(total_variance),
        epochs=dict(epochs),
    )


def _fuse(*estimates: tuple[NDArray[np.float64], float]) -> tuple[NDArray[np.float64], float]:
    """Inverse-variance mean of independent estimates and its variance; one without noise is taken as it is."""
    for value, variance in estimates:
        if variance == 0:
            return value, 0.0
    precision = sum(1 / variance for _, variance in estimates)
    mean: NDArray[np.float64] = sum((value / variance for value, variance in estimates), np.zeros(())) / precision
    return mean, 1 / precision
