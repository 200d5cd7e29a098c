"""What each case of a report table says of one pair."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError, UnknownTermError
from detectors.pair_arrays import PairArrays

__all__ = ["check_reports", "pair_cases", "pair_columns", "unknown_term"]


def unknown_term(kind: str, name: str, known: Sequence[str], *, where: str = "no report names") -> UnknownTermError:
    """The error for a name that is not there, with the nearest that are."""
    near = ", ".join(map(repr, get_close_matches(name, known, n=3)))
    return UnknownTermError(f"{where} the {kind} {name!r}", hint=f"the nearest are {near}" if near else "")


def check_reports(frame: pl.DataFrame, *further: str) -> None:
    """Refuse a table without the columns case_id, drug, reaction and `further`, or with an empty one of the three."""
    for name in ("case_id", "drug", "reaction", *further):
        if name not in frame.columns:
            near = get_close_matches(name, frame.columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(frame.columns)}"
            raise ParameterError(f"column {name!r} is missing", hint=hint)
    for name in ("case_id", "drug", "reaction"):
        empty = frame[name].is_null() | (frame[name].cast(pl.String).str.strip_chars() == "")
        if empty.any():
            raise ParameterError(f"column {name} has no value in row {empty.arg_max()}")


def pair_cases(frame: pl.DataFrame, drug: str, reaction: str) -> pl.DataFrame:
    """One row a case: case_id, and whether it names the pair in one row, the drug, the reaction (columns n, n_drug...).

    Raises `ParameterError` like `check_reports`, and `UnknownTermError` where no report names the drug or the reaction.
    """
    check_reports(frame)
    for kind, name in (("drug", drug), ("reaction", reaction)):
        known = frame[kind].unique()
        if name not in known:
            raise unknown_term(kind, name, known.to_list())
    is_drug, is_reaction = pl.col("drug") == drug, pl.col("reaction") == reaction
    return frame.group_by("case_id").agg(
        (is_drug & is_reaction).any().alias("n"), is_drug.any().alias("n_drug"), is_reaction.any().alias("n_reaction")
    )


def pair_columns(
    drug: str,
    reaction: str,
    n: NDArray[np.int64],
    n_drug: NDArray[np.int64],
    n_reaction: NDArray[np.int64],
    n_total: NDArray[np.int64],
) -> PairArrays:
    """The counts of one pair in several tables as rows for a measure; `expected` is NaN in a table without reports."""
    expected = np.full(len(n), np.nan)
    np.divide(n_drug.astype(np.float64) * n_reaction, n_total, out=expected, where=n_total > 0)
    zero = np.zeros(len(n), dtype=np.int64)
    return PairArrays((drug,), (reaction,), zero, zero, n, n_drug, n_reaction, n_total, expected)
