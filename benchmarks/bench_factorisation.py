"""Noise of running totals in a year of daily releases: the built-in matrix, square root and independent releases.

The built-in matrix is read, as sites and hub read it. A second one is optimised here, in the same run, for more
emphasis on month-ends: what that buys there, and what the worst day pays.
"""

from __future__ import annotations

import sys
import time
from datetime import date
from math import sqrt

from benchmarks.table import Row
from kelsey.factorise import make_artefact
from privacy.calendar import EpochCalendar
from privacy.chosen_strategy import built_in_artefact
from privacy.error_factors import ErrorFactors
from privacy.factorisation import SquareRootFactorisation
from privacy.workload import Workload

__all__ = ["run"]

_EPOCHS = 365
_SHARES = 1 / sqrt(0.8)  # what noise from an honest fraction of 0.8 of the sites costs
_FOCUSED = 1.7


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _row(what: str, ours: float, peer: str, theirs: float, most: float) -> Row:
    return Row(
        what=what,
        ours=ours,
        peer=peer,
        peer_value=theirs,
        unit="x one release",
        ratio=theirs / ours,
        reach=f"at most {most:g}",
        met=ours <= most,
    )


def run() -> list[Row]:
    """Worst month-end and worst day, all-in where it says so, and the time the optimiser took."""
    year = built_in_artefact("daily-year")
    reads = year.workload.read_epochs
    ours, root = year.error_factors, ErrorFactors.of(SquareRootFactorisation(_EPOCHS, 8), reads)
    calendar = EpochCalendar("day", date(2027, 1, 1), _EPOCHS)
    workload = Workload.of_calendar(calendar, objective="worst", read="month", emphasis=_FOCUSED)
    started = time.perf_counter()
    focused = make_artefact(
        workload, epochs=_EPOCHS, kind="dense", buffers=0, coefficient_bits=12, tolerance=5e-4, say=_say
    ).error_factors
    seconds = time.perf_counter() - started
    month_end = "noise factor, daily release, one year, worst month-end, all-in"
    naive, all_in = sqrt(reads[-1] + 1), ours.read_worst * _SHARES
    return [
        _row(f"{month_end} (built-in matrix)", all_in, "square root", root.read_worst * _SHARES, 2.3),
        _row(f"{month_end} (built-in matrix)", all_in, "365 releases", naive * _SHARES, 2.3),
        _row(
            f"{month_end} (optimised here for emphasis {_FOCUSED})",
            focused.read_worst * _SHARES,
            "built-in matrix",
            all_in,
            2.1,
        ),
        _row("noise factor, worst day (built-in matrix)", ours.worst, "square root", root.worst, 2.95),
        _row(f"noise factor, worst day (emphasis {_FOCUSED})", focused.worst, "square root", root.worst, 3.2),
        Row(
            what="optimising a dense matrix of 365 epochs to within 0.05 % of the bound",
            ours=seconds,
            peer="allowed",
            peer_value=180.0,
            unit="s",
            ratio=180.0 / seconds,
            reach="at most 180 s",
            met=seconds <= 180.0,
        ),
    ]
