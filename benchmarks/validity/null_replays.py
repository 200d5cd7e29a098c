"""How often rules and tests raise an alarm where there is nothing to find.

Reports keep their products and keep their reactions, but whose reactions are whose is drawn anew: margins and
co-reporting stay those of real data, and no product has anything to do with any reaction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import norm

from benchmarks.shared_data import data_folder
from benchmarks.validity.study import Table
from connectors.vaers_archive import years_in
from connectors.vaers_reader import drug_names, reaction_terms
from detectors import PairArrays, load_presets, score_all
from detectors.sequential import binomial_max_sprt, poisson_max_sprt

__all__ = ["disproportionality_under_null", "max_sprt_under_null", "null_pairs"]

_SEED = 20250101
_REPLAYS = 40
_RUNS = 1_000_000
_BANDS = ((1.0, 5.0), (5.0, 25.0), (25.0, np.inf))


def _incidence(terms: Sequence[set[str]]) -> csr_matrix:
    """Reports by terms, 1 where the report names the term."""
    names = {name: number for number, name in enumerate(sorted(set().union(*terms)))}
    column = [names[name] for each in terms for name in sorted(each)]
    start = np.concatenate([[0], np.cumsum([len(each) for each in terms])])
    return csr_matrix((np.ones(len(column), dtype=np.int64), column, start), shape=(len(terms), len(names)))


def null_pairs(drugs: csr_matrix, reactions: csr_matrix, random: np.random.Generator, *, minimum: float) -> PairArrays:
    """Counts of one replay, of every pair expected at least `minimum` times, those not reported among them."""
    total = drugs.shape[0]
    count = np.asarray((drugs.T @ reactions[random.permutation(total)]).todense())
    n_drug, n_reaction = (np.asarray(part.sum(axis=0)).ravel().astype(np.int64) for part in (drugs, reactions))
    expected = np.outer(n_drug, n_reaction) / total
    row, column = np.nonzero(expected >= minimum)
    return PairArrays(
        drug_names=tuple(f"drug {number}" for number in range(len(n_drug))),
        reaction_names=tuple(f"reaction {number}" for number in range(len(n_reaction))),
        drug_index=row.astype(np.int64),
        reaction_index=column.astype(np.int64),
        n=count[row, column].astype(np.int64),
        n_drug=n_drug[row],
        n_reaction=n_reaction[column],
        n_total=np.full(len(row), total, dtype=np.int64),
        expected=expected[row, column],
    )


def _reports() -> tuple[csr_matrix, csr_matrix]:
    reports = [
        report.report for year in years_in(data_folder("vaers") / "1996VAERSData.zip") for report in year.reports()
    ]
    terms = [(set(drug_names(report.vax)), set(reaction_terms(report.symptoms))) for report in reports]
    both = [(drugs, reactions) for drugs, reactions in terms if drugs and reactions]
    return _incidence([drugs for drugs, _ in both]), _incidence([reactions for _, reactions in both])


def disproportionality_under_null() -> Table:
    """Share of pairs that each lower limit and rule raises, by expected count."""
    random = np.random.default_rng(_SEED)
    drugs, reactions = _reports()
    presets = load_presets()
    names = ["lower limit of PRR > 1", "lower limit of ROR > 1", "lower limit of IC > 0"]
    names += [f"rule {name}" for name in ("evans", "ema", "umc")]
    raised = {name: np.zeros(len(_BANDS)) for name in names}
    squares = {name: np.zeros(len(_BANDS)) for name in names}
    pairs = np.zeros(len(_BANDS))
    for _ in range(_REPLAYS):
        arrays = null_pairs(drugs, reactions, random, minimum=_BANDS[0][0])
        scores = score_all(arrays)
        flags = {
            names[0]: scores["prr_lower"] > 1,
            names[1]: scores["ror_lower"] > 1,
            names[2]: scores["ic_lower"] > 0,
            **{f"rule {name}": presets[name].flags(scores) for name in ("evans", "ema", "umc")},
        }
        for band, (low, high) in enumerate(_BANDS):
            within = (arrays.expected >= low) & (arrays.expected < high)
            pairs[band] += within.sum()
            for name, flag in flags.items():
                share = float(flag[within].mean())
                raised[name][band] += share / _REPLAYS
                squares[name][band] += share**2 / _REPLAYS
    claims = dict.fromkeys(names[:3], "0.025") | dict.fromkeys(names[3:], "none")
    rows = []
    for name in names:
        error = np.sqrt(np.maximum(squares[name] - raised[name] ** 2, 0) / (_REPLAYS - 1))
        cells = (f"{value:.4f} +- {1.96 * width:.4f}" for value, width in zip(raised[name], error, strict=True))
        rows.append((name, claims[name], *cells))
    return Table(
        title="False alarms of measures and rules",
        about=f"{_REPLAYS} replays of {drugs.shape[0]:,} VAERS reports of 1996 with their reactions dealt anew (seed "
        f"{_SEED}): share of pairs raised, mean with 95 % error over replays, by expected count.",
        header=("what", "claimed, one-sided", *(f"E from {low:g} to {high:g}" for low, high in _BANDS)),
        rows=rows,
        notes=(
            f"Pairs looked at, by band: {', '.join(f'{count / _REPLAYS:,.0f}' for count in pairs)} a replay.",
            "Intervals are claims about many reports: where few are expected, discrete counts and the normal "
            "approximation of the logarithm make them too short or too long above.",
        ),
    )


def _share(alarms: int, runs: int) -> str:
    share = alarms / runs
    return f"{share:.5f} +- {norm.ppf(0.975) * np.sqrt(share * (1 - share) / runs):.5f}"


def _ratio(count: NDArray[np.float64] | int, expected: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Poisson log likelihood ratio of an excess, 0 where there is none."""
    held, mean = np.broadcast_arrays(np.asarray(count, dtype=float), np.asarray(expected, dtype=float))
    excess = held > mean
    return np.where(excess, mean - held + held * np.log(np.where(excess, held / mean, 1.0)), 0.0)


