"""Triples against counting them one by one, Omega against published numbers, closed forms, limits and a null world."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma, norm

from cases import ParameterError, UnknownTermError
from detectors.interaction import NormalOmegaShrinkage, OmegaShrinkage, ReportIndex, TripleArrays
from detectors.interaction.omega_shrinkage import expected_of_both

Report = tuple[frozenset[str], frozenset[str]]
COUNTS = ("n_111", "n_11", "n_101", "n_10", "n_011", "n_01", "n_001", "n_00")

report_lists = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from("abcde"), min_size=1, max_size=4),
        st.frozensets(st.sampled_from("xyz"), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=25,
)


def rows_of(reports: list[Report]) -> list[tuple[int, str, str]]:
    return [(case, d, r) for case, (drugs, reactions) in enumerate(reports) for d in drugs for r in reactions]


def index_of(rows: list[tuple[int, str, str]]) -> ReportIndex:
    case, drug, reaction = ([row[column] for row in rows] for column in range(3))
    return ReportIndex(case, drug, reaction)


def by_hand(reports: list[Report], least: int) -> dict[tuple[str, str, str], tuple[int, ...]]:
    """All triples that enough reports hold, each by looking at every report."""
    found = {}
    for one, two in itertools.combinations("abcde", 2):
        for reaction in "xyz":
            groups = [
                [reaction in reactions for drugs, reactions in reports if (one in drugs, two in drugs) == group]
                for group in ((True, True), (True, False), (False, True), (False, False))
            ]
            if sum(groups[0]) >= least:
                found[one, two, reaction] = tuple(number for group in groups for number in (sum(group), len(group)))
    return found


def as_dict(arrays: TripleArrays) -> dict[tuple[str, str, str], tuple[int, ...]]:
    names = zip(arrays.drug1, arrays.drug2, arrays.reaction, strict=True)
    counts = zip(*(getattr(arrays, name).tolist() for name in COUNTS), strict=True)
    return dict(zip(names, counts, strict=True))


def one_row(**counts: float) -> TripleArrays:
    zero = np.zeros(1, dtype=np.int64)
    return TripleArrays(("a", "b"), ("x",), zero, zero + 1, zero, *(np.array([counts[name]]) for name in COUNTS))


# --- counting -------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(report_lists, st.integers(1, 4), st.sampled_from([1, 2, 5, 17, 10**6]))
def test_triples_are_those_counted_by_hand(reports: list[Report], least: int, rows_at_once: int) -> None:
    arrays = index_of(rows_of(reports)).triples(minimum_reports=least, rows_at_once=rows_at_once)
    expected = by_hand(reports, least)
    assert as_dict(arrays) == expected
    assert list(as_dict(arrays)) == sorted(expected)
    assert all(getattr(arrays, name).dtype == np.int64 for name in COUNTS)


@settings(max_examples=30)
@given(report_lists, st.randoms(use_true_random=False))
def test_order_and_repetition_are_irrelevant(reports: list[Report], random: Random) -> None:
    rows = rows_of(reports)
    mixed = [*rows, *rows[::2]]
    random.shuffle(mixed)
    assert as_dict(index_of(mixed).triples(minimum_reports=1)) == as_dict(index_of(rows).triples(minimum_reports=1))


@settings(max_examples=40)
@given(report_lists)
def test_one_equals_many_in_either_order_of_the_drugs(reports: list[Report]) -> None:
    index = index_of(rows_of(reports))
    arrays = index.triples(minimum_reports=1)
    names = list(zip(arrays.drug1, arrays.drug2, arrays.reaction, strict=True))
    assert as_dict(index.triples_of(names)) == as_dict(arrays)
    for measure in (OmegaShrinkage(level=0.9), NormalOmegaShrinkage(level=0.9)):
        for row, (one, two, reaction) in zip(measure.score_many(arrays), names, strict=True):
            there, back = (measure.score_one(index, *pair, reaction) for pair in ((one, two), (two, one)))
            np.testing.assert_array_equal([there.point, there.lower, there.upper], row)
            np.testing.assert_allclose([back.point, back.lower, back.upper], row, rtol=1e-12)


def test_a_report_s_drugs_meet_all_its_reactions() -> None:
    """Rows of one drug each, as where a report says which drug it suspects of what."""
    index = index_of([(1, "a", "x"), (1, "b", "y"), (2, "a", "x")])
    assert as_dict(index.triples(minimum_reports=1)) == {
        ("a", "b", "x"): (1, 1, 1, 1, 0, 0, 0, 0),
        ("a", "b", "y"): (1, 1, 0, 1, 0, 0, 0, 0),
    }


def test_a_triple_that_no_report_holds_can_be_asked_for() -> None:
    index = index_of([(1, "a", "x"), (2, "b", "y"), (3, "c", "y")])
    assert as_dict(index.triples_of([("a", "b", "x")])) == {("a", "b", "x"): (0, 0, 1, 1, 0, 1, 0, 1)}
    assert len(index.triples(minimum_reports=1)) == 0
    assert len(ReportIndex([], [], []).triples(minimum_reports=1)) == 0
    assert len(index.triples_of([])) == 0


def test_errors_name_what_is_wrong() -> None:
    index = index_of([(1, "warfarin", "bleeding"), (1, "aspirin", "bleeding")])
    with pytest.raises(UnknownTermError, match=r"no report names the drug 'asprin' \(the nearest are 'aspirin'\)"):
        index.triples_of([("warfarin", "asprin", "bleeding")])
    with pytest.raises(UnknownTermError, match=r"the reaction 'zzz'"):
        index.triples_of([("warfarin", "aspirin", "zzz")])
    with pytest.raises(ParameterError, match="the two drugs must differ, not both be 'aspirin'"):
        index.triples_of([("aspirin", "aspirin", "bleeding")])
    for least in (0, -1, math.nan):
        with pytest.raises(ParameterError, match="minimum_reports must be at least 1"):
            index.triples(minimum_reports=least)  # type: ignore[arg-type]  # NaN on purpose
    with pytest.raises(ParameterError, match="rows_at_once must be at least 1, not 0"):
        index.triples(minimum_reports=1, rows_at_once=0)
    with pytest.raises(ParameterError, match="column drug has no value in row 3"):
        ReportIndex([1, 2], ["a", " "], ["x", "y"], first_row=2)
    with pytest.raises(ParameterError, match="column reaction has no value in any row"):
        ReportIndex([1, 2], ["a", "b"], ["NA", None])
    with pytest.raises(ParameterError, match="columns must have one length"):
        ReportIndex([1, 2], ["a"], ["x", "y"])
    for level in (0, 1, math.nan):
        with pytest.raises(ParameterError, match=r"level must lie in \(0, 1\)"):
            OmegaShrinkage(level=level)


# --- the measure ----------------------------------------------------------------------------------------------------


def test_the_example_of_the_paper() -> None:
    """Itraconazole, oral contraceptives, delayed bleeding; limits as in the tests of the authors' own R package."""
    arrays = one_row(n_111=10, n_11=23, n_101=0, n_10=10, n_011=9, n_01=1466, n_001=20, n_00=4004)
    assert OmegaShrinkage(level=0.95).expected_many(arrays)[0] == pytest.approx(0.141200545702593, rel=1e-13)
    omega = OmegaShrinkage(level=0.95).score_many(arrays)[0]
    assert omega == pytest.approx([4.03346986434757, 3.00332741843529, 4.79004083721906], rel=1e-13)
    half = 1.959963984540054 / (math.log(2) * math.sqrt(10))
    normal = NormalOmegaShrinkage(level=0.95).score_many(arrays)[0]
    assert normal == pytest.approx([omega[0], omega[0] - half, omega[0] + half], rel=1e-13)


