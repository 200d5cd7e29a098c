"""Time to onset: whether a reaction follows a product sooner or later than the product's other reactions do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from cases import ParameterError
from detectors.context._cases import check_reports, pair_cases
from detectors.context._two_samples import anderson_darling, kolmogorov_smirnov

__all__ = ["OnsetComparison"]

_CHUNK_CELLS = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OnsetComparison:
    r"""Times to onset of a pair against those of the other reports of the product.

    The Kolmogorov-Smirnov distance is :math:`D = \max_t |F_1(t) - F_2(t)|`; the Anderson-Darling distance weighs
    :math:`(F_1 - F_2)^2` by the inverse of its variance, and so sees the tails (midrank form, for ties). Days are full
    of ties, for which the tables of both are wrong: the p-values come from random relabelling of the reports, with
    :math:`p = (1 + \#\{\text{at least as far}\}) / (1 + \text{resamples})`.

    Parameters
    ----------
    n, n_other
        Reports of the pair, and other reports of the product, with a time to onset.
    median, median_other
        Their median times, in the unit given.
    ks, anderson_darling
        The two distances; `anderson_darling` is not standardised.
    ks_p, anderson_darling_p
        Their p-values, in [1 / (resamples + 1), 1].

    Notes
    -----
    A difference says that the reaction has a time pattern of its own; it does not say that the product causes it.
    Reports without a time are left out, and time is often given where it is short. A comparison with the same reaction
    after other products needs other samples, which `of` takes just as well.

    Examples
    --------
    >>> generator = np.random.default_rng(1)
    >>> early, other = generator.poisson(2, 40), generator.poisson(9, 200)
    >>> comparison = OnsetComparison.of(early, other, generator=generator, resamples=999)
    >>> comparison.median, comparison.median_other, comparison.ks_p, comparison.anderson_darling_p
    (2.0, 9.0, 0.001, 0.001)

    References
    ----------
    Scholz FW, Stephens MA (1987), Journal of the American Statistical Association 82:918-924,
    doi:10.1080/01621459.1987.10478517. Van Holle L et al. (2012), Pharmacoepidemiology and Drug Safety 21:603-610,
    doi:10.1002/pds.3226
    """

    n: int
    n_other: int
    median: float
    median_other: float
    ks: float
    ks_p: float
    anderson_darling: float
    anderson_darling_p: float

    @classmethod
    def of(
        cls, onset: ArrayLike, other: ArrayLike, *, generator: np.random.Generator, resamples: int = 9999
    ) -> OnsetComparison:
        """Compare two samples of times (at least 0, finite; at least 2 in each).

        Raises `ParameterError` for a sample that is too small, a time that is negative, missing or infinite, and for
        `resamples` below 1. Draws `resamples` times from `generator`.
        """
        samples = [_times(name, times) for name, times in (("onset", onset), ("other", other))]
        if not resamples >= 1:
            raise ParameterError(f"resamples must be at least 1, not {resamples!r}")
        values, codes = np.unique(np.concatenate(samples), return_inverse=True)
        ties = np.bincount(codes, minlength=len(values))
        first = np.bincount(codes[: len(samples[0])], minlength=len(values))
        distances = (kolmogorov_smirnov, anderson_darling)
        observed = [float(distance(first, ties)) for distance in distances]
        reached = [0, 0]
        chunk = max(1, _CHUNK_CELLS // len(values))
        for start in range(0, resamples, chunk):
            size = min(chunk, resamples - start)
            drawn = generator.multivariate_hypergeometric(ties, len(samples[0]), size=size, method="marginals")
            for index, distance in enumerate(distances):
                far = distance(drawn, ties) >= observed[index] * (1 - 1e-12)  # sums in another order are not nearer
                reached[index] += int(far.sum())
        p_values = [(1 + count) / (1 + resamples) for count in reached]
        return cls(
            n=len(samples[0]),
            n_other=len(samples[1]),
            median=float(np.median(samples[0])),
            median_other=float(np.median(samples[1])),
            ks=observed[0],
            ks_p=p_values[0],
            anderson_darling=observed[1],
            anderson_darling_p=p_values[1],
        )

    @classmethod
    def of_reports(
        cls, frame: pl.DataFrame, drug: str, reaction: str, *, generator: np.random.Generator, resamples: int = 9999,
        onset_column: str = "onset_days",
    ) -> OnsetComparison:  # fmt: skip
        """The comparison for a pair in a table of reports (columns case_id, drug, reaction and a time; a row a pair).

        A report counts once, with its shortest time: reports of the pair by their rows of the pair, the other reports
        of the drug by their rows of the drug; rows without a time are left out.

        Raises `UnknownTermError`, naming the nearest, where no report names the drug or the reaction, and
        `ParameterError` like `of`, and for a missing or non-numeric column or an empty name (the first row is 0).
        """
        check_reports(frame, onset_column)
        if not frame[onset_column].dtype.is_numeric():
            raise ParameterError(f"column {onset_column} must hold numbers, not {frame[onset_column].dtype}")
        negative = frame[onset_column] < 0
        if negative.any():
            raise ParameterError(f"{onset_column} must be at least 0, not as in row {negative.arg_max()}")
        cases = pair_cases(frame, drug, reaction)
        with_pair = cases.filter("n")["case_id"].implode()
        rows = frame.filter(pl.col("drug") == drug).with_columns(is_pair=pl.col("case_id").is_in(with_pair))
        rows = rows.filter(~pl.col("is_pair") | (pl.col("reaction") == reaction))
        times = rows.group_by("case_id").agg(pl.col("is_pair").first(), pl.col(onset_column).min()).drop_nulls()
        times = times.sort("case_id")
        onset, other = (times.filter(pl.col("is_pair") == is_pair)[onset_column] for is_pair in (True, False))
        return cls.of(onset.to_numpy(), other.to_numpy(), generator=generator, resamples=resamples)


def _times(name: str, times: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(times, dtype=np.float64)
    if array.ndim != 1 or not len(array) >= 2:
        raise ParameterError(f"{name} must hold at least 2 times, not {array.size}")
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ParameterError(f"every time of {name} must be finite and at least 0")
    return array
