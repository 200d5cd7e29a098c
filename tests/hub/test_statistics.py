"""Noise-aware statistics: coverage by simulation, limits without noise, states instead of zeros."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import false_discovery_control, nchypergeom_fisher, norm

from cases import ParameterError
from detectors import GammaMixture
from detectors.noisy import NoisyShrinkage, load_public_prior
from hub.noisy_totals import NoisyTotals
from hub.pair_state import DETECTION_Z, PairState, quiet_states
from hub.score_interval import cell_count_interval
from hub.statistics import ScoreState, noisy_scores

Z = 1.959963984540054
REPLICATES, REPEATS = 2000, 10
TOTAL = 200_000
HALF = GammaMixture(alpha1=0.5, beta1=0.5, alpha2=0.5, beta2=0.5, p=0.5)


def margins(expected: float) -> tuple[int, int]:
    """Equal margins, large beside their noise: what is too little to know is another test's matter."""
    return round(np.sqrt(expected * TOTAL)), round(np.sqrt(expected * TOTAL))


def simulate(expected: float, odds: float, sd: float, seed: int) -> list[dict[str, NDArray[np.float64]]]:
    """Scores of many noisy tables with one truth; margins noisy too, the reaction's shared within a repeat."""
    rng = np.random.default_rng(seed)
    total = TOTAL
    n_drug, n_reaction = margins(expected)
    law = nchypergeom_fisher(total, n_reaction, n_drug, odds)
    support = np.arange(0, min(n_drug, n_reaction) + 1)
    cumulated = np.cumsum(law.pmf(support))
    margin_sd = 4 * sd
    repeats = []
    for _ in range(REPEATS):
        cell = np.searchsorted(cumulated, rng.random(REPLICATES)).astype(float)
        repeats.append(
            noisy_scores(
                NoisyTotals(
                    pair=(cell + rng.normal(0, sd, REPLICATES))[:, None],
                    drug=n_drug + rng.normal(0, margin_sd, REPLICATES),
                    reaction=n_reaction + rng.normal(0, margin_sd, 1),
                    total=float(total + rng.normal(0, 10 * sd)),
                    pair_sd=sd,
                    drug_sd=margin_sd,
                    reaction_sd=margin_sd,
                    total_sd=10 * sd,
                )
            )
        )
    return repeats


@pytest.mark.parametrize("expected", [1, 5, 20])
@pytest.mark.parametrize("sd", [3.0, 8.67])
@pytest.mark.parametrize("odds", [1.0, 3.0])
def test_95_percent_intervals_cover(expected: float, sd: float, odds: float) -> None:
    total = TOTAL
    n_drug, n_reaction = margins(expected)
    expected = n_drug * n_reaction / total

    def fitted(cell: float) -> float:
        return cell * (total - n_drug - n_reaction + cell) - odds * (n_drug - cell) * (n_reaction - cell)

    cell = brentq(fitted, 0, min(n_drug, n_reaction))
    truth = {
        "ror": odds,
        "prr": (cell / n_drug) / ((n_reaction - cell) / (total - n_drug)),
        "rrr": cell / expected,
    }
    repeats = simulate(expected, odds, sd, seed=round(expected * 100 + sd + odds))
    for measure, value in truth.items():
        covered = [np.mean((s[f"{measure}_lower"] <= value) & (value <= s[f"{measure}_upper"])) for s in repeats]
        assert 0.93 <= np.mean(covered) <= 0.97, measure


@given(
    count=st.floats(-50, 400), odds_noise=st.floats(0.1, 40), drug=st.floats(80, 5_000), reaction=st.floats(80, 5_000)
)
def test_cell_bounds_hold_the_count_and_grow_with_noise(
    count: float, odds_noise: float, drug: float, reaction: float
) -> None:
    def bounds(sd: float) -> tuple[float, float]:
        low, high = cell_count_interval(
            np.array([count]), np.array([drug]), np.array([reaction]), 100_000.0,
            variances=(sd**2, (4 * sd) ** 2, (4 * sd) ** 2, 0.0), quantile=Z,
        )  # fmt: skip
        return float(low[0]), float(high[0])

    narrow, wide = bounds(odds_noise), bounds(1.5 * odds_noise)
    if np.isnan(narrow[0]):
        return
    inside = min(max(count, 0.0), drug, reaction)
    assert 0 <= wide[0] <= narrow[0] + 1e-6 <= inside + 2e-6
    assert inside - 2e-6 <= narrow[1] <= wide[1] + 1e-6 <= min(drug, reaction) + 2e-6