@pytest.mark.shared_data
def test_the_published_triple_of_the_diana_sample(shared_data: Path) -> None:
    """From reports to the numbers that DiAna's documentation prints."""
    drug = pl.read_csv(shared_data / "faers" / "diana_sample" / "Drug.csv", infer_schema=False)
    reaction = pl.read_csv(shared_data / "faers" / "diana_sample" / "Reac.csv", infer_schema=False)
    rows = drug.with_columns(pl.col("substance").fill_null("not coded")).join(reaction, on="primaryid")
    index = ReportIndex(rows["primaryid"], rows["substance"], rows["pt"])
    assert index.report_count == 1000
    arrays = index.triples_of([("paracetamol", "ibuprofen", "overdose")])
    assert list(as_dict(arrays).values()) == [(0, 6, 5, 45, 0, 9, 10, 940)]
    assert OmegaShrinkage(level=0.95).expected_many(arrays)[0] == pytest.approx(0.6666667, abs=5e-8)
    omega = OmegaShrinkage(level=0.95).score_many(arrays)[0]
    assert omega == pytest.approx([-1.222392, -11.21428, 1.106411], abs=5e-6)


shares = st.tuples(*[st.tuples(st.integers(0, 30), st.integers(1, 60))] * 4)


@settings(max_examples=80)
@given(shares)
def test_the_formula_as_printed(counts: tuple[tuple[int, int], ...]) -> None:
    (n_111, n_110), (n_101, n_100), (n_011, n_010), (n_001, n_000) = counts
    n_11, n_10, n_01, n_00 = n_111 + n_110, n_101 + n_100, n_011 + n_010, n_001 + n_000
    f_10, f_01, f_00 = n_101 / n_10, n_011 / n_01, n_001 / n_00
    odds_10, odds_01, odds_00 = f_10 / (1 - f_10), f_01 / (1 - f_01), f_00 / (1 - f_00)
    g_11 = 1 - 1 / (max(odds_00, odds_10) + max(odds_00, odds_01) - odds_00 + 1)
    arrays = one_row(n_111=n_111, n_11=n_11, n_101=n_101, n_10=n_10, n_011=n_011, n_01=n_01, n_001=n_001, n_00=n_00)
    point, lower, upper = OmegaShrinkage(level=0.8).score_many(arrays)[0]
    expected = g_11 * n_11
    assert point == pytest.approx(math.log2((n_111 + 0.5) / (expected + 0.5)), abs=1e-12)
    posterior = gamma(n_111 + 0.5, scale=1 / (expected + 0.5))
    assert [lower, upper] == pytest.approx(np.log2(posterior.ppf([0.1, 0.9])), abs=1e-9)
    assert not lower > upper
    normal = NormalOmegaShrinkage(level=0.8).score_many(arrays)[0]
    width = norm.ppf(0.9) / (math.log(2) * math.sqrt(n_111)) if n_111 else math.inf
    assert normal == pytest.approx([point, point - width, point + width], abs=1e-12)