def _poisson_alarms(
    random: np.random.Generator, critical: float, *, length: float, minimum: int, delay: float, runs: int
) -> int:
    """Runs of a unit Poisson process that reach the limit before `length`.

    The ratio falls between events, so that the events after the delay, and its end, are the only moments to look at.
    """
    time = np.full(runs, delay)
    count = random.poisson(delay, runs).astype(float)
    crossed = (count >= minimum) & (_ratio(count, delay) >= critical) if delay else np.zeros(runs, dtype=bool)
    while (time <= length).any():
        time += random.exponential(size=runs)
        count += 1
        crossed |= (time <= length) & (count >= minimum) & (_ratio(count, time) >= critical)
    return int(crossed.sum())


def _grouped_alarms(random: np.random.Generator, critical: float, *, looks: Sequence[float], runs: int) -> int:
    """The same where it is looked at after each of some increments of the expected count only."""
    count, expected, crossed = np.zeros(runs), 0.0, np.zeros(runs, dtype=bool)
    for increment in looks:
        count += random.poisson(increment, runs)
        expected += increment
        crossed |= (count >= 1) & (_ratio(count, expected) >= critical)
    return int(crossed.sum())


def _binomial_alarms(random: np.random.Generator, critical: float, *, length: int, ratio: float, runs: int) -> int:
    """Runs of events that fall on the exposed with odds 1 to `ratio`, looked at after each event."""
    share = 1 / (1 + ratio)
    cases, crossed = np.zeros(runs), np.zeros(runs, dtype=bool)
    for total in range(1, length + 1):
        cases += random.random(runs) < share
        others = total - cases
        gain = cases * np.log(np.where(cases > 0, cases / total / share, 1.0))
        gain += others * np.log(np.where(others > 0, others / total / (1 - share), 1.0))
        crossed |= (cases > total * share) & (gain >= critical)
    return int(crossed.sum())


def max_sprt_under_null(*, runs: int = _RUNS) -> Table:
    """Share of `runs` simulated surveillances without any excess in which MaxSPRT signals, beside the exact risk."""
    random = np.random.default_rng(_SEED)
    rows = []
    for alpha, length, minimum, delay in (
        (0.05, 10.0, 1, 0.0),
        (0.05, 10.0, 4, 0.0),
        (0.01, 5.0, 1, 0.0),
        (0.05, 20.0, 3, 2.0),
    ):
        exact = poisson_max_sprt(alpha=alpha, length=length, minimum_events=minimum, delay=delay)
        alarms = _poisson_alarms(random, exact.critical_value, length=length, minimum=minimum, delay=delay, runs=runs)
        rows.append((f"Poisson, T = {length:g}, M = {minimum}, D = {delay:g}", exact, alarms))
    looks = (5.0, 6.0, 6.0)
    exact = poisson_max_sprt(alpha=0.05, length=sum(looks), groups=looks)
    rows.append(
        (
            "Poisson, looks after 5, 6 and 6",
            exact,
            _grouped_alarms(random, exact.critical_value, looks=looks, runs=runs),
        )
    )
    exact = binomial_max_sprt(alpha=0.05, length=50, ratio=1.0)
    rows.append(
        (
            "binomial, 50 events, 1:1",
            exact,
            _binomial_alarms(random, exact.critical_value, length=50, ratio=1.0, runs=runs),
        )
    )
    exact = binomial_max_sprt(alpha=0.05, length=50, ratio=3.0)
    rows.append(
        (
            "binomial, 50 events, 1:3",
            exact,
            _binomial_alarms(random, exact.critical_value, length=50, ratio=3.0, runs=runs),
        )
    )
    return Table(
        title="False alarms of MaxSPRT",
        about=f"{runs:,} simulated surveillances each (seed {_SEED}) with the rate expected, against the exact risk.",
        header=("test", "critical value", "allowed", "exact", "simulated", "within 1e-3"),
        rows=[
            (
                name,
                f"{exact.critical_value:.6f}",
                f"{exact.alpha:g}",
                f"{exact.alpha_spent:.5f}",
                _share(alarms, runs),
                "yes" if abs(alarms / runs - exact.alpha_spent) < 1e-3 else "NO",
            )
            for name, exact, alarms in rows
        ],
    )