def test_without_noise_they_are_the_classical_score_statistics() -> None:
    pair = np.array([[30.0, 70.0], [20.0, 880.0]])
    scores = noisy_scores(exact(pair))
    assert scores["expected"][0] == pytest.approx(5.0)
    assert scores["z"][0] == pytest.approx(25 / np.sqrt(5))
    assert scores["ror"][0] == pytest.approx(30 * 880 / (70 * 20))
    assert scores["prr"][0] == pytest.approx((30 / 100) / (20 / 900))
    assert scores["ic"][0] == pytest.approx(np.log2(30.5 / 5.5))

    def distance(cell: float) -> float:  # Cornfield's own equation, for the upper bound
        inverse = 1 / cell + 1 / (100 - cell) + 1 / (50 - cell) + 1 / (850 + cell)
        return float((cell - 30) - Z / np.sqrt(inverse))

    cell = brentq(distance, 30, 49.999)
    assert scores["ror_upper"][0] == pytest.approx(cell * (850 + cell) / ((100 - cell) * (50 - cell)), rel=1e-9)


@pytest.mark.parametrize(
    ("prior", "limits", "names"),
    [
        (load_public_prior().prior, (0.05, 0.95), ("ebgm", "eb05", "eb95")),
        (HALF, (0.025, 0.975), ("ic", "ic_lower", "ic_upper")),
    ],
)
def test_shrunken_figures_are_those_of_the_noisy_likelihood(
    prior: GammaMixture, limits: tuple[float, float], names: tuple[str, ...]
) -> None:
    totals = noisy(np.array([[60.0, 35.0, 20.0]]))
    scores = noisy_scores(totals)
    spread = float(np.linalg.norm([30 / 400, 30 / 500, totals.total_sd / totals.total]))
    figures = NoisyShrinkage(prior=prior, probabilities=limits).score_many(
        totals.pair.ravel(),
        [2.0] * 3,
        sd=8.0,
        expected_ratio_sd=spread,
    )
    wanted = np.log2(figures[:, [0, 2, 3]]) if names[0] == "ic" else figures[:, 1:]
    for name, values in zip(names, wanted.T, strict=True):
        np.testing.assert_allclose(scores[name], values)


def test_weights_below_one_are_counted_in_their_own_unit() -> None:
    totals = noisy(np.array([[60.0, 35.0]]))
    whole, half = noisy_scores(totals), noisy_scores(totals, weight_ratio=0.5)
    for name in ("n", "n_sd", "n_lower", "expected"):
        np.testing.assert_allclose(half[name], whole[name])
    doubled = noisy_scores(
        NoisyTotals(
            pair=2 * totals.pair, drug=2 * totals.drug, reaction=2 * totals.reaction, total=2 * totals.total,
            pair_sd=16.0, drug_sd=60.0, reaction_sd=60.0, total_sd=200.0,
        )
    )  # fmt: skip
    for name in ("ror_lower", "rrr_upper", "ic_lower", "eb05", "z"):
        np.testing.assert_allclose(half[name], doubled[name])
    assert np.all(half["eb05"] > whole["eb05"])
    assert np.all(half["detectable_excess"] < whole["detectable_excess"])
    with pytest.raises(ParameterError, match=r"weight_ratio must lie in \(0, 1\], not nan"):
        noisy_scores(totals, weight_ratio=float("nan"))


