"""The studies of validity compute what they say they compute."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix

from benchmarks.validity.auc import auc
from benchmarks.validity.false_discoveries import World, raised_shares
from benchmarks.validity.federated_replays import found_excesses, raised_on_exact
from benchmarks.validity.known_associations import Association, first_found, load_associations
from benchmarks.validity.noisy_counts import covered_shares
from benchmarks.validity.null_replays import max_sprt_under_null, null_pairs
from benchmarks.validity.sequential_replays import sequential_under_null
from connectors.vaers_archive import ArchivedReport
from connectors.vaers_reader import VaersReport


def test_area_is_the_share_of_pairs_in_order() -> None:
    random = np.random.default_rng(1)
    score, is_positive = random.integers(0, 6, 60).astype(float), random.random(60) < 0.4
    above = [
        (positive > negative) + (positive == negative) / 2
        for positive in score[is_positive]
        for negative in score[~is_positive]
    ]
    area, lower, upper = auc(score, is_positive)
    assert area == pytest.approx(np.mean(above), rel=1e-12)
    assert 0 < lower < area < upper < 1


def test_interval_of_the_area_covers() -> None:
    random = np.random.default_rng(2)
    is_positive = np.arange(80) < 30
    expected = 0.7602499389065233  # P(Z < 1 / sqrt 2), the area of two normals one standard deviation apart
    limits = [auc(random.normal(size=80) + is_positive, is_positive)[1:] for _ in range(1000)]
    covered = np.mean([lower < expected < upper for lower, upper in limits])
    assert 0.93 < covered < 0.97


@pytest.mark.parametrize("is_positive", [[True, False, False], [True, True, True]])
def test_no_area_without_two_of_each(is_positive: list[bool]) -> None:
    assert np.isnan(auc(np.arange(3.0), np.array(is_positive))).all()


def test_a_null_replay_keeps_margins_and_has_no_association() -> None:
    random = np.random.default_rng(3)
    drugs = csr_matrix((random.random((400, 5)) < [0.5, 0.3, 0.2, 0.1, 0.4]).astype(np.int64))
    replays = [null_pairs(drugs, drugs, random, minimum=1.0) for _ in range(300)]
    first = replays[0]
    np.testing.assert_array_equal(first.n_drug, np.asarray(drugs.sum(axis=0)).ravel()[first.drug_index])
    np.testing.assert_allclose(first.expected, first.n_drug * first.n_reaction / 400)
    mean = np.mean([replay.n for replay in replays], axis=0)
    np.testing.assert_allclose(mean, first.expected, atol=5 * np.sqrt(first.expected.max() / 300))


def test_simulated_risk_of_max_sprt_is_the_exact_one() -> None:
    for _, _, _, exact, simulated, _ in max_sprt_under_null(runs=20_000).rows:
        assert float(simulated.split()[0]) == pytest.approx(float(exact), abs=5 * np.sqrt(float(exact) / 20_000))


def test_no_test_that_looks_as_it_likes_signals_too_often() -> None:
    table = sequential_under_null(runs=4_000, looks=25)
    for _, _, allowed, exact, simulated, bound, verdict in table.rows:
        assert verdict == "yes"
        assert float(allowed) < float(bound) < float(allowed) + 0.02
        if exact != "at most":
            risk = float(exact)
            assert float(simulated) == pytest.approx(risk, abs=5 * np.sqrt(risk / 4_000))
        assert float(simulated) > 0


def _report(day: date, number: int, vaccine: str, reaction: str) -> ArchivedReport:
    report = VaersReport({"VAERS_ID": str(number)}, [{"VAX_NAME": vaccine}], [{"SYMPTOM1": reaction}])
    return ArchivedReport(day, str(number), "", number, report, "")


def test_an_association_is_found_in_the_month_that_its_reports_come() -> None:
    association = Association(name="a", product=r"a \(.*", reaction="rash", kind="known", source="made up")
    reports = [_report(date(1990, 1, 2), number, "B (X)", f"other {number % 3}") for number in range(60)]
    reports += [_report(date(1990, 2, 2), 60 + number, "A (X)", "Rash") for number in range(8)]
    reports += [_report(date(1990, 3, 2), 70 + number, "A (Y)", "Rash") for number in range(2)]
    found, last = first_found(reports, [association])
    assert found["a", "umc"] == [date(1990, 2, 1), date(1990, 3, 1)]
    assert (last["a"]["n"], last["a"]["n_drug"], last["a"]["n_total"]) == (10, 10, 70)


def test_associations_are_documented() -> None:
    associations = load_associations()
    assert len({each.name for each in associations}) == len(associations) >= 15
    assert {each.kind for each in associations} == {"known", "refuted"}
    assert all("doi:" in each.source or "MMWR" in each.source for each in associations)


@pytest.mark.parametrize(("expected", "odds", "sd"), [(1, 2.0, 0.5), (5, 0.5, 3.0), (100, 8.0, 8.67), (100, 8.0, 30.0)])
def test_intervals_through_noise_cover(expected: float, odds: float, sd: float) -> None:
    shares = covered_shares(expected, odds, sd, tables=20_000, random=np.random.default_rng(3))
    # three standard errors beyond the range to keep
    assert np.all((shares > 0.94 - 0.0047) & (shares < 0.96 + 0.0047)), shares


def test_large_excesses_are_those_of_the_pooled_view_and_found_where_the_hub_has_them() -> None:
    names = [("a", "x"), ("b", "x"), ("c", "x"), ("d", "x")]
    rows = [("pooled", *name, "evans") for name in names[:3]]
    rows += [("hub", "b", "x", "noise-aware-z"), ("hub", "d", "x", "noise-aware-z"), ("site", "a", "x", "evans")]
    signals = pl.DataFrame(rows, schema=["view", "drug", "reaction", "rule"], orient="row")
    counts = [(70, 10.0, 100), (200, 100.0, 1000), (69, 10.0, 100), (900, 10.0, 900)]
    pairs = pl.DataFrame(
        [(*name, *count, 1000, 10_000) for name, count in zip(names, counts, strict=True)],
        schema=["drug", "reaction", "n", "expected", "n_drug", "n_reaction", "n_total"],
        orient="row",
    )
    found = found_excesses(signals, pairs)
    assert found.select("drug", "n", "is_found", "is_exact").rows() == [("b", 200, True, True), ("a", 70, False, True)]


def test_rules_on_exact_counts_raise_what_stands_out_and_keep_names_and_cells_together() -> None:
    rows = [
        ("b", "y", 30, 50, 40, 2000),  # one expected
        ("a", "y", 10, 500, 40, 2000),  # ten expected
        ("b", "x", 20, 50, 800, 2000),
        ("a", "x", 200, 500, 800, 2000),
    ]
    pairs = pl.DataFrame(rows, schema=["drug", "reaction", "n", "n_drug", "n_reaction", "n_total"], orient="row")
    assert raised_on_exact(pairs).rows() == [("b", "y", True)]


@pytest.mark.parametrize(("mean_count", "sigma"), [(4.6, 2.66), (46.0, 7.27)])
def test_the_hub_keeps_its_false_discovery_rate_at_one_look(mean_count: float, sigma: float) -> None:
    world = World(mean_count=mean_count, sigma=sigma)
    shares = raised_shares(world, populations=3, random=np.random.default_rng(6))["noise-aware-fdr"]
    raised = shares.raised.sum()
    assert raised >= 25
    # one draw of few pairs: three standard errors of a share above the promise
    assert (shares.false * shares.raised).sum() / raised < 0.05 + 3 * np.sqrt(0.05 * 0.95 / raised)
    assert shares.found.mean() > 0.25
    np.testing.assert_array_equal(shares.false, shares.unplanted)  # nothing else differs from 1
    np.testing.assert_array_equal(shares.ever_raised, shares.raised)


def test_differing_null_ratios_are_found_and_the_pairs_raised_truly_stand_out() -> None:
    world = World(mean_count=46.0, sigma=2.66, heterogeneity=0.4)
    shares = raised_shares(world, populations=1, random=np.random.default_rng(7))["noise-aware-fdr"]
    assert shares.raised[0] > 1000
    assert shares.unplanted[0] > 0.9
    assert shares.false[0] < 0.05


def test_pairs_once_raised_stay_raised_and_the_rate_of_an_era_is_kept() -> None:
    world = World(mean_count=46.0, sigma=7.27, looks=4)
    shares = raised_shares(world, populations=1, random=np.random.default_rng(8))
    one_look, era, bar = (shares[f"noise-aware-{name}"] for name in ("fdr", "fdr-era", "z"))
    for each in (one_look, bar):
        assert each.ever_raised[0] > each.raised[0] > 10
        assert 0.05 < each.ever_false[0] < 0.5
    ever = era.ever_raised[0]
    assert 10 < ever < one_look.ever_raised[0]
    assert era.ever_false[0] < 0.05 + 3 * np.sqrt(0.05 * 0.95 / ever)
