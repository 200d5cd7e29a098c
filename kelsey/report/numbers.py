"""The numbers behind every section of a report: counts, scores, flags, and the order of the pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError, UnknownTermError
from detectors import CountTable, EmpiricalBayes, GammaMixtureFit, PairArrays, Rule, score_all, score_pairs
from kelsey.report.settings import ReportSettings
from kelsey.score import applicable_rules, count_reports, fit_prior
from kelsey.score_input import InputRows, unknown_name
from kelsey.score_selection import parse_dates

__all__ = ["ReportNumbers", "gather"]

_Scores = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportNumbers:
    """What was counted and computed.

    Parameters
    ----------
    table, arrays
        Counts, and those of every pair with a report as columns.
    frame
        The rows that count, with a column ``day`` where there are days.
    scores
        Columns of `detectors.score_all` for each row of `arrays`; those of EBGM only where a prior fits.
    rules, flags
        The rules that were asked for, and for those whose columns are computed which rows they flag.
    fit, fit_status
        The prior of EBGM, or why there is none.
    order
        Rows of `arrays` in the report's focus (one drug, or all), strongest first.
    names
        The measures computed.
    no_days
        Why there are no days; empty where there are.
    """

    table: CountTable
    arrays: PairArrays
    frame: pl.DataFrame
    settings: ReportSettings
    scores: _Scores
    rules: Mapping[str, Rule]
    flags: Mapping[str, NDArray[np.bool_]]
    fit: GammaMixtureFit | None
    fit_status: str
    order: NDArray[np.int64]
    names: tuple[str, ...]
    no_days: str

    @property
    def shrunk(self) -> tuple[str, str, str]:
        """Columns of the shrunken measure that ranks: EBGM, or the IC where there is no prior."""
        return ("ebgm", "eb05", "eb95") if self.fit else ("ic", "ic_lower", "ic_upper")

    def pair_of(self, row: int) -> tuple[str, str]:
        """Drug and reaction of a row of `arrays`."""
        arrays = self.arrays
        return arrays.drug_names[arrays.drug_index[row]], arrays.reaction_names[arrays.reaction_index[row]]

    def top(self, count: int) -> list[tuple[str, str]]:
        """The strongest pairs of the focus, strongest first."""
        return [self.pair_of(int(row)) for row in self.order[:count]]

    def scores_of(self, pairs: Sequence[tuple[str, str]]) -> _Scores:
        """Scores of a few pairs, which need not have a report; `UnknownTermError` names the nearest."""
        return score_pairs(
            self.table,
            pairs,
            level=self.settings.level,
            stratified=bool(self.settings.stratify),
            names=self.names,
            prior=self.fit.prior if self.fit else None,
        )


def gather(path: Path, settings: ReportSettings) -> ReportNumbers:
    """Count and score a file of reports.

    Raises `ParameterError`, naming file and row, and `UnknownTermError`, naming the nearest, as `score_reports` does;
    the latter also for the drug or the pair of `settings`.
    """
    column = settings.selection.date_column
    wanted = {"further" if settings.is_date_required else "optional": (column,)}
    table, rows, frame = count_reports(path, stratify=settings.stratify, selection=settings.selection, **wanted)
    frame, no_days = _dated(rows, frame, column, is_required=settings.is_date_required)
    arrays = table.arrays(stratified=bool(settings.stratify))
    if settings.pair is not None:
        table.pair(*settings.pair)  # refuses a misspelt name
    fit, fit_status = fit_prior(arrays, None)
    names = ("prr", "ror", "chi2", "ic", *(["ebgm"] if fit else []))
    scores = score_all(arrays, level=settings.level, names=names, prior=fit.prior if fit else None)
    rules = applicable_rules(settings.rules, [*scores, *EmpiricalBayes.columns])
    return ReportNumbers(
        table=table,
        arrays=arrays,
        frame=frame,
        settings=settings,
        scores=scores,
        rules=rules,
        flags={name: rule.flags(scores) for name, rule in rules.items() if fit or not _needs_prior(rule)},
        fit=fit,
        fit_status=fit_status,
        order=_order(arrays, scores["eb05" if fit else "ic_lower"], settings.drug),
        names=names,
        no_days=no_days,
    )


def _needs_prior(rule: Rule) -> bool:
    return any(condition.column in EmpiricalBayes.columns for condition in rule.conditions)


def _order(arrays: PairArrays, by: NDArray[np.float64], drug: str | None) -> NDArray[np.int64]:
    """Rows of the focus by `by`, largest first; equal ones by drug and reaction, undefined ones last."""
    order: NDArray[np.int64] = np.argsort(-by, kind="stable")
    if drug is None:
        return order
    if drug not in arrays.drug_names:
        raise UnknownTermError(f"no report names the drug {drug!r}", hint=unknown_name(drug, arrays.drug_names))
    of_drug: NDArray[np.int64] = order[arrays.drug_index[order] == arrays.drug_names.index(drug)]
    return of_drug


def _dated(rows: InputRows, frame: pl.DataFrame, column: str, *, is_required: bool) -> tuple[pl.DataFrame, str]:
    """The rows that count with their ``day``, or why there is none."""
    if column not in rows.frame.columns:
        return frame, f"The table has no column “{column}”; name the column of days with --date-column."
    try:
        days = rows.frame.select("case_id", day=parse_dates(rows, column))
        other = pl.col("day").is_not_null() & (pl.col("day") != pl.col("day").min().over("case_id"))
        rows.refuse(days.select(other).to_series(), f"column {column}: the report has another day in another row")
    except ParameterError as error:
        if is_required:
            raise
        return frame, f"The days cannot be read: {error.message}."
    known = days.group_by("case_id").agg(pl.col("day").min())
    dated = frame.join(known, on="case_id", how="left", maintain_order="left")
    if dated["day"].is_null().all():
        return frame, "No report that counts has a day."
    return dated, ""
