"""The tree-based scan against printed numbers, explicit cuts, enumeration, shuffled reports, and its own promise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import log, prod

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom, poisson

from cases import ParameterError, UnknownTermError
from detectors import Hierarchy
from detectors.likelihood_ratio import log_likelihood_ratio
from detectors.tree_scan import BernoulliCounts, NodeSets, PoissonCounts, TreeScan, tree_scan

# TreeMineR 1.0.3 (R), snapshots of its own tests: exposed and unexposed of a cut, ratio at a chance of 1 / 11
TREEMINER = [
    (122, 669, 16.187145), (132, 782, 13.657855), (241, 1687, 12.268163), (210, 1438, 11.957318),
    (133, 822, 11.797748), (306, 2281, 10.806142), (207, 1452, 10.423109), (114, 712, 9.711722),
    (207, 1483, 9.287006), (109, 690, 8.803335), (49, 360, 1.8956802), (107, 711, 7.0237236),
    (114, 747, 7.9647135), (89, 558, 7.4686450), (60, 419, 3.0926847), (27, 215, 0.5867027),
    (98, 626, 7.6290864), (73, 496, 4.3174359),
]  # fmt: skip


def tree(*rows: tuple[str, str]) -> Hierarchy:
    return Hierarchy.from_rows(*map(list, zip(*rows, strict=True)))


SMALL = tree(("a", "ab"), ("b", "ab"), ("c", "cd"), ("d", "cd"), ("ab", "all"), ("cd", "all"), ("b", "other"))
LEAVES = ("a", "b", "c", "d")
BELOW = {
    "a": "a", "b": "b", "c": "c", "d": "d", "ab": "ab", "cd": "cd", "all": "abcd", "other": "b",
}  # fmt: skip


def leaves(*values: float) -> np.ndarray:
    return SMALL.column(dict(zip(LEAVES, values, strict=True)))


def scan(counts: PoissonCounts | BernoulliCounts, *, seed: int = 1, replications: int = 99) -> TreeScan:
    return tree_scan(NodeSets.of_names(SMALL), counts, random=np.random.default_rng(seed), replications=replications)


def klogk(k: float, mean: float) -> float:
    return k * log(k / mean) if k else 0.0


def explicit(
    name: str, c: list[int], size: list[float], *, chance: float | None, is_poisson: bool, given: bool
) -> float:
    """The ratio of a cut from its definition; `size` is what is expected, or the reports in all."""
    inside = [LEAVES.index(leaf) for leaf in BELOW[name]]
    n, m, total_c, total = sum(c[i] for i in inside), sum(size[i] for i in inside), sum(c), sum(size)
    if is_poisson:
        scale = total_c / total if given else 1.0
        e = m * scale
        if not n > e * (1 + 1e-12):
            return 0.0
        return klogk(n, e) + (klogk(total_c - n, total_c - e) if given else e - n)
    p = total_c / total if given else chance
    assert p is not None
    if m == 0 or not n / m > p + 1e-12:
        return 0.0
    if not given:
        return klogk(n, m * p) + klogk(m - n, m * (1 - p))
    out_c, out = total_c - n, total - m
    split = klogk(n, m) + klogk(m - n, m) + klogk(out_c, out) + klogk(out - out_c, out)
    return split - klogk(total_c, total) - klogk(total - total_c, total)


def test_ratios_are_those_printed_by_treeminer() -> None:
    flat = tree(*((f"cut {number:02}", "all") for number in range(len(TREEMINER))))
    names = [f"cut {number:02}" for number in range(len(TREEMINER))]
    exposed = flat.column({name: row[0] for name, row in zip(names, TREEMINER, strict=True)})
    total = flat.column({name: row[0] + row[1] for name, row in zip(names, TREEMINER, strict=True)})
    counts = BernoulliCounts(exposed, total, chance=1 / 11)
    found = tree_scan(NodeSets.of_names(flat), counts, random=np.random.default_rng(1), replications=9)
    for name, (_, _, ratio) in zip(names, TREEMINER, strict=True):
        cut = found.at(name)
        assert cut is not None
        assert cut.llr == pytest.approx(ratio, abs=6e-7)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=4, max_size=4), st.booleans())
def test_bernoulli_ratios_are_those_of_explicit_cuts(rows: list[tuple[int, int]], given: bool) -> None:
    drug, total = [row[0] for row in rows], [sum(row) for row in rows]
    if not sum(total):
        return
    found = scan(BernoulliCounts(leaves(*drug), leaves(*total), chance=None if given else 0.3), replications=1)
    for name in BELOW:
        cut = found.at(name)
        ratio = explicit(name, drug, [float(n) for n in total], chance=0.3, is_poisson=False, given=given)
        if cut is None or np.isnan(cut.llr):
            assert ratio == 0
        else:
            assert cut.llr == pytest.approx(ratio, abs=1e-9)
            assert cut.observed == sum(drug[LEAVES.index(leaf)] for leaf in BELOW[name])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.floats(0.01, 20)), min_size=4, max_size=4),
    st.booleans(),
)
def test_poisson_ratios_are_those_of_explicit_cuts(rows: list[tuple[int, float]], given: bool) -> None:
    seen, means = [row[0] for row in rows], [row[1] for row in rows]
    if given and not sum(seen):
        return
    found = scan(PoissonCounts(leaves(*seen), leaves(*means), is_conditional=given), replications=1)
    for name in BELOW:
        cut = found.at(name)
        assert cut is not None
        ratio = explicit(name, seen, means, chance=None, is_poisson=True, given=given)
        assert cut.llr == pytest.approx(ratio, abs=1e-9)
    ratios = [cut.llr for cut in found.cuts]
    assert ratios == sorted(ratios, reverse=True)


TOTAL, MEANS, C = [4, 3, 2, 3], [1.5, 0.6, 0.4, 1.0], [3, 2, 0, 1]


def exact(
    law: Callable[[tuple[int, ...]], float], ratio_of: Callable[[tuple[int, ...]], float], top: list[int]
) -> float:
    """Chance that the largest ratio is no less than that of C, by adding up every outcome."""
    least = ratio_of(tuple(C)) - 1e-9
    every = product(*(range(each + 1) for each in top))
    return sum(law(outcome) for outcome in every if ratio_of(outcome) >= least)


def largest(*, is_poisson: bool, given: bool) -> Callable[[tuple[int, ...]], float]:
    size = MEANS if is_poisson else [float(n) for n in TOTAL]
    return lambda c: max(
        explicit(name, list(c), size, chance=0.4, is_poisson=is_poisson, given=given) for name in BELOW
    )


def multivariate(c: tuple[int, ...]) -> float:
    """Chance of c reports of the drug among each leaf's, given their number."""
    if sum(c) != sum(C):
        return 0.0
    left, drug, chance = sum(TOTAL), sum(C), 1.0
    for n, total in zip(c, TOTAL, strict=True):
        chance *= float(hypergeom.pmf(n, left, drug, total))
        left, drug = left - total, drug - n
    return chance


