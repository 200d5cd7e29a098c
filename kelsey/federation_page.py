"""Sections and notes that the demonstration's and the back-test's page share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np

from detectors.pair_arrays import PairArrays
from kelsey.federation import Federation
from kelsey.page import Plot, Table
from kelsey.plots import ForestRow, budget_plot, forest_plot, noise_plot, reports_plot
from kelsey.signal_log import Scores
from privacy.accounting import epsilon_from_mu
from privacy.release_spec import ReleaseSpec

__all__ = ["common_sections", "privacy_notes"]

_TABLE_ROWS = 50
_FOREST_ROWS = 15


def common_sections(federation: Federation) -> list[Plot | Table]:
    """Reports over time, SDR tables, forest plot, hub beside sites, budget."""
    days = [federation.calendar.last_day(epoch) for epoch in range(federation.calendar.count)]
    sections: list[Plot | Table] = [_reports(federation, days)]
    if federation.hub_view is not None:
        sections += [_hub_table(federation), _forest(federation), _noise(federation), _budget(federation, days)]
    sections.append(_pooled_table(federation))
    return sections


def privacy_notes(federation: Federation) -> list[str]:
    """What a reader must know of the numbers at the hub."""
    if federation.protocol is None:
        return ["Nothing left the sites in this run, so there is no hub view."]
    protocol = federation.protocol
    last = federation.history.noise_sd[-1]
    return [
        f"Everything the hub knows satisfies ({protocol.epsilon:g}, {protocol.delta:g})-differential privacy for one "
        "patient at one site over the whole time, adding or removing all of the patient's records.",
        "Counts at the hub are sums of weights of at most 1 for each patient and pair, so they are smaller than "
        "numbers of reports. What is expected is of the same weights: pairs that are not associated stay at a ratio of "
        "1.",
        f"The noise of a pair's count at the hub has a standard deviation of {last:.1f} at the end. What lies below "
        f"about {4.1 * last:.0f} in excess weight cannot be seen: it is unknown, not absent.",
    ]


def _reports(federation: Federation, days: list[date]) -> Plot:
    counts = federation.history.new_cases
    total = sum(sum(values) for values in counts.values())
    return Plot(
        "Reports over time",
        reports_plot(days, counts),
        "New cases by epoch, as the sites took them in.",
        f"Bar chart of {total:,} new cases in {len(days)} epochs, stacked by {len(counts)} sites.",
    )


def _positions(arrays: PairArrays) -> Mapping[tuple[str, str], int]:
    return {pair: row for row, pair in enumerate(zip(arrays.drug, arrays.reaction, strict=True))}


def _interval(scores: Scores, measure: str, row: int) -> tuple[float, float, float]:
    return (
        float(scores[measure][row]),
        float(scores[f"{measure}_lower"][row]),
        float(scores[f"{measure}_upper"][row]),
    )


def _show(interval: tuple[float, float, float]) -> str:
    if np.isnan(interval).all():
        return "not enough information"
    point, lower, upper = (_figure(value, 2) for value in interval)
    return f"{point} ({lower} to {upper})"


def _figure(value: float, digits: int) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.{digits}f}" if np.isfinite(value) else "∞"


def _hub_table(federation: Federation) -> Table:
    assert federation.hub_view is not None  # noqa: S101 -- the caller checked it
    scores = federation.hub_view.scores
    position = _positions(federation.hub_arrays())
    found = sorted(
        federation.hub_log.first.items(), key=lambda item: -float(np.nan_to_num(scores["z"][position[item[0]]]))
    )
    rows = [
        (
            drug,
            reaction,
            first.first_date.isoformat(),
            f"{float(scores['n'][row]):.1f} ± {float(scores['n_sd'][row]):.1f}",
            _figure(float(scores["expected"][row]), 1),
            _figure(float(scores["detectable_excess"][row]), 0),
            _figure(float(scores["eb05"][row]), 2),
            _figure(float(scores["q_value"][row]), 4),
            _show(_interval(scores, "prr", row)),
            _show(_interval(scores, "ror", row)),
            _show(_interval(scores, "ic", row)),
        )
        for (drug, reaction), first in found[:_TABLE_ROWS]
        for row in (position[drug, reaction],)
    ]
    more = (
        f" The {_TABLE_ROWS} strongest of {len(found):,} are shown; signals.csv holds all."
        if len(found) > len(rows)
        else ""
    )
    return Table(
        "Signals of disproportionate reporting at the hub",
        [
            "drug",
            "reaction",
            "first raised",
            "count ± noise sd",
            "expected",
            "excess to be seen",
            "EB05",
            "q value",
            "PRR (95 %)",
            "ROR (95 %)",
            "IC (95 %)",
        ],
        rows,
        "What the hub raises from noisy releases alone. Intervals include the privacy noise; ∞ is a limit "
        "that the noise leaves open. Excess to be seen: how many reports above the expected number it takes. "
        "The q value is that of the last look: of pairs with at most 0.05, one in twenty at most is false, on average."
        + more,
        frozenset({"count ± noise sd", "expected", "excess to be seen", "EB05"}),
    )


def _pooled_table(federation: Federation) -> Table:
    arrays, scores = federation.pooled.scores()
    position = _positions(arrays)
    found = [(pair, first) for pair, first in federation.pooled.log.first.items() if pair in position]
    found.sort(key=lambda item: -float(np.nan_to_num(scores["ic_lower"][position[item[0]]], nan=-99.0)))
    rows = [
        (
            drug,
            reaction,
            first.first_date.isoformat(),
            ", ".join(first.rules),
            f"{int(scores['n'][row]):,}",
            _show(_interval(scores, "prr", row)),
            _show(_interval(scores, "ror", row)),
            _show(_interval(scores, "ic", row)),
        )
        for (drug, reaction), first in found[:_TABLE_ROWS]
        for row in (position[drug, reaction],)
    ]
    return Table(
        "The same question with all records in one place",
        ["drug", "reaction", "first raised", "rules then met", "reports", "PRR (95 %)", "ROR (95 %)", "IC (95 %)"],
        rows,
        "What only a replay can know: exact counts of all sites together, ranked by the lower limit of the IC. "
        f"{len(found):,} pairs ever met a rule; the first {len(rows)} are shown.",
        frozenset({"reports"}),
    )


def _forest(federation: Federation) -> Plot:
    assert federation.hub_view is not None  # noqa: S101 -- the caller checked it
    hub, hub_at = federation.hub_view.scores, _positions(federation.hub_arrays())
    arrays, exact = federation.pooled.scores()
    exact_at = _positions(arrays)
    strongest = sorted(federation.hub_log.first, key=lambda pair: -float(np.nan_to_num(hub["z"][hub_at[pair]])))
    rows = []
    for drug, reaction in strongest[:_FOREST_ROWS]:
        intervals = {}
        if (drug, reaction) in exact_at:
            intervals["all records together"] = _interval(exact, "ror", exact_at[drug, reaction])
        at_hub = _interval(hub, "ror", hub_at[drug, reaction])
        if not np.isnan(at_hub).any():
            intervals["hub, through the noise"] = at_hub
        rows.append(ForestRow(f"{drug} – {reaction}", intervals))
    return Plot(
        "Reporting odds ratios, exact and at the hub",
        forest_plot(rows, measure="reporting odds ratio"),
        "The pairs that stand out most at the hub. An arrow marks an interval that reaches zero.",
        f"Forest plot of {len(rows)} pairs, each with the exact interval and the hub's wider one.",
    )


def _noise(federation: Federation) -> Plot:
    assert federation.hub_view is not None  # noqa: S101 -- the caller checked it
    scores, arrays = federation.hub_view.scores, federation.hub_arrays()
    known = federation.pooled.table.arrays()
    exact_at, counts = _positions(known), known.n
    exact = np.array(
        [
            float(counts[exact_at[pair]]) if pair in exact_at else 0.0
            for pair in zip(arrays.drug, arrays.reaction, strict=True)
        ]
    )
    noisy = np.asarray(scores["n"], dtype=np.float64)
    flagged = np.zeros(len(noisy), dtype=np.bool_)
    position = _positions(arrays)
    flagged[[position[pair] for pair in federation.hub_log.first]] = True
    return Plot(
        "What the sites know, and what the hub sees",
        noise_plot(
            exact,
            noisy,
            mean_weight=float(noisy.sum() / max(1.0, exact.sum())),
            noise_sd=float(scores["n_sd"][0]),
            highlighted=flagged,
        ),
        "One dot a pair. The line is steeper or flatter than one to one because a patient's contribution is bounded to "
        "a weight of at most 1 a pair; the scatter about it is the privacy noise.",
        f"Scatter plot of {len(noisy):,} pairs: exact number of reports against the hub's noisy count.",
    )


def _budget(federation: Federation, days: list[date]) -> Plot:
    assert federation.protocol is not None  # noqa: S101 -- the caller checked it
    protocol = federation.protocol
    spent = epsilon_from_mu(ReleaseSpec.of(protocol).mu, protocol.delta)
    return Plot(
        "Privacy budget",
        budget_plot(
            days, epsilon_spent=[spent] * len(days), epsilon=protocol.epsilon, noise_sd=federation.history.noise_sd
        ),
        "The budget is paid once, before the first release, for all releases of the era. What grows slowly with time "
        "is the noise of running totals.",
        f"Left: epsilon {spent:.2f} of {protocol.epsilon:g} spent from the first epoch on. Right: noise over time.",
    )
