r"""Which pairs get a cell of their own: chosen from public counts and watch-lists. Nothing here reads a site's cases.

A pair is chosen where public reports let expect enough of it, :math:`E = n_d n_r / N` at or above a floor, whether or
not it was ever reported; pairs and drugs on a watch-list are chosen in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cases import ParameterError, TermKind, Vocabulary
from kelsey.score_input import InputRows, read_rows, unknown_name, whole_numbers
from privacy.active_cells import ActiveCells

__all__ = ["CellChoice", "choose_cells"]


@dataclass(frozen=True, slots=True)
class CellChoice:
    """Active cells, and how they came about.

    Parameters
    ----------
    cells
        The artefact.
    expected_share
        Share of what public reports let expect over all pairs that the active ones hold.
    unknown_rows
        Rows of public counts with a name outside the vocabulary, left out.
    """

    cells: ActiveCells
    expected_share: float
    unknown_rows: int


def choose_cells(
    vocabulary: Vocabulary,
    *,
    counts: Path,
    floor: float,
    watched_pairs: Path | None = None,
    watched_drugs: Sequence[str] = (),
) -> CellChoice:
    """Active cells over the vocabulary's drugs and reactions.

    Parameters
    ----------
    counts
        Public reports by pair: CSV or Parquet with ``drug``, ``reaction``, ``n``.
    floor
        Least expected count of an active pair, above 0.
    watched_pairs
        CSV or Parquet with ``drug``, ``reaction``: active in any case.
    watched_drugs
        Active with every reaction.

    Raises
    ------
    ParameterError
        `floor` is not above 0, a watched name is not in the vocabulary, no row of the counts is, a file is not what it
        should be, or no pair is chosen.
    """
    if not floor > 0:
        raise ParameterError(f"floor must be above 0, not {floor!r}")
    drugs, reactions = vocabulary.names(TermKind.DRUG), vocabulary.names(TermKind.REACTION)
    rows = read_rows(counts, ["drug", "reaction", "n"])
    n = whole_numbers(rows, "n").to_numpy().astype(np.float64)
    drug, reaction = (_numbers(rows, vocabulary, kind) for kind in TermKind)
    known = (drug >= 0) & (reaction >= 0)
    if not n[known].sum() > 0:
        raise ParameterError(f"{counts}: no report of a pair of the vocabulary {vocabulary.label}")
    n_drug = np.bincount(drug[known], weights=n[known], minlength=len(drugs))
    n_reaction = np.bincount(reaction[known], weights=n[known], minlength=len(reactions))
    least = floor * n_drug.sum()
    chosen = [row * len(reactions) + np.flatnonzero(count * n_reaction >= least) for row, count in enumerate(n_drug)]
    watched = [_find(vocabulary, TermKind.DRUG, name) for name in watched_drugs]
    chosen += [row * len(reactions) + np.arange(len(reactions)) for row in watched]
    if watched_pairs is not None:
        pairs = read_rows(watched_pairs, ["drug", "reaction"])
        rows_of, columns_of = (_numbers(pairs, vocabulary, kind) for kind in TermKind)
        for kind, found in zip(TermKind, (rows_of, columns_of), strict=True):
            pairs.refuse(pl.Series(found < 0), f"{kind} {{{kind}}} is not in the vocabulary {vocabulary.label}")
        chosen.append(rows_of * len(reactions) + columns_of)
    cells = ActiveCells.of(
        np.concatenate(chosen), drugs=drugs, reactions=reactions, source=f"{counts.name}, expected at least {floor:g}"
    )
    in_row, in_column = np.divmod(cells.numbers, len(reactions))
    share = float((n_drug[in_row] * n_reaction[in_column]).sum() / n_drug.sum() ** 2)
    return CellChoice(cells, share, int((~known).sum()))


def _numbers(rows: InputRows, vocabulary: Vocabulary, kind: TermKind) -> NDArray[np.int64]:
    """Number of each row's name in the vocabulary's list; -1 for one that is not in it."""
    column = rows.frame[kind.value]
    number = {name: index for index, name in enumerate(vocabulary.names(kind))}
    found = {
        text: number.get(vocabulary.find(kind, text=text or "").name or "", -1) for text in column.unique().to_list()
    }
    return np.array([found[text] for text in column.to_list()], dtype=np.int64)


def _find(vocabulary: Vocabulary, kind: TermKind, text: str) -> int:
    names = vocabulary.names(kind)
    name = vocabulary.find(kind, text=text).name
    if name is None:
        raise ParameterError(
            f"{kind} {text!r} is not in the vocabulary {vocabulary.label}", hint=unknown_name(text, names)
        )
    return names.index(name)
