"""When each pair first became an SDR in one view of a replay, and what was known of it then and at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIGNAL_COLUMNS", "FirstSignal", "SignalLog"]

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
    """

    view: str
    site: str = ""
    first: dict[tuple[str, str], FirstSignal] = field(default_factory=dict)

    def observe(
        self,
        day: date,
        *,
        drugs: Sequence[str],
        reactions: Sequence[str],
        scores: Mapping[str, NDArray[np.float64]],
        flags: Mapping[str, NDArray[np.bool_]],
    ) -> None:
        """Note every pair that is an SDR on `day` for the first time.

        `drugs`, `reactions` and every array of `scores` (columns of `detectors.score.score_all`) and `flags` (one a
        rule) have one entry a pair.
        """
        if not flags:
            return
        flagged = np.logical_or.reduce(list(flags.values()))
        for index in np.flatnonzero(flagged).tolist():
            pair = (drugs[index], reactions[index])
            if pair not in self.first:
                self.first[pair] = FirstSignal(
                    first_date=day,
                    rules=tuple(sorted(rule for rule, held in flags.items() if held[index])),
                    reports=float(scores["n"][index]),
                    measures={measure: float(scores[measure][index]) for measure in MEASURES},
                )

    def rows(
        self,
        *,
        drugs: Sequence[str],
        reactions: Sequence[str],
        scores: Mapping[str, NDArray[np.float64]],
        noise_sd: NDArray[np.float64] | None = None,
    ) -> Iterator[dict[str, object]]:
        """One row a pair that ever was an SDR, with its values at the end (arrays as for `observe`), by date."""
        position = {
            (drug, reaction): index for index, (drug, reaction) in enumerate(zip(drugs, reactions, strict=True))
        }
        for (drug, reaction), first in sorted(self.first.items(), key=lambda item: (item[1].first_date, item[0])):
            index = position.get((drug, reaction))
            row: dict[str, object] = {
                "view": self.view,
                "site": self.site,
                "drug": drug,
                "reaction": reaction,
                "rule": ";".join(first.rules),
                "first_date": first.first_date.isoformat(),
                "reports_at_first": _number(first.reports),
                "reports_at_end": 0 if index is None else _number(scores["n"][index]),
                **{measure: None if index is None else _number(scores[measure][index]) for measure in MEASURES},
                "noisy_value": None if noise_sd is None or index is None else _number(scores["n"][index]),
                "noise_sd": None if noise_sd is None or index is None else _number(noise_sd[index]),
                **{f"{measure}_at_first": _number(value) for measure, value in first.measures.items()},
            }
            yield row


def _number(value: float) -> float | int | None:
    """A plain number for a file: an integer where it is one, None for "not known"."""
    number = float(value)
    if np.isnan(number):
        return None
    return int(number) if number.is_integer() else number
