"""What became of the reaction when the drug was stopped, and when it was given again."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cases import ParameterError
from detectors.context._cases import check_reports, pair_cases

__all__ = ["ChallengeCounts"]

_OUTCOMES = ("positive", "negative")
_SILENT = ("unknown", "not-applicable", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeCounts:
    """Distinct reports of a pair by the outcome of a dechallenge or a rechallenge.

    Parameters
    ----------
    positive
        The reaction went when the drug was stopped (dechallenge), or came back when it was given again (rechallenge).
    negative
        It did not.
    contradictory
        Reports whose rows say both.
    unknown
        Reports that do not say, or where it does not apply; never to be read as negative.

    Notes
    -----
    Reporters write of a dechallenge more readily where it was positive: the share of positive ones is no risk.

    Examples
    --------
    >>> frame = pl.DataFrame({"case_id": ["1", "2", "3"], "drug": ["d"] * 3, "reaction": ["r"] * 3,
    ...                       "dechallenge": ["positive", None, "Positive"]})
    >>> ChallengeCounts.of(frame, "d", "r", column="dechallenge")
    ChallengeCounts(positive=2, negative=0, contradictory=0, unknown=1)
    """

    positive: int
    negative: int
    contradictory: int
    unknown: int

    @classmethod
    def of(cls, frame: pl.DataFrame, drug: str, reaction: str, *, column: str) -> ChallengeCounts:
        """Count the reports of a pair (columns case_id, drug, reaction and the outcome; a row a pair of a report).

        The outcome is ``positive``, ``negative``, ``not-applicable``, ``unknown`` or missing, in any case of letters.

        Raises `UnknownTermError`, naming the nearest, where no report names the drug or the reaction, and
        `ParameterError`, naming the row (the first is 0), for another outcome, an empty name or a missing column.
        """
        check_reports(frame, column)
        said = frame[column].cast(pl.String).str.strip_chars().str.to_lowercase().fill_null("")
        wrong = ~said.is_in([*_OUTCOMES, *_SILENT])
        if wrong.any():
            raise ParameterError(
                f"{column} must be positive, negative, not-applicable or unknown, not as in row {wrong.arg_max()}"
            )
        reports = int(pair_cases(frame, drug, reaction)["n"].sum())
        rows = frame.with_columns(said.alias("_said")).filter(
            (pl.col("drug") == drug) & (pl.col("reaction") == reaction) & pl.col("_said").is_in(_OUTCOMES)
        )
        by_case = rows.group_by("case_id").agg(*((pl.col("_said") == word).any().alias(word) for word in _OUTCOMES))
        both = by_case["positive"] & by_case["negative"]
        positive, negative = (int((by_case[word] & ~both).sum()) for word in _OUTCOMES)
        return cls(positive=positive, negative=negative, contradictory=int(both.sum()), unknown=reports - len(by_case))
