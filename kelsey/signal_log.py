"""When each pair first became an SDR in one view of a replay, and what was known of it then and at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from detectors.pair_arrays import PairArrays

__all__ = ["MEASURES", "SIGNAL_COLUMNS", "FirstSignal", "Scores", "SignalLog"]

Scores = Mapping[str, NDArray[np.float64]]
"""Score columns by name, one entry a pair."""

MEASURES = ("prr", "prr_lower", "ror", "ror_lower", "ic", "ic_lower")
"""Measures a signal row carries, at the end and (suffix ``_at_first``) when first raised."""

SIGNAL_COLUMNS = (
    "view",
    "site",
    "drug",
    "reaction",
    "rule",
    "first_date",
    "reports_at_first",
    "reports_at_end",
    *MEASURES,
    "noisy_value",
    "noise_sd",
    *(f"{measure}_at_first" for measure in MEASURES),
)
"""Columns of ``signals.csv``, in order."""


@dataclass(frozen=True, slots=True)
class FirstSignal:
    """A pair on the day a rule first held for it."""

    first_date: date
    rules: tuple[str, ...]
    reports: float
    measures: Mapping[str, float]


@dataclass(slots=True, kw_only=True)
class SignalLog:
    """First days of one view.

    Parameters
    ----------
    view
        ``pooled``, ``site`` or ``hub``.
    site
        Name of the site for view ``site``, else "".
    first
        Pairs that ever were an SDR.
    held
        Pairs that are one on the day observed last.
    """

    view: str
    site: str = ""
    first: dict[tuple[str, str], FirstSignal] = field(default_factory=dict)
    held: set[tuple[str, str]] = field(default_factory=set)

    def observe(self, day: date, arrays: PairArrays, scores: Scores, flags: Mapping[str, NDArray[np.bool_]]) -> None:
        """Note every pair that is an SDR on `day`, and which of them are for the first time.

        `scores` holds columns of `detectors.score.score_all`, `flags` one array a rule, both by the rows of `arrays`.
        """
        if not flags:
            return
        flagged = np.logical_or.reduce(list(flags.values()))
        self.held.clear()
        for index in np.flatnonzero(flagged).tolist():
            pair = _pair(arrays, index)
            self.held.add(pair)
            if pair not in self.first:
                self.first[pair] = FirstSignal(
                    first_date=day,
                    rules=tuple(sorted(rule for rule, held in flags.items() if held[index])),
                    reports=float(scores["n"][index]),
                    measures={measure: float(scores[measure][index]) for measure in MEASURES},
                )

    def rows(self, arrays: PairArrays, scores: Scores) -> Iterator[dict[str, object]]:
        """One row a pair that ever was an SDR, with its values at the end, by date, drug and reaction.

        `scores` and `arrays` as for `observe`; where `scores` has a column ``n_sd``, counts are noisy ones.
        """
        position = {_pair(arrays, index): index for index in range(len(arrays))}
        for (drug, reaction), first in sorted(self.first.items(), key=lambda item: (item[1].first_date, item[0])):
            at = position.get((drug, reaction))
            yield {
                "view": self.view,
                "site": self.site,
                "drug": drug,
                "reaction": reaction,
                "rule": ";".join(first.rules),
                "first_date": first.first_date.isoformat(),
                "reports_at_first": _number(first.reports),
                "reports_at_end": 0 if at is None else _number(scores["n"][at]),
                **{measure: None if at is None else _number(scores[measure][at]) for measure in MEASURES},
                "noisy_value": _number(scores["n"][at]) if "n_sd" in scores and at is not None else None,
                "noise_sd": _number(scores["n_sd"][at]) if "n_sd" in scores and at is not None else None,
                **{f"{measure}_at_first": _number(value) for measure, value in first.measures.items()},
            }


def _pair(arrays: PairArrays, row: int) -> tuple[str, str]:
    return arrays.drug_names[arrays.drug_index[row]], arrays.reaction_names[arrays.reaction_index[row]]


def _number(value: float) -> float | int | None:
    """A plain number for a file: an integer where it is one, None for "not known"."""
    number = float(value)
    if np.isnan(number):
        return None
    return int(number) if number.is_integer() else number
