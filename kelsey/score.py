"""`kelsey score`: all statistics of a plain table of reports, for an analyst who has no Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError
from detectors.empirical_bayes import EmpiricalBayes, GammaMixtureFit, fit_gamma_mixture
from detectors.exposure import ExposureRateRatio, ReportingRate
from detectors.hierarchy import Hierarchy
from detectors.interval import check_level
from detectors.likelihood_ratio import likelihood_ratio_test
from detectors.multiplicity import benjamini_hochberg
from detectors.pair_arrays import PairArrays
from detectors.rules import Rule, load_presets
from detectors.score import DEFAULT_MEASURES, MEASURE_COLUMNS, check_names, measures, score_all
from detectors.table import CountTable
from kelsey.score_exposure import read_exposure
from kelsey.score_input import InputRows, read_counts
from kelsey.score_output import form_of, write_scores
from kelsey.score_selection import REPORT_COLUMNS, Selection, chosen_reports
from kelsey.score_summary import ScoreSummary

__all__ = ["applicable_rules", "asked_measures", "count_reports", "fit_prior", "score_counts", "score_reports"]

_CHANCES = ("llr_p", "q_value")  # columns that come with llr
_BOOTSTRAPS, _BOOTSTRAP_SEED = 999, 0  # a fixed seed: the same file gives the same scores


def asked_measures(text: str) -> tuple[str, ...]:
    """Measures named in a comma-separated list, each once; a column stands for its measure. Checks nothing."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    of_column = {**MEASURE_COLUMNS, **dict.fromkeys(_CHANCES, "llr")}
    return tuple(dict.fromkeys(of_column.get(name, name) for name in names))


