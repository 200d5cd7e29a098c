"""Made-up tables of counted pairs of the size of a national database, for statistics that read counts alone."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from detectors import PairArrays

__all__ = ["reported_pairs"]

_DRUGS, _REACTIONS = 700, 1_000
_SKEW = 2.0  # of the logarithm of the margins: few drugs and reactions are frequent, most are rare


def reported_pairs(random: np.random.Generator, *, pairs: int = 102_483, reports: int = 1_200_000) -> PairArrays:
    """Counts of exactly `pairs` pairs with at least one report, from about `reports` reports of one pair each.

    Margins are log-normal; one pair in seven is reported several times as often as its margins suggest, the others
    somewhat less often. Raises `ValueError` where so many reports name too few pairs.
    """
    drug, reaction = (np.exp(_SKEW * norm.ppf((np.arange(size) + 0.5) / size)) for size in (_DRUGS, _REACTIONS))
    mean = reports * np.outer(drug / drug.sum(), reaction / reaction.sum())
    associated = random.random(mean.shape) < 1 / 7
    ratio = np.where(associated, random.gamma(0.8, 4.0, mean.shape), random.gamma(3.0, 0.25, mean.shape))
    count = random.poisson(mean * ratio / (3.2 / 7 + 0.75 * 6 / 7))
    singles = np.flatnonzero(count == 1)
    surplus = np.count_nonzero(count) - pairs
    if not 0 <= surplus <= len(singles):
        raise ValueError(f"{reports} reports cannot name exactly {pairs} pairs")
    count.flat[random.choice(singles, surplus, replace=False)] = 0
    n_drug, n_reaction, total = count.sum(axis=1), count.sum(axis=0), int(count.sum())
    row, column = np.nonzero(count)
    return PairArrays(
        drug_names=tuple(f"drug {number:04}" for number in range(_DRUGS)),
        reaction_names=tuple(f"reaction {number:04}" for number in range(_REACTIONS)),
        drug_index=row.astype(np.int64),
        reaction_index=column.astype(np.int64),
        n=count[row, column].astype(np.int64),
        n_drug=n_drug[row].astype(np.int64),
        n_reaction=n_reaction[column].astype(np.int64),
        n_total=np.full(len(row), total, dtype=np.int64),
        expected=n_drug[row] * (n_reaction[column] / total),
    )
