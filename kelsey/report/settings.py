"""What a report is to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detectors import Rule
from kelsey.score_selection import Selection

__all__ = ["ReportSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """Options of `kelsey report`.

    Parameters
    ----------
    selection
        Which rows count, and under which names.
    stratify
        Columns that divide the reports, as for `kelsey.score.score_reports`.
    level
        Coverage of the intervals of ROR and IC, in (0, 1); that of EBGM is always 0.90.
    rules
        Rules by name; by default the published presets whose columns are computed.
    top
        How many pairs the table and the forest plot show, at least 1.
    drug
        The drug that ranking, volcano and shrinkage are about; all by default. The prior is that of all pairs.
    pair
        The pair of the timeline, also put first in the forest plot; by default the top one.
    classes
        CSV ``reaction,class`` for the columns of the heat map; the reactions themselves by default.
    is_date_required
        Whether a column of days that is missing or unreadable is an error; else the timeline says why it is absent.
    """

    selection: Selection = field(default_factory=Selection)
    stratify: tuple[str, ...] = ()
    level: float = 0.95
    rules: Mapping[str, Rule] | None = None
    top: int = 10
    drug: str | None = None
    pair: tuple[str, str] | None = None
    classes: Path | None = None
    is_date_required: bool = False