def count_reports(
    path: Path,
    *,
    stratify: Sequence[str] = (),
    selection: Selection | None = None,
    further: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> tuple[CountTable, InputRows, pl.DataFrame]:
    """The count table of a file of reports, with the rows read and those chosen; refuses what `score_reports` does.

    The columns of `further` are read, too, and those of `optional` where the file has them.
    """
    chosen = selection or Selection()
    rows, frame = chosen_reports(path, chosen, strata=stratify, further=further, optional=optional)
    try:
        table = CountTable.from_reports(
            frame["case_id"],
            frame["drug"],
            frame["reaction"],
            {name: frame[name] for name in stratify},
            first_row=rows.first_row,
        )
    except ParameterError as error:
        raise ParameterError(f"{path}: {error.message}", hint=error.hint) from error
    return table, rows, frame


def applicable_rules(rules: Mapping[str, Rule] | None, columns: Sequence[str]) -> Mapping[str, Rule]:
    """The rules asked for; without any, the presets whose columns are computed."""
    if rules is not None:
        return rules
    presets = load_presets().items()
    return {name: rule for name, rule in presets if all(each.column in columns for each in rule.conditions)}


def fit_prior(arrays: PairArrays, names: Sequence[str] | None) -> tuple[GammaMixtureFit | None, str]:
    """The prior of EBGM and a word on it; raises `ParameterError` where EBGM was asked for and no prior fits."""
    if names is not None and "ebgm" not in names:
        return None, "not asked for"
    try:
        return fit_gamma_mixture(arrays.n, arrays.expected), "converged"
    except ParameterError as error:
        if names is not None:
            raise
        return None, error.message


def _chances(arrays: PairArrays) -> dict[str, NDArray[np.float64]]:
    """Chance of each log likelihood ratio as the largest of its drug, and its q value over all pairs."""
    result = likelihood_ratio_test(arrays, random=np.random.default_rng(_BOOTSTRAP_SEED), bootstraps=_BOOTSTRAPS)
    return dict(zip(_CHANCES, (result.p, benjamini_hochberg(result.p)), strict=True))


def _place(arrays: PairArrays, hierarchy: Hierarchy) -> dict[str, NDArray[Any]]:
    """Where each row's reaction stands in the hierarchy."""
    number = hierarchy.numbers(arrays.reaction_names)[arrays.reaction_index]
    return {"level": hierarchy.level[number], "is_leaf": hierarchy.is_leaf[number]}


def _exposure(path: Path | None, arrays: PairArrays, left_out: Iterable[str] = ()) -> dict[str, float] | None:
    """Exposures of the drugs that are scored; those that a condition leaves out may stand in the file as well."""
    if path is None:
        return None
    scored = set(arrays.drug_names)
    return {drug: amount for drug, amount in read_exposure(path, scored | set(left_out)).items() if drug in scored}


def _score(
    arrays: PairArrays,
    out: Path,
    *,
    form: str,
    level: float,
    rules: Mapping[str, Rule] | None,
    names: Sequence[str] | None,
    report_count: int,
    strata: tuple[tuple[str, ...], ...] = (),
    hierarchy: Hierarchy | None = None,
    exposure: Mapping[str, float] | None = None,
) -> ScoreSummary:
    fit, fit_status = fit_prior(arrays, names)
    prior = None if fit is None else fit.prior
    if names is None:
        names = (*DEFAULT_MEASURES, "ebgm") if fit else DEFAULT_MEASURES
    scores = score_all(arrays, level=level, names=names, prior=prior)
    if "llr" in names:
        scores |= _chances(arrays)
    rates = () if exposure is None else (ReportingRate(level=level), ExposureRateRatio(level=level))
    for rate in rates:
        scores |= dict(zip(rate.columns, np.ascontiguousarray(rate.score_many(arrays, exposure or {}).T), strict=True))
    flags = {name: rule.flags(scores) for name, rule in applicable_rules(rules, list(scores)).items()}
    if fit is None and fit_status != "not asked for":
        scores |= {column: np.full(len(arrays), np.nan) for column in EmpiricalBayes.columns}
    place = {} if hierarchy is None else _place(arrays, hierarchy)
    clash = sorted(set(flags) & {"drug", "reaction", *place, *scores})
    if clash:
        raise ParameterError(f"rule {clash[0]} has the name of a column", hint="give it another name")
    result = pl.DataFrame(
        {
            "drug": pl.Series(arrays.drug_names, dtype=pl.String).gather(arrays.drug_index),
            "reaction": pl.Series(arrays.reaction_names, dtype=pl.String).gather(arrays.reaction_index),
            **place,
            **scores,
            **flags,
        }
    )
    write_scores(result.with_columns(pl.col(pl.Float64).fill_nan(None)), out, form=form, flags=tuple(flags))
    return ScoreSummary(
        report_count=report_count,
        pair_count=len(arrays),
        drug_count=len(arrays.drug_names),
        reaction_count=len(arrays.reaction_names),
        strata=strata,
        flagged={name: int(flag.sum()) for name, flag in flags.items()},
        variants={each.columns[0]: each.variant for each in (*measures(level=level, names=names, prior=prior), *rates)},
        exposed_drug_count=None if exposure is None else len(exposure),
        fit=fit,
        fit_status=fit_status,
    )


def score_reports(
    path: Path,
    out: Path,
    *,
    stratify: Sequence[str] = (),
    level: float = 0.95,
    rules: Mapping[str, Rule] | None = None,
    names: Sequence[str] | None = None,
    selection: Selection | None = None,
    exposure: Path | None = None,
    form: str | None = None,
) -> ScoreSummary:
    """Score every pair of a table of reports and write one row a pair, sorted by drug, then reaction.

    Parameters
    ----------
    path
        UTF-8 CSV (plain or gzip) or Parquet with columns ``case_id``, ``drug``, ``reaction`` and those of `stratify`
        and `selection`; one row a pair that the report names. Text is taken as it stands.
    out
        File to write; replaced if it exists. Columns: drug, reaction, with a hierarchy level (1 at the top) and is_leaf
        (nothing lies below the reaction), those of `detectors.score.score_all`, with an exposure those of
        `detectors.exposure`, and one true/false column a rule. A measure that the counts do not define is empty. No
        number is rounded.
    stratify
        Columns that divide the reports. They change `expected`, which becomes the sum over the strata, and with it the
        three ic columns, the ebgm columns and the rules that read them; PRR, ROR and chi-square stay crude. A missing
        value is a stratum of its own, ``unknown``.
    level
        Coverage of the intervals, in (0, 1).
    rules
        Rules by name; by default the published presets whose columns are computed.
    names
        Measures, of `detectors.score.MEASURE_NAMES`; by default the cheap ones and EBGM, whose columns stay empty where
        no prior fits the table.
    selection
        Which rows count, and under which names; all by default.
    exposure
        File ``drug,exposure`` (`kelsey.score_exposure.read_exposure`), under the names that are scored.
    form
        ``csv``, ``parquet`` or ``xlsx``; by default what the name of `out` ends in.

    Raises
    ------
    ParameterError
        Naming file, column and row (the header of a CSV is row 1): a missing or double column, an empty case id, drug
        or reaction, a column without any value, a report in two strata, a file that cannot be read or written.
    UnknownTermError
        A value of `selection`, a name in its groups or a drug of `exposure` that no report has; a reaction that its
        hierarchy lacks; the nearest are named.
    """
    wanted = form_of(path, out, form)
    if len(set(stratify)) < len(stratify) or set(stratify) & set(REPORT_COLUMNS):
        raise ParameterError(f"stratify must name further columns, each once, not {', '.join(stratify)}")
    check_level(level)  # refused before anything is read
    check_names(DEFAULT_MEASURES if names is None else names)
    table, rows, _ = count_reports(path, stratify=stratify, selection=selection)
    arrays = table.arrays(stratified=bool(stratify))
    left_out = rows.frame["drug"].unique() if selection is not None and selection.groups is None else ()
    return _score(
        arrays,
        out,
        form=wanted,
        level=level,
        rules=rules,
        names=names,
        report_count=table.report_count,
        strata=table.strata if stratify else (),
        hierarchy=None if selection is None else selection.hierarchy,
        exposure=_exposure(exposure, arrays, left_out),
    )


def score_counts(
    path: Path,
    out: Path,
    *,
    level: float = 0.95,
    rules: Mapping[str, Rule] | None = None,
    names: Sequence[str] | None = None,
    exposure: Path | None = None,
    form: str | None = None,
) -> ScoreSummary:
    """Score every pair of a table of counts (`kelsey.score_input.read_counts`); else like `score_reports`."""
    wanted = form_of(path, out, form)
    check_level(level)
    check_names(DEFAULT_MEASURES if names is None else names)
    arrays = read_counts(path)
    return _score(
        arrays,
        out,
        form=wanted,
        level=level,
        rules=rules,
        names=names,
        report_count=int(arrays.n_total[0]),
        exposure=_exposure(exposure, arrays),
    )
