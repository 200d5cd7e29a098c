"""Odds ratio over strata (Mantel-Haenszel), its test, and whether the strata agree (Breslow-Day, Tarone)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from cases import ParameterError, UnknownTermError
from detectors._contingency import FloatArray, cells, log_interval
from detectors.interval import check_level
from detectors.pair_arrays import PairArrays
from detectors.table import CountTable

__all__ = ["MantelHaenszel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MantelHaenszel:
    r"""Common odds ratio of a pair over strata, for what a crude ratio owes to age, sex or period.

    :math:`OR = \sum R_k / \sum S_k` with :math:`R_k = a_k d_k / n_k` and :math:`S_k = b_k c_k / n_k`, and the interval
    of Robins, Breslow and Greenland for its logarithm. Strata that lack the drug or the reaction add nothing; no cell
    is corrected.

    Beside it stand the Mantel-Haenszel chi-square (one degree of freedom, continuity correction) of no association in
    any stratum, and the Breslow-Day statistic with Tarone's adjustment of one odds ratio in all strata.

    Parameters
    ----------
    level
        Coverage of the interval, in (0, 1).

    Notes
    -----
    Where the strata truly differ (a small `homogeneity_p`), one ratio for all describes none: look at them one by one.
    The homogeneity test wants strata of some size; with many strata of few reports it has no power.

    Examples
    --------
    >>> table = CountTable()
    >>> for label, (a, b, c, d) in {"young": (10, 90, 20, 880), "old": (30, 70, 100, 300)}.items():
    ...     for count, drugs, reactions in ((a, "x", "r"), (b, "x", "s"), (c, "y", "r"), (d, "y", "s")):
    ...         for _ in range(count):
    ...             table.update([drugs], [reactions], (label,))
    >>> found = MantelHaenszel(level=0.95).score_one(table, "x", "r")
    >>> round(found["ror_mh"], 3), round(found["homogeneity_p"], 4)
    (1.696, 0.0031)

    References
    ----------
    Mantel N, Haenszel W (1959), JNCI 22:719-748, doi:10.1093/jnci/22.4.719; Robins J, Breslow N, Greenland S (1986),
    Biometrics 42:311-323, doi:10.2307/2531052; Tarone RE (1985), Biometrika 72:91-95, doi:10.1093/biomet/72.1.91
    """

    columns: ClassVar[tuple[str, ...]] = (
        "ror_mh", "ror_mh_lower", "ror_mh_upper", "chi2_mh", "p_mh", "chi2_homogeneity", "homogeneity_p"
    )  # fmt: skip
    variant: ClassVar[str] = "Robins-Breslow-Greenland interval, continuity correction, Tarone's adjustment"

    level: float

    def __post_init__(self) -> None:
        check_level(self.level)

    def score_strata(self, strata: Mapping[Any, PairArrays]) -> NDArray[np.float64]:
        """`columns` of every row, shape (pairs, 7), from what `CountTable.arrays_by_stratum` gives.

        NaN where the counts do not define a number: no stratum in which both drug and reaction vary; for the
        homogeneity test, fewer than two of them or an odds ratio of 0 or infinity. Raises `ParameterError` where there
        is no stratum, or where they have different rows.
        """
        parts = list(strata.values())
        if not parts or len({len(part) for part in parts}) > 1:
            raise ParameterError("strata must hold at least one stratum, all of the same rows")
        tables = [cells(p.n, p.n_drug, p.n_reaction, p.n_total, has_correction=False) for p in parts]
        a, b, c, d = (np.stack([table[cell] for table in tables]) for cell in range(4))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # ends as NaN or infinity, as documented
            ratio, variance = _common_ratio(a, b, c, d)
            test = _association(a, b, c, d)
            homogeneity, homogeneity_p = _homogeneity(a, b, c, d, ratio)
            interval = log_interval(ratio, variance, self.level)
        return np.column_stack([interval, test, chdtrc(1, test), homogeneity, homogeneity_p])

    def score_one(self, table: CountTable, drug: str, reaction: str) -> dict[str, float]:
        """`columns` and their values for one pair that some report names.

        Raises `UnknownTermError` where none does.
        """
        table.pair(drug, reaction)  # names the nearest terms
        strata = table.arrays_by_stratum()
        arrays = next(iter(strata.values()))
        pairs = list(zip(arrays.drug, arrays.reaction, strict=True))
        if (drug, reaction) not in pairs:
            raise UnknownTermError(f"no report names both {drug!r} and {reaction!r}")
        row = pairs.index((drug, reaction))
        return dict(zip(self.columns, self.score_strata(strata)[row].tolist(), strict=True))


def _common_ratio(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ratio of each pair and the variance of its logarithm, from cells of shape (strata, pairs)."""
    n = a + b + c + d
    concordant, discordant = (a + d) / n, (b + c) / n
    r, s = a * d / n, b * c / n
    r_sum, s_sum = r.sum(axis=0), s.sum(axis=0)
    mixed = (concordant * s + discordant * r).sum(axis=0)
    variance = (concordant * r).sum(axis=0) / (2 * r_sum**2) + mixed / (2 * r_sum * s_sum)
    return r_sum / s_sum, variance + (discordant * s).sum(axis=0) / (2 * s_sum**2)


def _association(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> FloatArray:
    """Mantel-Haenszel chi-square of each pair; a correction never turns a deviation round."""
    n = a + b + c + d
    excess = np.abs((a - (a + b) * (a + c) / n).sum(axis=0))
    spread = ((a + b) * (c + d) * (a + c) * (b + d) / (n * n * np.maximum(n - 1, 1))).sum(axis=0)
    return np.where(spread > 0, np.maximum(excess - 0.5, 0) ** 2 / spread, np.nan)


def _homogeneity(
    a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray, ratio: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Breslow-Day statistic with Tarone's adjustment, and its p value, of each pair."""
    drug, reaction, n = a + b, a + c, a + b + c + d
    informative = (drug > 0) & (reaction > 0) & (drug < n) & (reaction < n)
    # the count at which a stratum has the common ratio: root of (1 - r) x^2 + (n - drug - reaction + r (drug +
    # reaction)) x - r drug reaction, written so that nothing cancels where r is near 1
    linear = n - drug - reaction + ratio * (drug + reaction)
    root = np.sqrt(linear**2 + 4 * (1 - ratio) * ratio * drug * reaction)
    fitted = 2 * ratio * drug * reaction / (linear + root)
    variance = 1 / (1 / fitted + 1 / (drug - fitted) + 1 / (reaction - fitted) + 1 / (n - drug - reaction + fitted))
    off = np.where(informative, a - fitted, 0.0)
    variance = np.where(informative, variance, 0.0)
    terms = np.where(informative, off**2 / variance, 0.0)
    statistic = terms.sum(axis=0) - off.sum(axis=0) ** 2 / variance.sum(axis=0)
    degrees = informative.sum(axis=0) - 1
    defined = (degrees > 0) & np.isfinite(ratio) & (ratio > 0)
    statistic = np.where(defined, statistic, np.nan)
    return statistic, chdtrc(np.maximum(degrees, 1), statistic)