BASE = {"n_111": 6, "n_11": 20, "n_101": 5, "n_10": 100, "n_011": 8, "n_01": 200, "n_001": 30, "n_00": 3000}


def both(**counts: float) -> float:
    changed = BASE | counts
    return float(expected_of_both(*(changed[name] for name in COUNTS[1:])))


def test_a_share_of_zero_is_a_share() -> None:
    assert both(n_101=0, n_011=0, n_001=0) == 0
    assert both(n_101=0, n_001=0) == pytest.approx(20 * 8 / 200)  # the other drug's share alone
    assert both(n_011=0, n_001=0) == pytest.approx(20 * 5 / 100)
    zero = one_row(**(BASE | {"n_101": 0, "n_011": 0, "n_001": 0}))
    assert OmegaShrinkage(level=0.95).score_many(zero)[0, 0] == pytest.approx(math.log2(6.5 / 0.5))


def test_a_drug_that_seems_to_protect_counts_as_one_that_does_nothing() -> None:
    assert both(n_101=0) == both(n_101=1) == pytest.approx(20 * 8 / 200)  # 1 % is the background
    assert both(n_101=0, n_011=0) == pytest.approx(20 * 30 / 3000)


@pytest.mark.parametrize(
    "counts",
    [
        {"n_111": 0, "n_11": 0}, {"n_101": 0, "n_10": 0}, {"n_011": 0, "n_01": 0}, {"n_001": 0, "n_00": 0},
        {"n_101": 100}, {"n_011": 200}, {"n_001": 3000}, {"n_101": -1}, {"n_10": math.nan}, {"n_00": math.inf},
        {"n_101": 101}, {"n_11": math.inf},
    ],
)  # fmt: skip
def test_no_baseline_is_no_number(counts: dict[str, float]) -> None:
    """An empty group, a group whose reports all have the reaction, and what are no counts."""
    arrays = one_row(**(BASE | counts))
    for measure in (OmegaShrinkage(level=0.95), NormalOmegaShrinkage(level=0.95)):
        assert np.isnan(measure.score_many(arrays)).all()


