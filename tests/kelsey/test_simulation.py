"""The simulation counts, pays and adds noise as production does; what is fast in it equals what is slow."""

from __future__ import annotations

import random as random_module
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, mannwhitneyu

from cases import ParameterError
from hub.noisy_totals import NoisyTotals
from hub.rules import load_noise_aware_rules
from hub.statistics import noisy_scores
from kelsey.simulation import PatientPairs, Population, SimulationSettings, View, run_simulation, wallet_weights
from kelsey.simulation.contributions import coordinate_sums
from kelsey.simulation.counting import count_population
from kelsey.simulation.outcome import FDR, Outcome, Truth
from kelsey.simulation.output import simulation_document
from kelsey.simulation.ranking import area_under_curve, average_precision, threshold_at_fdr
from kelsey.simulation.run import SimulationResult
from privacy.gaussian import DiscreteGaussian
from privacy.patient_wallet import PatientWallet, charge
from privacy.table_layout import TableLayout
from privacy.trust_mode import PerSite
from privacy.wallet import WEIGHT_ONE, Account, WalletPolicy, contribute

Reports = list[list[int]]
SMALL = {"sites": 10, "reports": 8000, "drugs": 30, "reactions": 40, "signals": 12, "cadence": "month"}


def simulate(**changes: object) -> SimulationResult:
    return run_simulation(SimulationSettings(**(SMALL | {"epsilons": (3.0,)} | changes)))  # type: ignore[arg-type]  # by name


def pairs_of(patients: list[Reports], limit: int) -> PatientPairs:
    rows = sorted(
        (number, cell, next(visit for visit, report in enumerate(reports) if cell in report))
        for number, reports in enumerate(patients)
        for cell in {cell for report in reports for cell in report}
    )
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    count = sum(len(reports) for reports in patients)
    return PatientPairs(len(patients), limit, count, table[:, 0], table[:, 2], table[:, 1])


def paid_by_contribute(patients: list[Reports], policy: WalletPolicy) -> list[int]:
    """Every report of every patient through the wallet, those of known pairs as well."""
    weights = []
    for number, reports in enumerate(patients):
        account, paid = Account(), {}
        for report in reports:
            outcome = contribute(account, added=report, removed=(), policy=policy, salt=number.to_bytes(8, "little"))
            account = outcome.account
            paid.update({operation.cell: operation.weight for operation in outcome.operations})
        weights += [paid.get(cell, 0) for cell in sorted({cell for report in reports for cell in report})]
    return weights


STREAMS = st.lists(
    st.lists(st.lists(st.integers(0, 25), min_size=1, max_size=12, unique=True), min_size=1, max_size=4),
    min_size=1,
    max_size=6,
)


def paid_by_charge(patients: list[Reports], policy: WalletPolicy, layout: TableLayout) -> list[float]:
    """Sums by coordinate, from the wallets of the patients one by one."""
    sums = [0.0] * layout.length
    for number, reports in enumerate(patients):
        wallet = PatientWallet()
        for cells in reports:
            outcome = charge(
                wallet, added=cells, removed=(), policy=policy, layout=layout, salt=number.to_bytes(8, "little")
            )
            wallet = outcome.wallet
            for place, weight in outcome.operations:
                sums[place] += weight
    return sums


