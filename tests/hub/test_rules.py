"""The hub's rules: their false-positive rate on simulated nulls, what the plain rules would do, and their power."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm, poisson

from cases import ConfigurationError
from detectors.rules import Condition, Rule
from hub.noisy_totals import NoisyTotals
from hub.rules import DISCOVERY_RULE, ERA_DISCOVERY_RULE, SCORE_RULE, load_noise_aware_rules, rules_of
from hub.statistics import noisy_scores
from hub.tail_score import tail_chance, tail_score
from tests.hub.federation import make_protocol

DRUGS, REACTIONS = 500, 1000
PAIR_SD = 6.5  # epsilon 1, one release, one site: about what three sites have at epsilon 3 after a year


def national_table(seed: int, *, signals: int = 0, excess: float = 0.0) -> tuple[NoisyTotals, NDArray[np.int64]]:
    """Half a million pairs without association, margins as skewed as real ones; some with `excess` reports added."""
    rng = np.random.default_rng(seed)
    drug, reaction = rng.lognormal(0, 1.2, DRUGS), rng.lognormal(0, 1.5, REACTIONS)
    rate = np.outer(drug / drug.sum(), reaction / reaction.sum()) * 4_000_000
    pair = rng.poisson(rate).astype(np.float64)
    planted = rng.choice(np.flatnonzero((rate.ravel() > 5) & (rate.ravel() < 15)), signals, replace=False)
    pair.ravel()[planted] += rng.poisson(excess, signals)
    margin_sd = PAIR_SD * (2 * 0.95 / 0.05) ** 0.5
    totals = NoisyTotals(
        pair=pair + rng.normal(0, PAIR_SD, pair.shape),
        drug=pair.sum(axis=1) + rng.normal(0, margin_sd, DRUGS),
        reaction=pair.sum(axis=0) + rng.normal(0, margin_sd, REACTIONS),
        total=float(pair.sum() + rng.normal(0, 2000)),
        pair_sd=PAIR_SD, drug_sd=margin_sd, reaction_sd=margin_sd, total_sd=2000.0,
    )  # fmt: skip
    return totals, planted


@cache
def null_scores(seed: int) -> dict[str, NDArray[np.float64]]:
    """Scores of a table without association; tests read them only."""
    return noisy_scores(national_table(seed)[0])


@cache
def planted_scores(excess: float) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Scores of a table with 300 true associations, and their cells."""
    totals, planted = national_table(9, signals=300, excess=excess)
    return noisy_scores(totals), planted


def columns(rule: Rule) -> set[str]:
    """What a rule speaks of."""
    return {condition.column for condition in rule.conditions}


def test_the_rate_of_false_alarms_is_the_documented_one() -> None:
    known = load_noise_aware_rules()
    cells, raised = 0, dict.fromkeys(known, 0)
    for seed in range(4):
        scores = null_scores(seed)
        cells += scores["n"].size
        for name, rule in known.items():
            raised[name] += int(rule.flags(scores).sum())
    # docs/hub.md: at most 4 in 100,000 null pairs a look (2 for a normal score); rules on EB05 up to 5 in 100,000
    assert cells == 2_000_000
    assert 5 <= raised[SCORE_RULE] <= cells * 4e-5
    for name, count in raised.items():
        assert count <= (cells * 6e-5 if "eb05" in columns(known[name]) else raised[SCORE_RULE]), name
    assert raised["noise-aware-fda"] <= cells * 4e-5


@pytest.mark.parametrize("sd", [0.05, 0.5, 2.0, 8.67])
def test_the_rate_holds_for_every_expected_count_and_noise(sd: float) -> None:
    """Exact: the probability that a Poisson count plus noise passes the floor, from its own law."""
    for expected in np.geomspace(0.01, 300, 40):

        def above(count: float, expected: float = expected) -> float:
            score = tail_score(np.array([count]), np.array([expected]), np.array([sd * sd]))
            return float(score[0]) - 4.1

        threshold = brentq(above, expected, 60 + 8 * expected + 8 * sd)
        support = np.arange(0, int(400 + 3 * expected))
        rate = float(np.sum(poisson.pmf(support, expected) * norm.sf((threshold - support) / sd)))
        assert rate < 4e-5, expected
        if sd > 2:
            assert rate > 1e-5, expected


@pytest.mark.parametrize("sd", [0.5, 2.0, 8.67, 30.0])
def test_the_chance_of_a_tail_score_is_never_too_small(sd: float) -> None:
    """Exact, from the law of a Poisson count plus noise."""
    for expected in np.geomspace(0.01, 300, 15):
        counts = expected + np.array([2.0, 3.0, 4.0, 5.0]) * np.hypot(np.sqrt(expected), sd)
        support = np.arange(0, int(400 + 3 * expected))
        claimed = tail_chance(tail_score(counts, np.full(4, expected), np.full(4, sd * sd)))
        for count, chance in zip(counts, claimed, strict=True):
            exact = float(np.sum(poisson.pmf(support, expected) * norm.sf((count - support) / sd)))
            assert 0.6 * chance < exact < 1.01 * chance, (expected, count)