def test_all_reports_of_both_with_the_reaction_are_a_share_too() -> None:
    omega = OmegaShrinkage(level=0.95).score_many(one_row(**(BASE | {"n_111": 20})))[0]
    assert np.isfinite(omega).all()
    assert omega[1] > OmegaShrinkage(level=0.95).score_many(one_row(**BASE))[0, 1]


def test_without_a_report_the_normal_limits_are_infinite_and_the_gamma_limits_are_not() -> None:
    arrays = one_row(**(BASE | {"n_111": 0}))
    assert NormalOmegaShrinkage(level=0.95).score_many(arrays)[0, 1:].tolist() == [-math.inf, math.inf]
    assert np.isfinite(OmegaShrinkage(level=0.95).score_many(arrays)).all()


def test_variants_are_named_and_columns_differ() -> None:
    assert OmegaShrinkage.variant != NormalOmegaShrinkage.variant
    assert not set(OmegaShrinkage.columns) & set(NormalOmegaShrinkage.columns)


def world(random: np.random.Generator, *, added: float, is_correlated: bool, together: float = 0) -> TripleArrays:
    """Triples of one reaction in 4,000 reports of 12 drugs, whose odds each drug adds up to `added` to.

    `together` is added to the odds of the drugs d1 and d2 in one report; drugs come in classes or independently.
    """
    reports, drugs = 4_000, 12
    likely = np.full((reports, drugs), 0.12)
    if is_correlated:
        likely = np.where((random.random((reports, 4)) < 0.12).repeat(3, axis=1), 0.5, 0.08)
    taken = random.random((reports, drugs)) < likely
    taken[:, 0] |= ~taken.any(axis=1)
    odds = 0.03 + taken @ np.linspace(0, added, drugs) + together * (taken[:, 1] & taken[:, 2])
    has = random.random(reports) < odds / (1 + odds)
    case, drug = np.nonzero(taken)
    index = ReportIndex(case, np.char.add("d", drug.astype(str)), np.where(has, "reaction", "another")[case])
    names = [(f"d{one}", f"d{two}", "reaction") for one, two in itertools.combinations(range(drugs), 2)]
    return index.triples_of(names)


@pytest.mark.parametrize(("added", "is_correlated"), [(0, False), (0.12, False), (0.12, True)])
def test_a_world_without_interaction_is_seldom_flagged(added: float, is_correlated: bool) -> None:
    """Claimed: one pair in forty. The gamma limit flags fewer; the normal one up to twice as many."""
    random = np.random.default_rng(20250301)
    triples = [world(random, added=added, is_correlated=is_correlated) for _ in range(25)]
    by_gamma, by_normal = (
        np.concatenate([measure.score_many(each)[each.n_111 >= 3, 1] > 0 for each in triples])
        for measure in (OmegaShrinkage(level=0.95), NormalOmegaShrinkage(level=0.95))
    )
    assert len(by_gamma) > 300
    assert by_gamma.mean() <= 0.025
    assert by_gamma.mean() < by_normal.mean() <= 0.06


def test_an_interaction_is_found_and_alone() -> None:
    triples = world(np.random.default_rng(4), added=0.02, is_correlated=False, together=0.6)
    lower = OmegaShrinkage(level=0.95).score_many(triples)[:, 1]
    best = int(np.argmax(lower))
    assert (triples.drug1[best], triples.drug2[best]) == ("d1", "d2")
    assert lower[best] > 1
    assert (np.delete(lower, best) > 0).mean() <= 0.05
