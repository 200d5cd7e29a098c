"""From settings to the figures of every view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hub.rules import load_noise_aware_rules
from kelsey.simulation.counting import PopulationCounts, count_population
from kelsey.simulation.outcome import Outcome, Truth
from kelsey.simulation.population import Population
from kelsey.simulation.settings import Cadence, SimulationSettings, Trust
from kelsey.simulation.view import View, exact_totals
from privacy.wallet import WalletPolicy

__all__ = ["SimulationResult", "ViewResult", "count_views", "run_simulation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewResult:
    """One row of the tables.

    Parameters
    ----------
    study
        ``architecture``, ``wallet`` or ``margins``: the table it belongs to.
    name
        ``exact`` (counts of patients), ``bounded`` (weights without noise), ``secure-sum`` or ``per-site``.
    epsilon, cadence, wallet, margin_share
        What was varied; None where it does not apply.
    noise_sd
        Standard deviation of the noise of a pair's total, in counts.
    noise_factor
        Worst of a month-end total, relative to one draw for a single release at the same budget.
    detectable_excess
        Excess reports of a pair with 10 expected that stand 4.1 standard deviations above them.
    outcome
        Averaged over the draws.
    """

    study: str
    name: str
    epsilon: float | None = None
    cadence: Cadence | None = None
    wallet: WalletPolicy
    margin_share: float | None = None
    noise_sd: float = 0.0
    noise_factor: float = 0.0
    detectable_excess: float | None = None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What was counted, and what each view finds of it."""

    settings: SimulationSettings
    counts: PopulationCounts
    wallet: WalletPolicy
    views: tuple[ViewResult, ...]

    def find(self, name: str, *, epsilon: float | None = None, cadence: Cadence | None = None) -> ViewResult:
        """The row of the architecture table; raises `LookupError` where it was not simulated."""
        for view in self.views:
            if (view.study, view.name, view.epsilon, view.cadence) == ("architecture", name, epsilon, cadence):
                return view
        raise LookupError(f"no view {name} at epsilon {epsilon}, cadence {cadence}")

    @property
    def exact(self) -> ViewResult:
        """Everything known to everybody."""
        return self.find("exact")

    @property
    def main(self) -> ViewResult:
        """The federation as the settings have it, with the first epsilon."""
        settings = self.settings
        return self.find(settings.trust, epsilon=settings.epsilons[0], cadence=settings.cadence)


@dataclass(frozen=True, slots=True)
class _Plan:
    study: str
    name: Trust
    cadence: Cadence
    view: View


def run_simulation(
    settings: SimulationSettings,
    *,
    count_progress: Callable[[int], None] = lambda steps: None,
    view_progress: Callable[[int], None] = lambda steps: None,
) -> SimulationResult:
    """Draw the population, count it, and look at it in every view.

    Parameters
    ----------
    count_progress, view_progress
        Told the reports counted and the views looked at since the last call.

    Raises
    ------
    ParameterError
        A setting outside the range that protocols allow; nothing has been drawn then.
    """
    wallet = WalletPolicy(settings.wallet_capacity, settings.wallet_operations)
    plans = list(_plans(settings))
    for plan in plans:
        _ = plan.view.spec  # refuses what no protocol could be, before the work begins
    root = np.random.SeedSequence(settings.seed)
    drawn, *noises = root.spawn(1 + len(plans))
    random = np.random.default_rng(drawn)
    population = Population.draw(settings, random)
    policies = list(dict.fromkeys([wallet, *(_wallet_of(plan.view) for plan in plans)]))
    counts = count_population(population, settings.reports, policies, random=random, advance=count_progress)
    truth = _truth(population, counts.count["pair"])
    rules = load_noise_aware_rules()

    views = []
    for name, table in (("exact", counts.count), ("bounded", counts.wallets[wallet].tables)):
        outcome = Outcome.of(exact_totals(table), truth, rules)
        views.append(ViewResult(study="architecture", name=name, wallet=wallet, outcome=outcome))
        view_progress(1)
    for plan, noise in zip(plans, noises, strict=True):
        held, view, spec = counts.wallets[_wallet_of(plan.view)], plan.view, plan.view.spec
        source = np.random.default_rng(noise)
        outcomes = [Outcome.of(view.totals(held.tables, source), truth, rules) for _ in range(settings.draws)]
        views.append(
            ViewResult(
                study=plan.study,
                name=plan.name,
                epsilon=view.protocol.epsilon,
                cadence=plan.cadence,
                wallet=_wallet_of(view),
                margin_share=view.protocol.margin_share,
                noise_sd=view.noise_sd("pair", spec),
                noise_factor=view.noise_factor,
                detectable_excess=spec.minimum_detectable_excess(
                    view.protocol.calendar.count - 1,
                    sites=view.inflation**2,
                    kept_ratio=held.kept_ratio,
                    scale_ratio=held.scale_ratio,
                ),
                outcome=Outcome.mean(outcomes),
            )
        )
        view_progress(1)
    return SimulationResult(settings, counts, wallet, tuple(views))


def count_views(settings: SimulationSettings) -> int:
    """How many views `run_simulation` looks at."""
    return 2 + len(list(_plans(settings)))


def _wallet_of(view: View) -> WalletPolicy:
    return WalletPolicy(view.protocol.wallet_capacity, view.protocol.wallet_operations)


def _plans(settings: SimulationSettings) -> Iterator[_Plan]:
    trusts: tuple[Trust, ...] = ("secure-sum", "per-site") if settings.sites >= 2 else ("per-site",)
    for epsilon in settings.epsilons:
        for trust in trusts:
            for cadence in settings.cadences:
                yield _Plan(
                    "architecture", trust, cadence, View.of(settings, epsilon=epsilon, cadence=cadence, trust=trust)
                )
        own = settings.trust
        for capacity, operations in settings.compared_wallets:
            policy = WalletPolicy(capacity, operations)
            for cadence in ("single", settings.cadence):
                view = View.of(settings, epsilon=epsilon, cadence=cadence, trust=own, wallet=policy)
                yield _Plan("wallet", own, cadence, view)
        for share in settings.compared_margin_shares:
            view = View.of(settings, epsilon=epsilon, cadence="single", trust=own, margin_share=share)
            yield _Plan("margins", own, "single", view)


def _truth(population: Population, count: NDArray[np.float64]) -> Truth:
    shape = (population.drug_share.size, population.reaction_share.size)
    is_signal = np.zeros(count.size, dtype=np.bool_)
    is_signal[population.signal_cell] = True
    by_pair = is_signal.reshape(shape)
    is_clean = np.outer(~np.any(by_pair, axis=1), ~np.any(by_pair, axis=0))
    return Truth(is_signal, is_clean.ravel(), count)
