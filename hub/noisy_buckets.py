r"""What is counted, and what is expected, in the buckets that pairs without a cell of their own share.

What is expected of a bucket is the sum over its pairs of :math:`n_d n_r / N`. Margins are taken as they are, noise and
all: cut at zero, one by one, those of the many rare names would add up to too much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError
from privacy.residual_cells import ResidualCells

__all__ = ["NoisyBuckets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyBuckets:
    r"""Noisy counts of buckets beside the products of their pairs' margins; a bucket without a pair is NaN in both.

    Parameters
    ----------
    count
        Noisy counts, with the noise of a pair.
    product
        :math:`\sum n_d n_r` over the pairs of each bucket; noise may take it below 0.
    product_sd
        Its standard deviation: the root of the sum over the pairs of
        :math:`s_d^2 |n_r| (|n_r| + S_r / B) + s_r^2 |n_d| (|n_d| + S_d / B)`, with S the sum over all names and B the
        number of buckets. The second terms stand for pairs in the bucket that share a drug or a reaction, and with it
        an error: as many as a hash brings together on average, so that the whole is not too small on average.
    """

    count: NDArray[np.float64]
    product: NDArray[np.float64]
    product_sd: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not self.count.shape == self.product.shape == self.product_sd.shape:
            raise ParameterError("count, product and product_sd must have one entry a bucket")

    @classmethod
    def of(
        cls,
        count: NDArray[np.float64],
        residual: ResidualCells,
        *,
        drug: NDArray[np.float64],
        reaction: NDArray[np.float64],
        drug_sd: float,
        reaction_sd: float,
    ) -> NoisyBuckets:
        """Buckets with these counts, between these noisy margins."""
        pairs, products, variance = (np.zeros(residual.buckets) for _ in range(3))
        along_reactions, along_drugs = (
            sd * sd * np.abs(names) * (np.abs(names) + np.abs(names).sum() / residual.buckets)
            for sd, names in ((drug_sd, reaction), (reaction_sd, drug))
        )
        for cells, buckets in residual.residual_parts(drug.size * reaction.size):
            row, column = np.divmod(cells, reaction.size)
            pairs += np.bincount(buckets, minlength=residual.buckets)
            for sums, weights in (
                (products, drug[row] * reaction[column]),
                (variance, along_reactions[column] + along_drugs[row]),
            ):
                sums += np.bincount(buckets, weights=weights, minlength=residual.buckets)
        known = np.where(pairs > 0, 0.0, np.nan)
        return cls(count=count + known, product=products + known, product_sd=np.sqrt(variance))

    def divided(self, by: float) -> NoisyBuckets:
        """Counts in units of `by` contributions."""
        square = by * by
        return NoisyBuckets(count=self.count / by, product=self.product / square, product_sd=self.product_sd / square)