def multinomial(c: tuple[int, ...]) -> float:
    if sum(c) != sum(C):
        return 0.0
    together = float(poisson.pmf(sum(C), sum(MEANS)))
    return prod(float(poisson.pmf(n, mean)) for n, mean in zip(c, MEANS, strict=True)) / together


@pytest.mark.parametrize("model", ["bernoulli", "bernoulli given", "poisson", "poisson given"])
def test_the_chance_is_that_of_all_outcomes_added_up(model: str) -> None:
    given, is_poisson = model.endswith("given"), model.startswith("poisson")
    ratio_of = largest(is_poisson=is_poisson, given=given)
    if is_poisson:
        counts: PoissonCounts | BernoulliCounts = PoissonCounts(leaves(*C), leaves(*MEANS), is_conditional=given)
        each = [[float(poisson.pmf(k, mean)) for k in range(15)] for mean in MEANS]
        law = multinomial if given else (lambda c: prod(row[n] for row, n in zip(each, c, strict=True)))
        chance = exact(law, ratio_of, [sum(C)] * 4 if given else [10, 8, 8, 9])
    else:
        counts = BernoulliCounts(leaves(*C), leaves(*TOTAL), chance=None if given else 0.4)
        each = [[float(binom.pmf(k, n, 0.4)) for k in range(n + 1)] for n in TOTAL]
        law = multivariate if given else (lambda c: prod(row[n] for row, n in zip(each, c, strict=True)))
        chance = exact(law, ratio_of, TOTAL)
    found = scan(counts, replications=20_000).cuts[0]
    assert found.llr == pytest.approx(ratio_of(tuple(C)), abs=1e-9)
    assert 0.01 < chance < 0.9
    assert found.p == pytest.approx(chance, abs=5 * np.sqrt(chance * (1 - chance) / 20_000) + 2e-4)


