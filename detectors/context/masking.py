"""Masking: a product so often reported with a reaction that the others look harmless beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from cases import ParameterError
from detectors.context._cases import pair_cases, pair_columns
from detectors.information_component import InformationComponent
from detectors.interval import Interval
from detectors.measure import IntervalMeasure
from detectors.proportional_reporting_ratio import proportional_reporting_ratio

__all__ = ["Masking", "Unmasking"]

_COUNTS = ("n", "n_drug", "n_reaction", "n_total")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmasking:
    """What one pair looks like without the reports of one other product.

    Parameters
    ----------
    product
        The product whose reports are left out, all of them.
    n, n_drug, n_reaction, n_total
        Distinct reports that remain.
    value
        The measure on what remains; NaN where that does not define it.
    gain
        Its point less the point on all reports; NaN where one is undefined.
    masking_ratio
        PRR on what remains over the PRR on all reports: above 1 the product masks the pair, whatever the measure is.
    """

    product: str
    n: int
    n_drug: int
    n_reaction: int
    n_total: int
    value: Interval
    gain: float
    masking_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    r"""Which product hides a pair: its measure recomputed without the reports of each other product of the reaction.

    A report that names both products leaves as well, as it would if the other product did not exist. The masking ratio
    is :math:`\mathrm{PRR}_{-m} / \mathrm{PRR}`.

    Parameters
    ----------
    drug, reaction
        The pair.
    n
        Its distinct reports.
    value
        The measure on all reports.
    products
        Every other product that a report names with the reaction, the greatest gain first; undefined gains last.

    Notes
    -----
    For a pair that an officer already looks at: a search over all pairs and products finds large gains by chance, and
    no interval here allows for the choice of the greatest. A product that treats what the reaction is a symptom of
    masks as well as one that causes it.

    Examples
    --------
    The old product holds most of the bleeding reports; without it the new one stands out:

    >>> rows = [("old", "bleeding", 60), ("old", "rash", 10), ("new", "bleeding", 6), ("new", "rash", 20),
    ...         ("other", "bleeding", 4), ("other", "rash", 100)]
    >>> named = [(drug, reaction) for drug, reaction, count in rows for _ in range(count)]
    >>> frame = pl.DataFrame(named, schema=["drug", "reaction"], orient="row").with_row_index("case_id")
    >>> masking = Masking.of(frame, "new", "bleeding")
    >>> masking.value.round(2)
    Interval(point=-0.56, lower=-1.94, upper=0.37, level=0.95)
    >>> masking.strongest.product, masking.strongest.value.round(2).point, round(masking.strongest.masking_ratio, 1)
    ('old', 1.38, 9.6)

    References
    ----------
    Maignen F, Hauben M, Hung E, Van Holle L, Dogne JM (2014), Pharmacoepidemiology and Drug Safety 23:195-207,
    doi:10.1002/pds.3529
    """

    drug: str
    reaction: str
    n: int
    value: Interval
    products: tuple[Unmasking, ...]

    @property
    def strongest(self) -> Unmasking | None:
        """The product whose removal raises the measure most; None where none raises it."""
        return self.products[0] if self.products and self.products[0].gain > 0 else None

    @classmethod
    def of(cls, frame: pl.DataFrame, drug: str, reaction: str, *, measure: IntervalMeasure | None = None) -> Masking:
        """The masking of a pair in a table of reports (columns case_id, drug, reaction; a row a pair of a report).

        `measure` is any that has an interval; by default the information component at 0.95.

        Raises `UnknownTermError`, naming the nearest, where no report names the drug or the reaction, and
        `ParameterError` for a missing column, an empty value (the first row is 0), or a measure without interval.
        """
        measure = InformationComponent(level=0.95) if measure is None else measure
        if not isinstance(measure, IntervalMeasure):
            raise ParameterError(f"measure must have an interval, not {type(measure).__name__}")
        counted = _counts(frame, drug, reaction)
        columns = [counted[name].to_numpy() for name in _COUNTS]
        points, lowers, uppers = measure.score_many(pair_columns(drug, reaction, *columns)).T.tolist()
        prr = proportional_reporting_ratio(*columns, level=0.95)[:, 0]
        values = [Interval(*row, measure.level) for row in zip(points, lowers, uppers, strict=True)]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = (prr / prr[0]).tolist()
        products = [
            Unmasking(**row, value=value, gain=value.point - values[0].point, masking_ratio=ratio)
            for row, value, ratio in zip(counted.rows(named=True)[1:], values[1:], ratios[1:], strict=True)
        ]
        products.sort(key=lambda each: (np.isnan(each.gain), -each.gain, each.product))
        return cls(drug=drug, reaction=reaction, n=int(columns[0][0]), value=values[0], products=tuple(products))


def _counts(frame: pl.DataFrame, drug: str, reaction: str) -> pl.DataFrame:
    """Counts of the pair on all reports (first row), then without each other product of the reaction."""
    cases = pair_cases(frame, drug, reaction).with_columns(n_total=True)
    everything = cases.select(pl.lit("").alias("product"), *(pl.col(name).sum().cast(pl.Int64) for name in _COUNTS))
    without = (
        frame.filter(pl.col("drug") != drug)
        .select("case_id", pl.col("drug").alias("product"))
        .unique()
        .join(cases, on="case_id")
        .group_by("product")
        .agg(pl.col(name).sum().cast(pl.Int64) for name in _COUNTS)
        .filter(pl.col("n_reaction") > 0)
        .sort("product")
        .with_columns((pl.lit(everything[name].item()) - pl.col(name)).alias(name) for name in _COUNTS)
    )
    return pl.concat([everything, without])
