r"""Buckets in which more was counted than their pairs let expect: something among these pairs, never an SDR.

A pair without a cell of its own (`privacy.residual_cells`) cannot be scored alone. Its bucket can: expected of it is
the sum over its pairs, and what one pair has too much stands out from that. Which pair it was, it does not know;
in the next era the candidates can have cells of their own (`kelsey protocol promote`).
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from cases import ParameterError
from detectors.multiplicity import benjamini_hochberg
from hub.noisy_totals import NoisyTotals
from hub.tail_score import tail_chance, tail_score
from privacy.protocol import SurveillanceProtocol
from privacy.residual_cells import ResidualCells

__all__ = ["FALSE_DISCOVERY_RATE", "BucketCandidate", "FlaggedBucket", "bucket_q_values", "flagged_buckets"]

FALSE_DISCOVERY_RATE = 0.05
_CANDIDATES = 100
_LEAST_EXPECTED = 1e-9  # noisy margins may let expect less than nothing


class BucketCandidate(msgspec.Struct, frozen=True):
    """A pair of a flagged bucket; `share` of what is expected of the bucket, None where margins do not tell."""

    drug: str
    reaction: str
    share: float | None


class FlaggedBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Something among these pairs.

    Parameters
    ----------
    bucket
        Number, in [0, residual_buckets).
    n, n_sd
        Noisy count, with the standard deviation of its noise.
    expected
        Sum over its pairs.
    q_value
        Least false discovery rate, over all buckets, at which it is flagged.
    pair_count
        Number of its pairs.
    candidates
        Its pairs by falling share of the expected count, a hundred at most. Were every pair as likely to be reported k
        times too often, the excess would be theirs in these shares.
    """

    bucket: int
    n: float
    n_sd: float
    expected: float
    q_value: float
    pair_count: int
    candidates: tuple[BucketCandidate, ...]


def bucket_q_values(totals: NoisyTotals, *, weight_ratio: float = 1.0) -> tuple[NDArray[np.float64], ...]:
    r"""Expected count and q value of every bucket; NaN where it holds no pair, or the total is unknown.

    The tail score of the noisy count (`hub.tail_score`), its variance that of the bucket's noise, of the margins and of
    the total; then Benjamini and Hochberg over the buckets.

    Parameters
    ----------
    weight_ratio
        As of `hub.statistics.noisy_scores`.

    Raises
    ------
    ParameterError
        The totals have no buckets, or `weight_ratio` does not lie in (0, 1].
    """
    if not 0 < weight_ratio <= 1:
        raise ParameterError(f"weight_ratio must lie in (0, 1], not {weight_ratio!r}")
    scaled = totals.divided(weight_ratio)
    buckets = scaled.buckets
    if buckets is None:
        raise ParameterError("every pair of these totals has a count of its own: there are no buckets")
    expected = buckets.product / scaled.total
    q_values = np.full(expected.size, np.nan)
    known = np.flatnonzero(np.isfinite(expected))
    count, e = buckets.count[known], np.maximum(expected[known], _LEAST_EXPECTED)
    variance = (
        scaled.pair_sd**2 + (buckets.product_sd[known] / scaled.total) ** 2 + (e * scaled.total_sd / scaled.total) ** 2
    )
    q_values[known] = benjamini_hochberg(tail_chance(tail_score(count, e, variance)))
    return np.maximum(expected, 0) * weight_ratio, q_values


def flagged_buckets(
    totals: NoisyTotals, protocol: SurveillanceProtocol, *, weight_ratio: float = 1.0
) -> tuple[FlaggedBucket, ...]:
    """Buckets flagged at a false discovery rate of 5 %, by rising q value; none where the protocol has no buckets."""
    residual = protocol.layout.residual
    if residual is None or totals.buckets is None:
        return ()
    expected, q_values = bucket_q_values(totals, weight_ratio=weight_ratio)
    is_flagged = q_values <= FALSE_DISCOVERY_RATE  # NaN is not
    if not is_flagged.any():
        return ()
    cells, buckets = _pairs_of(residual, totals.drug.size * totals.reaction.size, is_flagged)
    drug, reaction = np.divmod(cells, totals.reaction.size)
    weight = np.maximum(totals.drug[drug], 0) * np.maximum(totals.reaction[reaction], 0)
    order = np.lexsort((cells, -weight, buckets))
    starts = np.searchsorted(buckets[order], np.flatnonzero(is_flagged))
    found = []
    for bucket, members in zip(np.flatnonzero(is_flagged), np.split(order, starts[1:]), strict=True):
        whole = float(weight[members].sum())
        candidates = tuple(
            BucketCandidate(*protocol.pair(int(cells[at])), float(weight[at]) / whole if whole > 0 else None)
            for at in members[:_CANDIDATES]
        )
        found.append(
            FlaggedBucket(
                bucket=int(bucket),
                n=float(totals.buckets.count[bucket]),
                n_sd=totals.pair_sd,
                expected=float(expected[bucket]),
                q_value=float(q_values[bucket]),
                pair_count=members.size,
                candidates=candidates,
            )
        )
    return tuple(sorted(found, key=lambda each: (each.q_value, each.bucket)))


def _pairs_of(
    residual: ResidualCells, product: int, is_flagged: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Product cells of the flagged buckets, and the bucket of each."""
    parts = [
        (cells[is_flagged[buckets]], buckets[is_flagged[buckets]])
        for cells, buckets in residual.residual_parts(product)
    ]
    return np.concatenate([cells for cells, _ in parts]), np.concatenate([buckets for _, buckets in parts])