def test_intervals_cover_for_weighted_contributions() -> None:
    """Weights 1 and 1/2, one in five the larger: sum of squares over sum 0.67. Three standard errors about 0.95."""
    random = np.random.default_rng(4)
    size, expected = 20_000, 20.0
    pairs = random.poisson(expected / 0.6025, size)
    ones = random.binomial(pairs, 0.205)
    margin = np.sqrt(expected * 1e7)
    totals = NoisyTotals(
        pair=(0.5 * (pairs + ones) + random.normal(0, 3, size))[:, None], drug=np.full(size, margin),
        reaction=np.array([margin]), total=1e7, pair_sd=3.0, drug_sd=0.0, reaction_sd=0.0, total_sd=0.0,
    )  # fmt: skip
    for ratio, low, high in ((0.67, 0.945, 0.955), (1.0, 0.96, 0.985)):
        scores = noisy_scores(totals, weight_ratio=ratio)
        assert low < np.mean((scores["rrr_lower"] <= 1) & (scores["rrr_upper"] >= 1)) < high


def test_the_prior_is_that_of_the_shrinker_alone() -> None:
    totals = noisy(np.array([[60.0, 35.0, 20.0]]))
    other = noisy_scores(totals, prior=GammaMixture(alpha1=0.2, beta1=0.1, alpha2=2.0, beta2=4.0, p=1 / 3))
    scores = noisy_scores(totals)
    assert np.all(other["eb05"] != scores["eb05"])
    np.testing.assert_array_equal(other["ic"], scores["ic"])


def test_q_values_are_those_of_all_pairs_with_known_margins() -> None:
    random = np.random.default_rng(8)
    pair = random.normal(2, 9, (20, 30))
    pair[0, :3] = (70.0, 45.0, 40.0)
    known = noisy_scores(noisy(pair))
    z = known["z_tail"]
    chance = np.where(z > 0, norm.sf(z), 1.0)  # at and below expectation nothing is looked for: chance 1
    assert np.sum(z == 0) > 100
    np.testing.assert_allclose(known["q_value"], false_discovery_control(chance), rtol=1e-12)
    np.testing.assert_array_equal(known["q_value_era"], known["q_value"])
    era = noisy_scores(noisy(pair), looks=12)
    np.testing.assert_array_equal(era["q_value"], known["q_value"])
    np.testing.assert_allclose(era["q_value_era"], np.minimum(12 * known["q_value"], 1))
    # drugs whose margins are unknown have none, and do not count
    totals = noisy(np.vstack([pair, random.normal(2, 9, (10, 30))]))
    more = replace(totals, drug=np.where(np.arange(30) < 20, totals.drug, 10.0))
    q_values = noisy_scores(more)["q_value"].reshape(30, 30)
    np.testing.assert_array_equal(q_values[:20].ravel(), known["q_value"])
    assert np.isnan(q_values[20:]).all()


def test_the_detectable_excess_is_where_the_score_reaches_its_threshold() -> None:
    totals = noisy(np.array([[60.0]]))
    excess = float(noisy_scores(totals)["detectable_excess"][0])
    noise = 8.0**2 + 2.0**2 * ((30 / 400) ** 2 + (30 / 500) ** 2)
    assert excess / np.sqrt(2.0 + excess + noise) == pytest.approx(DETECTION_Z)


def test_no_signal_is_a_finding_and_silence_is_not() -> None:
    scores = {"rrr_upper": np.array([1.9, 2.0, np.inf, np.nan])}
    quiet = quiet_states(scores)
    assert [PairState.of(is_raised=False, is_quiet=bool(each)) for each in quiet] == [
        PairState.NO_SIGNAL, *[PairState.TOO_LITTLE_INFORMATION] * 3,
    ]  # fmt: skip
    assert PairState.of(is_raised=True, is_quiet=True) is PairState.SIGNAL
    # a thousand expected and found, noise of 8: a doubling would have been seen; two expected: it would not
    much = NoisyTotals(
        pair=np.array([[1000.0]]), drug=np.array([10_000.0]), reaction=np.array([10_000.0]), total=100_000.0,
        pair_sd=8.0, drug_sd=30.0, reaction_sd=30.0, total_sd=100.0,
    )  # fmt: skip
    assert quiet_states(noisy_scores(much))[0]
    assert not quiet_states(noisy_scores(noisy(np.array([[2.0]]))))[0]


def exact(pair: NDArray[np.float64]) -> NoisyTotals:
    """Totals without any noise."""
    return NoisyTotals(
        pair=pair, drug=pair.sum(axis=1), reaction=pair.sum(axis=0), total=float(pair.sum()),
        pair_sd=0.0, drug_sd=0.0, reaction_sd=0.0, total_sd=0.0,
    )  # fmt: skip


