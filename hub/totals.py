r"""From the encoded noisy vectors of the sites to the national totals.

A site that made releases for the epochs :math:`e_1 < \dots < e_k` sent :math:`W = C_e X + Z`, where :math:`C_e` holds
the rows and columns of the strategy matrix for those epochs; what it did not send in a missed epoch it added to the
next. Its total is :math:`g \cdot W` with :math:`C_e^T g = 1`, and the noise of it has :math:`\lVert g\rVert` times the
standard deviation of one release. Sites are simply added, each up to its latest epoch: one that is late delays its own
reports and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sqlalchemy import Connection

from cases import ParameterError
from hub.noisy_buckets import NoisyBuckets
from hub.noisy_totals import NoisyTotals
from hub.release_shelf import ReleaseShelf
from privacy.protocol import SurveillanceProtocol
from privacy.release import TABLES, table_lengths
from privacy.release_spec import ReleaseSpec
from privacy.residual_cells import ResidualCells
from privacy.strategy_matrix import StrategyMatrix
from privacy.wallet import WEIGHT_BITS

__all__ = ["joined_tables", "running_totals", "total_weights"]

_TOTAL_STEPS = 4


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
    latest = {site: epochs[-1] for site, epochs in released.items()}
    return joined_tables(sums, variance=variance, epochs=latest, residual=protocol.layout.residual)


def joined_tables(
    tables: Mapping[str, NDArray[np.float64]],
    *,
    variance: Mapping[str, float],
    epochs: Mapping[str, int],
    residual: ResidualCells | None = None,
) -> NoisyTotals:
    r"""Noisy tables in counts, with the total by which margins give expected counts.

    No total is released. It is chosen so that, over all pairs, what is expected adds up to what was observed; each pair
    counts as much as its noise lets it say, :math:`E / (E + s^2)`. All buckets together are in it like one more pair:
    one by one, weights would prefer those whose noisy margins promise too much.

    Parameters
    ----------
    tables
        ``pair`` (by position, see `TableLayout`), ``drug``, ``reaction``.
    variance
        Noise variance of one entry, by table.
    epochs
        Latest epoch by site, carried along.
    residual
        Of a table with buckets: which pairs are where.
    """
    sd = {name: sqrt(each) for name, each in variance.items()}
    drug, reaction = tables["drug"], tables["reaction"]
    n_drug, n_reaction = np.maximum(drug, 0), np.maximum(reaction, 0)
    if residual is None:
        buckets, cells = None, None
        pair = tables["pair"].reshape(drug.size, reaction.size)
        total, total_sd = _total(pair, np.outer(n_drug, n_reaction), np.full(pair.shape, variance["pair"]))
    else:
        pair, counts = np.split(tables["pair"], [residual.active.size])
        buckets = NoisyBuckets.of(
            counts, residual, drug=drug, reaction=reaction, drug_sd=sd["drug"], reaction_sd=sd["reaction"]
        )
        cells, is_used = residual.active, np.isfinite(buckets.product)
        row, column = np.divmod(cells, reaction.size)
        total, total_sd = _total(
            np.append(pair, counts[is_used].sum()),
            np.append(n_drug[row] * n_reaction[column], max(float(buckets.product[is_used].sum()), 0.0)),
            np.append(np.full(pair.shape, variance["pair"]), variance["pair"] * float(is_used.sum())),
        )
    return NoisyTotals(
        pair=pair,
        drug=drug,
        reaction=reaction,
        total=total,
        pair_sd=sd["pair"],
        drug_sd=sd["drug"],
        reaction_sd=sd["reaction"],
        total_sd=total_sd,
        epochs=dict(epochs),
        cells=cells,
        buckets=buckets,
    )


def _total(
    pair: NDArray[np.float64], product: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[float, float]:
    """N in E = product / N, and its standard deviation; not a number where noise hides whether there is anything."""
    is_noisy = bool(variance.max() > 0)
    weight = product / variance if is_noisy else np.ones_like(pair)
    weight = weight / max(float(weight.max()), 1e-300)
    for _ in range(_TOTAL_STEPS):
        observed, expected = float((weight * pair).sum()), float((weight * product).sum())
        if not (observed > 0 and expected > 0):
            return nan, nan
        ratio = observed / expected
        weight = ratio * product / (ratio * product + variance) if is_noisy else weight
    spread = sqrt(float((variance * weight * weight).sum())) / observed
    return 1 / ratio, spread / ratio