def test_a_single_name_is_the_plain_test_and_its_parent_is_the_same_cut() -> None:
    one = tree(("leaf", "middle"), ("middle", "top"))
    random = np.random.default_rng(3)
    counts = PoissonCounts(one.column({"leaf": 9}), one.column({"leaf": 4.2}))
    found = tree_scan(NodeSets.of_names(one), counts, random=random, replications=20_000)
    (cut,) = found.cuts
    assert (cut.name, cut.same_as, cut.level) == ("leaf", ("middle", "top"), 3)
    assert found.at("top") is cut
    assert cut.llr == pytest.approx(float(log_likelihood_ratio(9, 4.2)), rel=1e-12)
    assert cut.p == pytest.approx(float(poisson.sf(8, 4.2)), abs=0.006)
    matched = BernoulliCounts(one.column({"leaf": 9}), one.column({"leaf": 12}), chance=0.5)
    (cut,) = tree_scan(NodeSets.of_names(one), matched, random=random, replications=20_000).cuts
    assert cut.p == pytest.approx(float(binom.sf(8, 12, 0.5)), abs=0.008)


def test_p_is_uniform_where_there_is_nothing_to_find() -> None:
    random, runs = np.random.default_rng(20), 400
    rows = [(f"leaf {i}", f"group {i % 6}") for i in range(24)] + [(f"group {i}", "all") for i in range(6)]
    wide = tree(*rows)
    expected = np.where(wide.is_leaf, 6.0, 0.0)
    sets = NodeSets.of_names(wide)
    found = []
    for _ in range(runs):
        counts = PoissonCounts(random.poisson(expected), expected)
        found.append(tree_scan(sets, counts, random=random, replications=199).cuts[0].p)
    for share in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9):
        error = 4 * np.sqrt(share * (1 - share) / runs)
        assert share - error - 0.02 <= np.mean(np.array(found) <= share) <= share + error


def test_a_baseline_as_long_as_the_period_must_not_be_taken_as_exact() -> None:
    """Two periods alike: the counts of the first as an expectation raise alarms, both as drug and comparator do not."""
    rows = [(f"leaf {i}", f"group {i % 5}") for i in range(20)] + [(f"group {i}", "all") for i in range(5)]
    wide = tree(*rows)
    sets, random, runs = NodeSets.of_names(wide), np.random.default_rng(14), 200
    exact, beside = 0, 0
    for _ in range(runs):
        then, now = (np.where(wide.is_leaf, random.poisson(8.0, len(wide.names)), 0) for _ in range(2))
        scan_exact = tree_scan(sets, PoissonCounts(now, then), random=random, replications=99)
        scan_beside = tree_scan(sets, BernoulliCounts(now, now + then, chance=0.5), random=random, replications=99)
        exact += scan_exact.cuts[0].p <= 0.05
        beside += scan_beside.cuts[0].p <= 0.05
    assert exact / runs > 0.3
    assert beside / runs <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)


def test_a_planted_excess_is_found_at_its_branch_and_not_elsewhere() -> None:
    rows = [(f"leaf {i:02}", f"group {i // 5}") for i in range(40)] + [
        (f"group {i}", f"class {i // 4}") for i in range(8)
    ]
    wide = tree(*rows, ("class 0", "all"), ("class 1", "all"))
    expected = np.where(wide.is_leaf, 4.0, 0.0)
    planted = np.array([f"leaf {i:02}" for i in range(10, 15)])  # all of group 2, each too weak to be seen alone
    rate = np.where(np.isin(wide.names, planted), 2.5, 1.0)
    random, hits = np.random.default_rng(8), 0
    for _ in range(30):
        counts = PoissonCounts(random.poisson(expected * rate), expected)
        found = tree_scan(NodeSets.of_names(wide), counts, random=random, replications=199)
        hits += found.cuts[0].name == "group 2" and found.cuts[0].p <= 0.05
        elsewhere = [found.at(f"group {i}") for i in (0, 1, 3, 4, 5, 6, 7)] + [found.at("class 1")]
        assert min(cut.p for cut in elsewhere if cut) > 0.005
    assert hits >= 27