def test_a_pair_at_or_below_expectation_has_chance_one() -> None:
    score = tail_score(np.array([3.0, 5.0, 5.1]), np.full(3, 5.0), np.full(3, 4.0))
    chance = tail_chance(np.append(score, np.nan))
    assert chance[:2].tolist() == [1.0, 1.0]
    assert 0.4 < chance[2] < 0.5
    assert np.isnan(chance[3])


def test_counting_noise_as_reports_would_raise_a_hundred_thousand_false_alarms() -> None:
    totals, _ = national_table(0)
    a = np.maximum(np.rint(totals.pair), 0)
    b, c = totals.drug[:, None] - a, totals.reaction[None, :] - a
    d = totals.total - a - b - c
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = np.log(a * d / (b * c)) - 1.96 * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    assert np.sum((lower > 0) & (a >= 3)) > 100_000


def test_planted_signals_are_found() -> None:
    # minimum detectable excess at z 4.1 over E = 10 with this noise: about 4.1 * sqrt(10 + 6.5^2 + excess)
    rules, (scores, planted) = load_noise_aware_rules(), planted_scores(60)
    assert rules[SCORE_RULE].flags(scores)[planted].mean() > 0.95
    assert rules["noise-aware-fda"].flags(scores)[planted].mean() > 0.95
    scores, planted = planted_scores(10)
    assert rules[SCORE_RULE].flags(scores)[planted].mean() < 0.1


def test_published_rules_are_applied_to_lower_bounds_above_the_floor() -> None:
    rules = load_noise_aware_rules()
    assert set(rules) == {
        SCORE_RULE,
        DISCOVERY_RULE,
        ERA_DISCOVERY_RULE,
        *(f"noise-aware-{name}" for name in ("evans", "ema", "evdas", "evdas_monitored", "umc", "mhra", "fda")),
    }
    floor = rules[SCORE_RULE].conditions
    assert Condition(column="z_tail", at_least=4.1) in floor
    shrunken = {"noise-aware-mhra", "noise-aware-fda"}
    assert {column for name in shrunken for column in columns(rules[name])} == {"eb05", "ebgm", "n_lower"}
    assert rules["noise-aware-fda"].conditions == (Condition(column="eb05", at_least=2),)
    assert rules[DISCOVERY_RULE].conditions == (Condition(column="q_value", at_most=0.05), *floor[1:])
    assert rules[ERA_DISCOVERY_RULE].conditions == (Condition(column="q_value_era", at_most=0.05), *floor[1:])
    for name in set(rules) - {SCORE_RULE, DISCOVERY_RULE, ERA_DISCOVERY_RULE, *shrunken}:
        conditions = rules[name].conditions
        assert conditions[: len(floor)] == floor
        assert {condition.column for condition in conditions} <= {
            "z_tail", "n_lower", "prr_lower", "ror_lower", "rrr_lower", "ic_lower",
        }  # fmt: skip
    assert Condition(column="n_lower", at_least=3) in rules["noise-aware-evans"].conditions
    assert Condition(column="z_tail", at_least=2) in rules["noise-aware-evans"].conditions


def test_a_protocol_names_its_rules() -> None:
    def names(*rules: str) -> list[str]:
        return [rule.name for rule in rules_of(make_protocol(rules=rules))]

    assert names("umc", SCORE_RULE) == ["noise-aware-umc", SCORE_RULE]
    assert names("evans", "noise-aware-evans") == ["noise-aware-evans"]
    assert names() == []
    with pytest.raises(
        ConfigurationError,
        match=r"'evens'.*known: noise-aware-z, noise-aware-fdr, noise-aware-fdr-era, noise-aware-evans",
    ):
        names("evens")


def test_undetermined_pairs_are_never_flagged() -> None:
    scores = null_scores(2)
    for rule in load_noise_aware_rules().values():
        assert isinstance(rule, Rule)
        assert not np.any(rule.flags(scores) & np.isnan(scores["z"]))


def test_without_any_association_a_look_raises_nothing_nineteen_times_in_twenty() -> None:
    rule, random = load_noise_aware_rules()[DISCOVERY_RULE], np.random.default_rng(5)
    drug, reaction = random.lognormal(0, 1.2, 30), random.lognormal(0, 1.5, 40)
    rate = np.outer(drug / drug.sum(), reaction / reaction.sum()) * 10_000
    looks = 60
    raised = 0
    for _ in range(looks):
        count = random.poisson(rate).astype(np.float64)
        totals = NoisyTotals(
            pair=count + random.normal(0, 3, rate.shape), drug=count.sum(axis=1), reaction=count.sum(axis=0),
            total=float(count.sum()), pair_sd=3.0, drug_sd=0.0, reaction_sd=0.0, total_sd=0.0,
        )  # fmt: skip
        raised += bool(rule.flags(noisy_scores(totals)).any())
    assert 1 <= raised <= looks * (0.05 + 3 * np.sqrt(0.05 * 0.95 / looks))


def test_lower_bounds_drop_no_discovery() -> None:
    """So that the rate promised for the q value is that of the rule."""
    scores, _ = planted_scores(60)
    called = scores["q_value"] <= 0.05
    assert called.sum() > 250
    np.testing.assert_array_equal(load_noise_aware_rules()[DISCOVERY_RULE].flags(scores), called)
