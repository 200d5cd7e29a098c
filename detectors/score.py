"""All measures side by side with one call, for a whole table or for the pairs of one case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError
from detectors.chi_square import ChiSquare
from detectors.closed_form_information_component import ClosedFormInformationComponent
from detectors.empirical_bayes import EmpiricalBayes, GammaMixture, fit_gamma_mixture
from detectors.exact_reporting_odds_ratio import ExactReportingOddsRatio
from detectors.fisher import FisherExact
from detectors.fisher_mid_p import FisherMidP
from detectors.information_component import InformationComponent
from detectors.likelihood_ratio import LogLikelihoodRatio
from detectors.measure import Measure
from detectors.normal_information_component import NormalInformationComponent
from detectors.pair_arrays import PairArrays
from detectors.proportional_reporting_ratio import ProportionalReportingRatio
from detectors.reporting_odds_ratio import ReportingOddsRatio
from detectors.table import CountTable

__all__ = [
    "DEFAULT_MEASURES",
    "MEASURE_COLUMNS",
    "MEASURE_NAMES",
    "check_names",
    "measures",
    "score_all",
    "score_pairs",
]

DEFAULT_MEASURES = ("prr", "ror", "chi2", "ic")
"""The measures computed where none are asked for: all that are cheap and need the pair's own counts alone."""

MEASURE_NAMES = (
    *DEFAULT_MEASURES, "ic_closed", "ic_bcpnn", "ror_exact", "ebgm", "llr", "fisher_p", "fisher_mid_p"
)  # fmt: skip
"""Every measure that can be asked for, by its first column."""

MEASURE_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        column: measure.columns[0]
        for measure in (
            ProportionalReportingRatio, ReportingOddsRatio, ChiSquare, InformationComponent,
            ClosedFormInformationComponent, NormalInformationComponent, ExactReportingOddsRatio, EmpiricalBayes,
            LogLikelihoodRatio, FisherExact, FisherMidP,
        )
        for column in measure.columns
    }
)  # fmt: skip
"""The measure that each column belongs to, by the column's name."""


_EBGM_LEVEL = 0.90  # what the names of its columns say: 5 % and 95 % quantiles


def check_names(names: Sequence[str]) -> None:
    """Raise `ParameterError`, naming the nearest, for a name that is none of `MEASURE_NAMES`, and for no name."""
    if not names:
        raise ParameterError("at least one measure must be asked for", hint=f"there are {', '.join(MEASURE_NAMES)}")
    for name in names:
        if name not in MEASURE_NAMES:
            near = get_close_matches(name, MEASURE_NAMES, n=1)
            if name in MEASURE_COLUMNS:
                near = [MEASURE_COLUMNS[name]]
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(MEASURE_NAMES)}"
            raise ParameterError(f"there is no measure {name!r}", hint=hint)


def measures(
    *, level: float, names: Sequence[str] = DEFAULT_MEASURES, prior: GammaMixture | None = None
) -> tuple[Measure, ...]:
    """The measures that `score_all` computes, in the order of its columns, which is that of `MEASURE_NAMES`.

    Raises `ParameterError` like `check_names`, where ``ebgm`` is asked for without its prior, and where ``ic_closed``
    is at another level than 0.95.
    """
    check_names(names)
    every: list[Measure] = [
        ProportionalReportingRatio(level=level),
        ReportingOddsRatio(level=level),
        ChiSquare(),
        InformationComponent(level=level),
    ]
    if "ic_closed" in names:  # knows no other level than 0.95
        every.append(ClosedFormInformationComponent(level=level))
    every += [NormalInformationComponent(level=level), ExactReportingOddsRatio(level=level)]
    if "ebgm" in names:
        if prior is None:
            raise ParameterError("ebgm needs a prior", hint="fit one to a whole table with fit_gamma_mixture")
        every.append(EmpiricalBayes(prior=prior, level=_EBGM_LEVEL))
    every += [LogLikelihoodRatio(), FisherExact(), FisherMidP()]
    return tuple(measure for measure in every if measure.columns[0] in names)


def score_all(
    arrays: PairArrays,
    *,
    level: float = 0.95,
    names: Sequence[str] = DEFAULT_MEASURES,
    prior: GammaMixture | None = None,
) -> dict[str, NDArray[Any]]:
    """Counts and measures of every row, by column name, in the rows' order.

    Columns: n, n_drug, n_reaction, n_total, expected, then those of the measures in `names`; by default prr, prr_lower,
    prr_upper, ror, ror_lower, ror_upper, chi2, ic, ic_lower, ic_upper. `expected`, the ic and the ebgm columns follow
    the strata where `arrays` was made with ``stratified=True``; the others are crude either way. ebgm, eb05 and eb95
    are by `prior`, which is fitted to the rows with reports where none is given; their level is always 0.90. NaN where
    the counts do not define a measure. Raises `ParameterError` like `check_names`, and where no prior fits the rows.
    """
    check_names(names)
    if prior is None and "ebgm" in names:
        reported = arrays.n >= 1
        prior = fit_gamma_mixture(arrays.n[reported], arrays.expected[reported]).prior
    columns: dict[str, NDArray[Any]] = {
        "n": arrays.n,
        "n_drug": arrays.n_drug,
        "n_reaction": arrays.n_reaction,
        "n_total": arrays.n_total,
        "expected": arrays.expected,
    }
    for measure in measures(level=level, names=names, prior=prior):
        scores = measure.score_many(arrays).reshape(len(arrays), len(measure.columns))
        columns.update(zip(measure.columns, np.ascontiguousarray(scores.T), strict=True))
    return columns


def score_pairs(
    table: CountTable,
    pairs: Sequence[tuple[str, str]],
    *,
    level: float = 0.95,
    stratified: bool = False,
    names: Sequence[str] = DEFAULT_MEASURES,
    prior: GammaMixture | None = None,
) -> dict[str, NDArray[Any]]:
    """`score_all` of a few pairs, in the order given: what one new case refreshes.

    The cost is that of the pairs, whatever the table's size. Raises `UnknownTermError`, naming the nearest terms, for a
    drug or reaction that no report of the table names; a pair never reported together has n = 0. With ``ebgm`` among
    `names` give the last prior of the whole table: a few pairs have none of their own, and `ParameterError` says so.
    """
    measures(level=level, names=names, prior=prior)
    return score_all(table.arrays_of(pairs, stratified=stratified), level=level, names=names, prior=prior)