def test_many_reactions_of_one_report_are_one_report() -> None:
    """Every report names all four reactions: four cuts and those above are one, and chance is that of one test."""
    table = pl.DataFrame({"case_id": [str(i // 4) for i in range(80)], "reaction": list(LEAVES) * 20})
    sets, cases = NodeSets.of_reports(SMALL, table["case_id"], table["reaction"])
    assert sets.incidence.shape[0] == 1
    assert sets.names_of(0) == tuple(sorted(BELOW))
    assert cases["set"].to_list() == [0] * 20
    found = tree_scan(
        sets, BernoulliCounts([15], [20], chance=0.5), random=np.random.default_rng(5), replications=20_000
    )
    (cut,) = found.cuts
    assert (cut.observed, cut.expected, len(cut.same_as)) == (15, 10.0, 7)
    assert cut.p == pytest.approx(float(binom.sf(14, 20, 0.5)), abs=0.006)


def reports(seed: int) -> tuple[list[str], list[str], np.ndarray]:
    """Reports of one to four reactions, rows shuffled and some double; and which are of the drug."""
    random = np.random.default_rng(seed)
    named = [random.choice(list(BELOW), size=random.integers(1, 5), replace=False) for _ in range(30)]
    rows = [(str(case), str(name)) for case, names in enumerate(named) for name in names] * 2
    order = random.permutation(len(rows))
    return [rows[i][0] for i in order], [rows[i][1] for i in order], random.random(30) < 0.4


def covered(case_id: list[str], reaction: list[str]) -> dict[str, set[int]]:
    at: dict[str, set[int]] = {name: set() for name in BELOW}
    for case, name in zip(case_id, reaction, strict=True):
        for above in (name, *SMALL.ancestors(name)):
            at[above].add(int(case))
    return at


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reports_are_dealt_anew_whole(seed: int) -> None:
    """The same chance as shuffling, report by report, which of them are of the drug."""
    case_id, reaction, is_drug = reports(seed)
    sets, cases = NodeSets.of_reports(SMALL, case_id, reaction)
    number, of_case = cases["set"].to_numpy(), cases["case_id"].cast(pl.Int64).to_numpy()
    size = sets.incidence.shape[0]
    drug = np.bincount(number[is_drug[of_case]], minlength=size)
    counts = BernoulliCounts(drug, np.bincount(number, minlength=size), chance=None)
    found = tree_scan(sets, counts, random=np.random.default_rng(seed), replications=4_999)
    at = covered(case_id, reaction)

    def ratios(label: np.ndarray) -> dict[str, float]:
        inside = {name: (int(label[list(who)].sum()), len(who)) for name, who in at.items()}
        drugs, total = int(label.sum()), len(label)
        result = {}
        for name, (n, m) in inside.items():
            out_c, out = drugs - n, total - m
            split = klogk(n, m) + klogk(m - n, m) + klogk(out_c, out) + klogk(out - out_c, out) if m else 0.0
            none = klogk(drugs, total) + klogk(total - drugs, total)
            result[name] = split - none if n * total > m * drugs else 0.0
        return result

    mine = ratios(is_drug)
    for name, ratio in mine.items():
        cut = found.at(name)
        assert (cut.llr if cut else 0.0) == pytest.approx(ratio, abs=1e-9)
        assert cut is None or cut.observed == int(is_drug[list(at[name])].sum())
    random = np.random.default_rng(100 + seed)
    least = max(mine.values()) - 1e-9
    above = np.mean([max(ratios(random.permutation(is_drug)).values()) >= least for _ in range(2_000)])
    assert found.cuts[0].p == pytest.approx(above, abs=5 * np.sqrt(0.25 / 2_000) * 1.2)


def test_new_rows_at_the_end_leave_the_sets_as_they_are() -> None:
    case_id, reaction, _ = reports(4)
    sets, cases = NodeSets.of_reports(SMALL, case_id, reaction)
    more, all_cases = NodeSets.of_reports(SMALL, [*case_id, "x", "x"], [*reaction, "a", "c"])
    assert all_cases.head(len(cases)).equals(cases)
    size = sets.incidence.shape[0]
    np.testing.assert_array_equal(more.incidence.toarray()[:size], sets.incidence.toarray())


def test_nothing_seen_has_a_ratio_of_0_and_a_chance_of_1() -> None:
    found = scan(PoissonCounts(leaves(0, 0, 0, 0), leaves(1, 2, 3, 4)))
    assert {(cut.llr, cut.p) for cut in found.cuts} == {(0.0, 1.0)}
    assert found.cuts[0].level == 3  # at equal ratios the lowest


def test_what_was_never_expected_is_not_tested_but_counts_above() -> None:
    found = scan(PoissonCounts(leaves(1, 5, 0, 0), leaves(3, 0, 2, 1)))
    cut, above = found.at("b"), found.at("ab")
    assert cut is not None and above is not None
    assert (cut.observed, cut.expected, cut.same_as) == (5, 0.0, ("other",))
    assert np.isnan(cut.llr) and np.isnan(cut.p)
    assert (above.observed, above.expected) == (6, 3.0)
    assert found.cuts[-1] is cut


def test_the_same_seed_gives_the_same_result_and_p_is_never_0() -> None:
    counts = PoissonCounts(leaves(50, 1, 1, 1), leaves(1, 1, 1, 1))
    assert scan(counts) == scan(counts)
    assert scan(counts).cuts[0].p == 0.01


def test_names_that_stand_in_two_branches_count_once_above_both() -> None:
    twice = tree(("x", "one"), ("x", "two"), ("one", "top"), ("two", "top"), ("y", "top"))
    counts = PoissonCounts(twice.column({"x": 3, "y": 1}), twice.column({"x": 1, "y": 2}))
    found = tree_scan(NodeSets.of_names(twice), counts, random=np.random.default_rng(1), replications=9)
    top = found.at("top")
    assert top is not None and (top.observed, top.expected) == (4, 3.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PoissonCounts([1, -1], [1, 1]), r"observed must be whole numbers of at least 0, not -1 \(set 1\)"),
        (lambda: PoissonCounts([1, np.nan], [1, 1]), r"observed must be whole numbers .* not nan \(set 1\)"),
        (lambda: PoissonCounts([1, 2.5], [1, 1]), r"not 2.5"),
        (lambda: PoissonCounts([[1]], [1]), "observed must have one dimension, not 2"),
        (lambda: PoissonCounts([1, 1], [1, np.inf]), r"expected must be finite and at least 0, not inf \(set 1\)"),
        (lambda: PoissonCounts([1, 1], [1]), "one length, not observed 2, expected 1"),
        (lambda: PoissonCounts([1, 1], [0, 0]), "nothing is expected of any set"),
        (
            lambda: PoissonCounts([1, 1], [0, 1], is_conditional=True),
            r"observed has 1 where nothing is expected \(set 0",
        ),
        (lambda: BernoulliCounts([2], [1], chance=0.5), r"observed must not be above total, not 2 of 1 \(set 0\)"),
        (lambda: BernoulliCounts([0], [1], chance=np.nan), r"chance must lie in \(0, 1\), not nan"),
        (lambda: BernoulliCounts([0], [0], chance=None), "total must sum to at least 1"),
        (lambda: scan(PoissonCounts([1], [1])), "counts must have 8 values, a set each, not 1"),
        (
            lambda: scan(PoissonCounts(leaves(1, 1, 1, 1), leaves(1, 1, 1, 1)), replications=0),
            "replications must be at",
        ),
        (lambda: NodeSets.of_reports(SMALL, ["1"], ["a", "b"]), "one length, not case_id 1, reaction 2"),
        (lambda: NodeSets.of_reports(SMALL, ["1", None], ["a", "b"]), "every row must have a case_id"),
        (lambda: NodeSets.of_reports(SMALL, [], []), "there is no report"),
    ],
)
def test_bad_input_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()


def test_a_misspelt_name_is_refused() -> None:
    with pytest.raises(UnknownTermError, match="'other'"):
        NodeSets.of_reports(SMALL, ["1"], ["othr"])
