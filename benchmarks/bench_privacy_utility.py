"""What a nation of a hundred sites finds through privacy, against what it would find without, in one simulation.

One million reports here; ten million, as `benchmarks/PRIVACY.md` records them, take `kelsey simulate` some minutes.
"""

from __future__ import annotations

import time

from benchmarks.table import Row
from kelsey.simulation import SimulationSettings, run_simulation

__all__ = ["run"]

_REPORTS = 1_000_000
_WHERE = "100 sites, 1 M reports, daily, month-end, secure sum, all-in"
_LIMITS = ((3.0, 0.36, 60.0), (1.0, 0.16, 135.0))  # epsilon, recall, excess that shows


def _row(what: str, ours: float, peer: str, theirs: float, unit: str, *, most: float = 0, least: float = 0) -> Row:
    return Row(
        what=what,
        ours=ours,
        peer=peer,
        peer_value=theirs,
        unit=unit,
        ratio=theirs / ours if most else ours / theirs,
        reach=f"at most {most:g}" if most else f"at least {least:g}",
        met=ours <= most if most else ours >= least,
    )


def run() -> list[Row]:
    """Recall, false discoveries, excess that shows, coverage and time, for two budgets."""
    epsilons = tuple(epsilon for epsilon, _, _ in _LIMITS)
    started = time.perf_counter()
    result = run_simulation(SimulationSettings(sites=100, reports=_REPORTS, epsilons=epsilons, seed=1))
    seconds = time.perf_counter() - started
    exact = result.exact.outcome
    rows = []
    for epsilon, recall, excess in _LIMITS:
        view = result.find("secure-sum", epsilon=epsilon, cadence="day")
        alone = result.find("per-site", epsilon=epsilon, cadence="day")
        where = f"epsilon {epsilon:g}, {_WHERE}"
        rows += [
            _row(f"recall at FDR 5 %, {where}", view.outcome.recall, "exact counts", exact.recall, "", least=recall),
            _row(
                f"excess reports that show, {where}",
                view.detectable_excess or float("nan"),
                "noise at every site",
                alone.detectable_excess or float("nan"),
                "reports",
                most=excess,
            ),
            Row(
                what=f"coverage of 95 % ROR intervals, {where}",
                ours=view.outcome.ror_coverage,
                peer="exact counts",
                peer_value=exact.ror_coverage,
                unit="",
                ratio=view.outcome.ror_coverage / exact.ror_coverage,
                reach=".94 to .96",
                met=0.94 <= view.outcome.ror_coverage <= 0.96,
            ),
        ]
    single = result.find("secure-sum", epsilon=3.0, cadence="single")
    day = result.find("secure-sum", epsilon=3.0, cadence="day")
    called = [view.outcome for view in result.views if view.name == "secure-sum" and view.outcome.flagged]
    flagged = sum(outcome.flagged for outcome in called)
    fdr = 100 * sum(outcome.fdr * outcome.flagged for outcome in called) / flagged
    return [
        *rows,
        _row("realised FDR at nominal 5 %, every secure sum here", fdr, "exact counts", 100 * exact.fdr, "%", most=5),
        _row(f"noise factor, {_WHERE}", day.noise_factor, "one release", single.noise_factor, "x", most=2.3),
        _row(f"simulating it, {len(result.views)} views", seconds, "allowed", 300.0, "s", most=300.0),
    ]
