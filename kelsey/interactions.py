"""Interactions of drugs in a table of reports: what `kelsey interactions` writes and says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cases import ParameterError
from detectors.interaction import NormalOmegaShrinkage, OmegaShrinkage, ReportIndex
from detectors.interval import check_level
from kelsey.console import table
from kelsey.score_output import form_of, write_scores
from kelsey.score_selection import Selection, chosen_reports

__all__ = ["InteractionSummary", "score_interactions"]

_MEASURES = (OmegaShrinkage, NormalOmegaShrinkage)
_COUNTS = ("n_111", "n_11", "n_101", "n_10", "n_011", "n_01", "n_001", "n_00")


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionSummary:
    """What was counted and written.

    Parameters
    ----------
    report_count, drug_count, reaction_count
        Distinct ones in the input.
    triple_count
        Triples with at least `minimum_reports` reports: the rows written.
    no_baseline_count
        Those among them whose expected count cannot be told; their measures are empty.
    flagged
        Triples whose lower limit lies above 0, by measure.
    variants
        Which limits each measure has.
    """

    report_count: int
    drug_count: int
    reaction_count: int
    minimum_reports: int
    triple_count: int
    no_baseline_count: int
    flagged: Mapping[str, int]
    variants: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The summary under the names that `kelsey interactions --json` prints."""
        return {
            "reports": self.report_count,
            "drugs": self.drug_count,
            "reactions": self.reaction_count,
            "minimum_reports": self.minimum_reports,
            "triples": self.triple_count,
            "without_baseline": self.no_baseline_count,
            "flagged": dict(self.flagged),
            "variants": dict(self.variants),
        }

    def text(self) -> str:
        """The summary for a person."""
        rows = [
            ("reports", self.report_count), ("drugs", self.drug_count), ("reactions", self.reaction_count),
            (f"triples with {self.minimum_reports} reports or more", self.triple_count),
            ("without a baseline", self.no_baseline_count),
            *((f"lower limit of {name} above 0", count) for name, count in self.flagged.items()),
        ]  # fmt: skip
        return table(rows)


def _measures(names: Sequence[str], level: float) -> list[OmegaShrinkage]:
    known = {kind.columns[0]: kind for kind in _MEASURES}
    if not names:
        raise ParameterError("at least one measure must be asked for", hint=f"there are {', '.join(known)}")
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ParameterError(f"there is no measure {name!r} of interactions", hint=hint)
    return [kind(level=level) for name, kind in known.items() if name in names]


def score_interactions(
    path: Path,
    out: Path,
    *,
    minimum_reports: int = 3,
    level: float = 0.95,
    names: Sequence[str] = ("omega",),
    selection: Selection | None = None,
    form: str | None = None,
) -> InteractionSummary:
    """Score every triple of two drugs and a reaction that enough reports hold; one row a triple, sorted by name.

    Columns: drug1, drug2, reaction, the eight counts of `TripleArrays`, expected, and those of the measures. A measure
    that the counts do not define is empty. `path`, `out`, `selection` and `form`, and the errors, are as in
    `kelsey.score.score_reports`; a selection must leave reports without each drug and each reaction.
    """
    wanted = form_of(path, out, form)
    measures = _measures(names, check_level(level))
    rows, frame = chosen_reports(path, selection or Selection())
    try:
        index = ReportIndex(frame["case_id"], frame["drug"], frame["reaction"], first_row=rows.first_row)
        triples = index.triples(minimum_reports=minimum_reports)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error.message}", hint=error.hint) from error
    scores = {
        column: scored
        for measure in measures
        for column, scored in zip(measure.columns, np.ascontiguousarray(measure.score_many(triples).T), strict=True)
    }
    drugs, reactions = (pl.Series(names, dtype=pl.String) for names in (index.drug_names, index.reaction_names))
    expected = measures[0].expected_many(triples)
    result = pl.DataFrame(
        {
            "drug1": drugs.gather(triples.drug1_index),
            "drug2": drugs.gather(triples.drug2_index),
            "reaction": reactions.gather(triples.reaction_index),
            **{name: getattr(triples, name) for name in _COUNTS},
            "expected": expected,
            **scores,
        }
    )
    write_scores(result.with_columns(pl.col(pl.Float64).fill_nan(None)), out, form=wanted, flags=())
    return InteractionSummary(
        report_count=index.report_count,
        drug_count=len(drugs),
        reaction_count=len(reactions),
        minimum_reports=minimum_reports,
        triple_count=len(triples),
        no_baseline_count=int(np.isnan(expected).sum()),
        flagged={measure.columns[0]: int((scores[measure.columns[1]] > 0).sum()) for measure in measures},
        variants={measure.columns[0]: measure.variant for measure in measures},
    )