@settings(max_examples=60, deadline=None)
@given(
    patients=STREAMS,
    policy=st.builds(WalletPolicy, st.sampled_from([0.25, 1.0, 1.5, 3.0]), st.sampled_from([1, 4, 16, 200])),
)
def test_weights_are_those_of_the_wallet_report_by_report(patients: list[Reports], policy: WalletPolicy) -> None:
    pairs = pairs_of(patients, limit=4)
    weights = wallet_weights(pairs, policy)
    assert weights.tolist() == paid_by_contribute(patients, policy)
    layout = TableLayout(drugs=-(-(int(pairs.cell.max(initial=0)) + 1) // 3), reactions=3)
    sums = coordinate_sums(pairs, weights.astype(np.float64), layout)
    assert sums.tolist() == paid_by_charge(patients, policy, layout)


def test_weights_of_a_drawn_population_are_those_of_the_wallet() -> None:
    generator = np.random.default_rng(5)
    population = Population.draw(
        SimulationSettings(sites=2, reports=100, epsilons=(1.0,), drugs=20, reactions=30, signals=2), generator
    )
    (pairs,) = population.patients(600, generator)
    policy = WalletPolicy(1.5, 16)
    patients: list[Reports] = [[[] for _ in range(pairs.visit_limit)] for _ in range(pairs.patient_count)]
    for patient, visit, cell in zip(pairs.patient, pairs.visit, pairs.cell, strict=True):
        patients[patient][visit].append(int(cell))
    weights = wallet_weights(pairs, policy)
    assert weights.tolist() == paid_by_contribute(patients, policy)
    layout = TableLayout(drugs=20, reactions=30)
    assert coordinate_sums(pairs, weights.astype(np.float64), layout).tolist() == paid_by_charge(
        patients, policy, layout
    )
    assert np.bincount(pairs.patient).max() > policy.operation_limit  # both ways were taken


def test_noise_of_a_secure_sum_is_that_of_every_epoch_encoded_and_decoded() -> None:
    held = SimulationSettings(sites=5, reports=100, epsilons=(3.0,), drugs=100, reactions=200, signals=0)
    view = View.of(held, epsilon=3.0, cadence="month", trust="secure-sum")
    spec, cohort = view.spec, view.protocol.cohort
    assert cohort is not None
    cells = view.protocol.cell_count
    increments = np.random.default_rng(0).integers(0, 500, (12, cells))
    source = random_module.Random(1)
    site_noise = DiscreteGaussian(cohort.site_sigma(spec.tables["pair"].sigma))
    encoded = spec.factorisation.encode(increments)
    for epoch in range(12):
        for _ in range(held.sites):
            encoded[epoch] += site_noise.sample(cells, random_bytes=source.randbytes)
    slow = spec.running_total(list(encoded)) - increments.sum(axis=0) / WEIGHT_ONE
    weight = increments.sum(axis=0) / WEIGHT_ONE
    square = weight.reshape(held.drugs, held.reactions)
    tables = {"pair": weight, "drug": square.sum(axis=1), "reaction": square.sum(axis=0)}
    fast = view.totals(tables, np.random.default_rng(2)).pair.ravel() - weight
    sd = view.noise_sd("pair", spec)
    assert slow.std() == pytest.approx(sd, rel=0.02)
    assert fast.std() == pytest.approx(sd, rel=0.02)
    assert kstest(slow / sd, "norm").pvalue > 0.001
    assert kstest(fast / sd, "norm").pvalue > 0.001


def test_noise_of_sites_is_that_of_their_own_releases() -> None:
    held = SimulationSettings(
        sites=2, reports=100, epsilons=(1.0,), drugs=60, reactions=80, signals=0, trust="per-site"
    )
    view = View.of(held, epsilon=1.0, cadence="month", trust="per-site")
    spec, source = view.spec, random_module.Random(3)
    total = {name: np.zeros(table.length) for name, table in spec.tables.items()}
    for _ in range(held.sites):
        sent = [PerSite().protect(spec, epoch, {0: {7: 512}}, random_bytes=source.randbytes) for epoch in range(12)]
        for name in total:
            total[name] += spec.running_total([tables[name] for tables in sent])
    total["pair"][7] -= 2 * 2.0  # two sites, two weights of one each
    assert total["pair"].std() == pytest.approx(view.noise_sd("pair", spec), rel=0.04)
    margins = np.concatenate([total["drug"], total["reaction"]])
    assert margins.std() == pytest.approx(view.noise_sd("drug", spec), rel=0.2)


def test_all_in_noise_factor_of_a_daily_year() -> None:
    held = SimulationSettings(sites=10, reports=100, epsilons=(1.0,))
    day = View.of(held, epsilon=1.0, cadence="day", trust="secure-sum")
    single = View.of(held, epsilon=1.0, cadence="single", trust="secure-sum")
    assert day.protocol.calendar.last_day(364) == date(2027, 12, 31)
    assert day.noise_factor == pytest.approx(2.236, abs=0.005)  # 2.00 times 1.118
    assert single.noise_factor == pytest.approx(1.118, abs=0.001)
    assert day.noise_sd("pair", day.spec) / single.noise_sd("pair", single.spec) == pytest.approx(2.0, abs=0.01)


def test_true_associations_are_reported_as_often_as_their_ratios_say() -> None:
    held = SimulationSettings(sites=2, reports=150_000, epsilons=(1.0,), drugs=40, reactions=200, signals=60)
    generator = np.random.default_rng(11)
    population = Population.draw(held, generator)
    plain = Population(population.drug_share, population.reaction_share, *(np.empty(0, dtype=d) for d in (int, float)))
    with_signals, without = (
        count_population(each, held.reports, [], random=generator, advance=lambda count: None).count["pair"]
        for each in (population, plain)
    )
    cells = population.signal_cell
    for ratio in (2.0, 4.0):
        chosen = cells[population.signal_ratio == ratio]
        assert with_signals[chosen].sum() / without[chosen].sum() == pytest.approx(ratio, rel=0.1)


def test_population_is_as_described() -> None:
    held = SimulationSettings(sites=2, reports=50_000, epsilons=(1.0,))
    generator = np.random.default_rng(12)
    counts = count_population(
        Population.draw(held, generator), held.reports, [WalletPolicy(1.5, 16)], random=generator,
        advance=lambda count: None,
    )  # fmt: skip
    assert counts.reports == pytest.approx(50_000, rel=0.02)
    assert counts.patients == 40_200
    assert counts.pairs / counts.reports == pytest.approx(4.6, abs=0.1)
    (wallet,) = counts.wallets.values()
    assert wallet.tables["pair"].sum() / counts.pairs == pytest.approx(wallet.kept_ratio)
    assert wallet.kept_ratio == pytest.approx(0.50, abs=0.01)


def test_same_seed_same_result() -> None:
    first, second, other = (simulate(seed=seed, drugs=20, reports=2000, signals=5) for seed in (4, 4, 5))
    assert simulation_document(first) == simulation_document(second)
    assert first.counts.pairs != other.counts.pairs


def test_more_budget_finds_more() -> None:
    result = simulate(epsilons=(0.3, 3.0, 30.0), reports=20_000, draws=2)
    recall = [result.find("secure-sum", epsilon=e, cadence="month").outcome.recall for e in (0.3, 3.0, 30.0)]
    excess = [result.find("secure-sum", epsilon=e, cadence="month").detectable_excess for e in (0.3, 3.0, 30.0)]
    assert recall[0] < recall[1] < recall[2] <= result.exact.outcome.recall + 0.1
    assert excess == sorted(excess, reverse=True)  # type: ignore[type-var]  # none is None
    per_site = result.find("per-site", epsilon=3.0, cadence="month").outcome.recall
    assert per_site < recall[1]


def test_where_nothing_is_associated_next_to_nothing_is_called() -> None:
    results = [simulate(signals=0, seed=seed, epsilons=(1.0, 3.0)) for seed in range(4)]
    calls = [view.outcome.flagged for result in results for view in result.views]
    assert len(calls) == 4 * (2 + 2 * 2 * 2)
    assert np.mean([count > 0 for count in calls]) <= 0.05
    # rule at 4.1 standard deviations: 2 in 100,000 of 1,200 pairs
    assert np.mean([view.outcome.rule_flagged for result in results for view in result.views]) < 0.2
    assert all(np.isnan(view.outcome.recall) and np.isnan(view.outcome.auc) for view in results[0].views)


def test_recall_and_false_discoveries_are_those_of_the_hubs_own_rule() -> None:
    random = np.random.default_rng(13)
    is_signal = np.arange(600) % 40 == 0
    mean = np.full(600, 10.0)
    mean[is_signal] = random.choice([12.0, 25.0, 45.0, 80.0], is_signal.sum())
    count = random.poisson(mean).astype(np.float64).reshape(20, 30)
    totals = NoisyTotals(
        pair=count + random.normal(0, 4, count.shape), drug=count.sum(axis=1), reaction=count.sum(axis=0),
        total=float(count.sum()), pair_sd=4.0, drug_sd=0.0, reaction_sd=0.0, total_sd=0.0,
    )  # fmt: skip
    rules = load_noise_aware_rules()
    outcome = Outcome.of(totals, Truth(is_signal, ~is_signal, count.ravel()), rules)
    raised = rules["noise-aware-fdr"].flags(noisy_scores(totals))
    assert rules["noise-aware-fdr"].conditions[0].threshold == FDR
    assert outcome.flagged == raised.sum() >= 5
    assert outcome.recall == raised[is_signal].mean()
    assert outcome.fdr == 1 - is_signal[raised].mean()


def test_intervals_cover() -> None:
    coverage = [simulate(seed=seed).main.outcome.ror_coverage for seed in range(3)]
    assert 0.93 <= np.mean(coverage) <= 0.975


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 1.5, 2.0, float("nan"), 5.0]), st.booleans()), min_size=1, max_size=25
    )
)
def test_ranking_is_what_it_says(cells: list[tuple[float, bool]]) -> None:
    score, is_true = np.array([each[0] for each in cells]), np.array([each[1] for each in cells])
    filled = np.where(np.isnan(score), -1.0, score)
    if is_true.any() and not is_true.all():
        u = mannwhitneyu(filled[is_true], filled[~is_true], method="asymptotic").statistic
        assert area_under_curve(score, is_true) == pytest.approx(u / (is_true.sum() * (~is_true).sum()))
    else:
        assert np.isnan(area_under_curve(score, is_true))
    good = [cut for cut in sorted({v for v in score if v == v}) if (~is_true[filled >= cut]).mean() <= 0.2]
    assert threshold_at_fdr(score, is_true, 0.2) == (good[0] if good else np.inf)
    precision = 0.0
    for cut in sorted(set(filled), reverse=True):
        gained = (is_true & (filled == cut)).sum()
        precision += gained / max(1, is_true.sum()) * is_true[filled >= cut].mean()
    expected = precision if is_true.any() else float("nan")
    assert average_precision(score, is_true) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sites": 1}, "sites must be at least 1, and 2 for a secure sum"),
        ({"reports": 5}, "reports must lie in"),
        ({"epsilons": ()}, "epsilons must be distinct"),
        ({"epsilons": (1.0, 1.0)}, "epsilons must be distinct"),
        ({"epsilons": (-1.0,)}, "epsilon must lie in"),
        ({"epsilons": (float("nan"),)}, "epsilon must lie in"),
        ({"drugs": 1}, "drugs must be at least 2"),
        ({"signals": 1000}, "signals must lie between 0 and a tenth"),
        ({"years": 0}, "years must be at least 1"),
        ({"draws": 0}, "draws must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"honest_fraction": 0.0}, "honest_fraction must lie in"),
        ({"wallet_capacity": 1.0001}, "capacity must be a multiple"),
        ({"wallet_operations": 0}, "operation_limit must lie in"),
        ({"drugs": 5000, "reactions": 5000}, "drugs x reactions must be at most"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        simulate(**changes)