def noisy(pair: NDArray[np.float64], *, drug: float = 400.0, sd: float = 8.0) -> NoisyTotals:
    drugs, reactions = pair.shape
    return NoisyTotals(
        pair=pair, drug=np.full(drugs, drug), reaction=np.full(reactions, 500.0), total=100_000.0,
        pair_sd=sd, drug_sd=30.0, reaction_sd=30.0, total_sd=100.0,
    )  # fmt: skip


def test_noise_dominated_counts_have_an_upper_bound_and_no_point() -> None:
    scores = noisy_scores(noisy(np.array([[12.0]])))
    assert scores["state"][0] == ScoreState.NOISE_DOMINATED
    for measure in ("ror", "prr", "rrr", "ic"):
        assert np.isnan(scores[measure][0])
        assert scores[f"{measure}_upper"][0] > 0
    assert scores["ror_lower"][0] == 0
    assert scores["ic_lower"][0] < scores["ic_upper"][0]
    assert scores["eb05"][0] < 1 < scores["eb95"][0]
    assert np.isnan(scores["ebgm"][0])


def test_impossibly_low_counts_have_no_interval() -> None:
    scores = noisy_scores(noisy(np.array([[-60.0]])))
    assert np.isnan(scores["ror_lower"][0])
    assert np.isnan(scores["rrr_upper"][0])
    assert scores["n"][0] == -60
    assert scores["z"][0] < -4


@pytest.mark.parametrize("drug", [50.0, 0.0, -20.0])
def test_unknown_margins_leave_everything_undetermined(drug: float) -> None:
    scores = noisy_scores(noisy(np.array([[40.0]]), drug=drug))
    assert scores["state"][0] == ScoreState.UNDETERMINED
    for name in set(scores) - {"n", "n_sd", "n_lower", "state"}:
        assert np.isnan(scores[name][0]), name


def test_no_measure_is_ever_zero_for_lack_of_information() -> None:
    rng = np.random.default_rng(7)
    scores = noisy_scores(noisy(rng.normal(0, 12, (40, 50))))
    for measure in ("ror", "prr", "rrr"):
        assert not np.any(scores[measure] == 0)
        assert not np.any(scores[f"{measure}_upper"] == 0)


def test_a_higher_level_is_wider() -> None:
    totals = noisy(np.array([[60.0]]))
    narrow, wide = noisy_scores(totals, level=0.9), noisy_scores(totals, level=0.99)
    for measure in ("ror", "prr", "rrr", "ic"):
        assert wide[f"{measure}_lower"][0] < narrow[f"{measure}_lower"][0]
        assert narrow[f"{measure}_upper"][0] < wide[f"{measure}_upper"][0]


@pytest.mark.parametrize("level", [0.0, 1.0, float("nan")])
def test_level_outside_its_range_is_refused(level: float) -> None:
    with pytest.raises(ParameterError, match="level must lie in"):
        noisy_scores(noisy(np.array([[60.0]])), level=level)


def test_an_era_without_looks_is_refused() -> None:
    with pytest.raises(ParameterError, match="looks must be at least 1, not 0"):
        noisy_scores(noisy(np.array([[60.0]])), looks=0)


def test_totals_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ParameterError, match="pair must have the shape"):
        NoisyTotals(
            pair=np.zeros((2, 3)), drug=np.zeros(3), reaction=np.zeros(2), total=0.0,
            pair_sd=1.0, drug_sd=1.0, reaction_sd=1.0, total_sd=1.0,
        )  # fmt: skip
    with pytest.raises(ParameterError, match="pair_sd must be at least 0"):
        noisy(np.array([[1.0]]), sd=float("nan"))


def test_sixty_thousand_cells_take_less_than_0_6_seconds() -> None:
    rng = np.random.default_rng(3)
    totals = noisy(rng.poisson(3, (250, 240)) + rng.normal(0, 8, (250, 240)))
    best = min(_seconds(totals) for _ in range(5))
    assert best < 0.6


def _seconds(totals: NoisyTotals) -> float:
    start = time.thread_time()
    noisy_scores(totals)
    return time.thread_time() - start
