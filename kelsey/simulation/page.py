"""The page of a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from kelsey.page import Fact, Page, Plot, Table, Text
from kelsey.simulation.outcome import BANDS
from kelsey.simulation.plots import band_plot, recall_by_cadence_plot
from kelsey.simulation.run import SimulationResult, ViewResult

__all__ = ["BAND_NAMES", "simulation_page"]

BAND_NAMES = tuple(f"{low:.0f} to {high - 1:.0f}" if isfinite(high) else f"{low:.0f} or more" for low, high in BANDS)
_CADENCES = {None: "", "single": "one release", "month": "monthly", "week": "weekly", "day": "daily"}
_HEADER = ("view", "epsilon", "releases", "noise of a pair", "noise factor", "recall", "FDR", "AUC", "AUPRC",
           "z rule: recall", "z rule: FDR", "EB05 rule: recall", "EB05 rule: FDR", "excess that shows",
           "ROR coverage")  # fmt: skip
_NUMERIC = frozenset(_HEADER[1:2] + _HEADER[3:])


def simulation_page(result: SimulationResult) -> Page:
    """Facts, plots and tables of `result`."""
    settings, main, exact = result.settings, result.main, result.exact
    found, known = main.outcome.recall, exact.outcome.recall
    architecture = [view for view in result.views if view.study == "architecture"]
    sections: list[Plot | Table | Text] = [*_plots(result)] if settings.signals else []
    sections += [
        Table(
            "Every federation, every cadence",
            _HEADER,
            [_row(view) for view in architecture],
            "Recall and FDR are of the pairs that the hub's rule noise-aware-fdr raises (5 % false, on average). "
            "Noise and noise factor are all-in: with the sites' shares of noise, at the end of the era.",
            _NUMERIC,
        ),
        _bands(architecture),
    ]
    sections += _comparison(result, "wallet", "Other wallets", ("capacity C", "operations M"))
    sections += _comparison(result, "margins", "Other shares of the budget for margins", ("margin share",))
    return Page(
        title="Simulated federation",
        lead=f"{settings.sites:,} sites, {result.counts.reports:,} reports of {result.counts.patients:,} made-up "
        f"patients, {settings.drugs:,} drugs by {settings.reactions:,} reactions, {settings.signals:,} true "
        f"associations. Seed {settings.seed}.",
        facts=[
            Fact(_number(found), f"recall, {_name(main)}"),
            Fact(_number(known), "recall with exact counts"),
            Fact(_number(main.outcome.fdr), "false among those called"),
            Fact(f"{main.noise_factor:.2f}", "noise factor at month-ends, all-in"),
            Fact(_number(main.outcome.ror_coverage), "coverage of 95 % intervals"),
            Fact(f"{main.detectable_excess:.0f}", "excess reports that show, 10 expected"),
        ],
        sections=sections,
        notes=_notes(result),
    )


def _plots(result: SimulationResult) -> list[Plot]:
    by_federation: dict[str, dict[str, float]] = {}
    for view in result.views:
        if view.study == "architecture" and view.cadence is not None:
            name = f"{view.name}, epsilon {view.epsilon:g}"
            by_federation.setdefault(name, {})[_CADENCES[view.cadence]] = view.outcome.recall
    exact, main = result.exact, result.main
    bands = {_name(view): view.outcome.band_recall for view in (exact, result.find("bounded"), main)}
    return [
        Plot(
            "What is found, by federation and cadence",
            recall_by_cadence_plot(by_federation, exact=exact.outcome.recall),
            "The dashed line is what exact counts of all patients would find. Noise on the sum is drawn once; noise at "
            "every site adds up with their number.",
            "Line plot of recall. "
            + "; ".join(
                f"{name}: " + ", ".join(f"{cadence} {_number(value)}" for cadence, value in values.items())
                for name, values in by_federation.items()
            ),
        ),
        Plot(
            "What is found, by size",
            band_plot(bands, bands=BAND_NAMES),
            "Small counts drown in noise; large ones do not. A pair that few patients reported cannot be seen through "
            "privacy.",
            "Bar chart of recall by true count. "
            + "; ".join(f"{name}: {', '.join(_number(value) for value in values)}" for name, values in bands.items()),
        ),
    ]


def _bands(views: Sequence[ViewResult]) -> Table:
    rows = [(_name(view), *(_number(value) for value in view.outcome.band_recall)) for view in views]
    return Table("Recall by patients who reported the pair", ("view", *BAND_NAMES), rows, "", frozenset(BAND_NAMES))


def _comparison(result: SimulationResult, study: str, title: str, varied: tuple[str, ...]) -> list[Table]:
    views = [view for view in result.views if view.study == study]
    if not views:
        return []
    header = ("view", *varied, "weight kept", "noise of a pair", "sd of log ratio", "recall", "FDR", "AUPRC")
    rows = []
    for view in views:
        own = (
            (f"{view.wallet.capacity:g}", f"{view.wallet.operation_limit}")
            if study == "wallet"
            else (f"{view.margin_share:g}",)
        )
        outcome, kept = view.outcome, result.counts.wallets[view.wallet].kept_ratio
        numbers = (kept, view.noise_sd, outcome.log_ratio_sd, outcome.recall, outcome.fdr, outcome.auprc)
        rows.append((_name(view), *own, *(_number(value) for value in numbers)))
    return [Table(title, header, rows, "", frozenset(header[1:]))]


def _row(view: ViewResult) -> tuple[str, ...]:
    outcome = view.outcome
    return (
        view.name,
        "" if view.epsilon is None else f"{view.epsilon:g}",
        _CADENCES[view.cadence],
        f"{view.noise_sd:.2f}",
        f"{view.noise_factor:.2f}",
        *(
            _number(value)
            for value in (
                outcome.recall, outcome.fdr, outcome.auc, outcome.auprc, outcome.rule_recall, outcome.rule_fdr,
                outcome.eb05_recall, outcome.eb05_fdr,
            )
        ),
        "" if view.detectable_excess is None else f"{view.detectable_excess:.0f}",
        _number(outcome.ror_coverage),
    )  # fmt: skip


def _name(view: ViewResult) -> str:
    if view.epsilon is None:
        return {"exact": "exact counts", "bounded": "weights without noise"}[view.name]
    return f"{view.name}, epsilon {view.epsilon:g}, {_CADENCES[view.cadence]}"


def _number(value: float) -> str:
    return f"{value:.3f}" if isfinite(value) else "nothing to judge"


def _draws(count: int) -> str:
    return "one draw of the noise" if count == 1 else f"{count} draws of the noise on average"


def _notes(result: SimulationResult) -> list[str]:
    held = result.counts.wallets[result.wallet]
    return [
        "Wallets, protocol, matrix, noise, scores and rules are those that sites and hub run; only people are made up. "
        "Margins count patients, as at sites. Drugs and reactions are independent but for the true associations: real "
        "data hold more that looks like a signal and is none.",
        f"The wallet keeps {held.kept_ratio:.3f} of the weight of {result.counts.pairs:,} pairs; sum of squared "
        f"weights over sum of weights {held.scale_ratio:.3f}.",
        f"Figures are of {_draws(result.settings.draws)} and one population. With {result.settings.signals} true "
        "associations, small differences are chance: simulate another seed.",
        "Coverage is counted over pairs whose drug and reaction take part in no true association, at least one "
        "expected.",
        "Recall where nothing was called is 0; a share of nothing is 'nothing to judge'.",
    ]
