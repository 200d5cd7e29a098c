"""Traps that other tools have fallen into: the ones no test beside stands for, and that the list of all is true.

docs/statistics.md lists every trap with the tests that fail where it is fallen into.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, product
from math import comb, prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import gamma, poisson

from detectors import CountTable, MantelHaenszel, fit_gamma_mixture, score_all
from detectors.cell import Cell
from detectors.information_component import information_component
from detectors.likelihood_ratio import likelihood_ratio_test, log_likelihood_ratio
from detectors.multiplicity import benjamini_hochberg
from detectors.normal_information_component import normal_information_component
from detectors.rules import parse_rules
from detectors.score import MEASURE_NAMES
from detectors.sequential import binomial_max_sprt, poisson_max_sprt

ROOT = Path(__file__).parents[2]


def listed() -> dict[str, list[tuple[str, str]]]:
    """The table of the page: number of the trap, and the tests named beside it as (file, test)."""
    section = (ROOT / "docs" / "statistics.md").read_text("utf-8").partition("### Traps")[2]
    rows = re.findall(r"^\| (\d+) \|.*$", section, re.MULTILINE)
    lines = [line for line in section.splitlines() if re.match(r"\| \d+ \|", line)]
    return {row: re.findall(r"`(test_\w+\.py)::(test_\w+)`", line) for row, line in zip(rows, lines, strict=True)}


def test_the_list_has_every_trap_with_tests_that_exist() -> None:
    traps = listed()
    assert list(traps) == [str(number) for number in range(1, 16)]
    defined = {
        path.name: {
            node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)
        }
        for path in (ROOT / "tests").rglob("test_*.py")
    }
    for number, tests in traps.items():
        assert tests, number
        assert [(file, test) for file, test in tests if test not in defined.get(file, set())] == []


@pytest.mark.parametrize("is_known", [False, True], ids=["new names", "names already known"])
def test_a_report_counts_once_whatever_it_repeats(is_known: bool) -> None:
    table = CountTable()
    if is_known:
        table.update(["aspirin", "warfarin"], ["rash", "nausea"])
    table.update(["aspirin", "aspirin", "warfarin"], ["rash", "nausea", "rash"])
    count = 2 if is_known else 1
    assert table.pair("aspirin", "rash") == Cell(count, count, count, count)
    columns = CountTable.from_reports(["1"] * 3, ["aspirin"] * 3, ["rash", "nausea", "rash"])
    assert columns.pair("aspirin", "rash") == Cell(1, 1, 1, 1)  # two reactions are two pairs and one report of the drug


@settings(max_examples=200)
@given(st.integers(0, 300), st.floats(0.05, 200), st.floats(0.2, 8), st.sampled_from([0.8, 0.9, 0.95]))
def test_the_limit_of_the_ic_is_of_base_2_at_any_null_ratio(
    n: int, expected: float, ratio: float, level: float
) -> None:
    """A wrong base shows at no null ratio but 1, where the logarithm is 0 in every base."""
    lower = information_component(n, expected, level=level)[1]
    above = float(gamma.sf(ratio, n + 0.5, scale=1 / (expected + 0.5)))  # posterior chance that the ratio is above
    assume(abs(above - (1 + level) / 2) > 1e-6)
    assert (lower > np.log2(ratio)) == (above > (1 + level) / 2)
    rule = parse_rules(
        f'[doubt]\ntitle = "t"\nsource = "s"\nsource_date = 2026-01-01\n'
        f'conditions = [{{column = "ic_lower", above = {float(np.log2(ratio))!r}}}]\n'
    )["doubt"]
    assert rule.flags({"ic_lower": np.array([lower])}).tolist() == [above > (1 + level) / 2]


def test_many_reports_have_the_ic_of_their_ratio_in_base_2_and_the_llr_in_base_e() -> None:
    n, expected = 4_000_000, 500_000.0
    assert information_component(n, expected, level=0.95)[0] == pytest.approx(3, abs=1e-5)
    assert normal_information_component(n, 40_000_000, 50_000_000, 4_000_000_000, level=0.95)[0] == pytest.approx(
        3, abs=1e-3
    )
    for null in (0.5, 3.0):  # against a null ratio other than 1
        mean = null * 40.0
        ratio = float(poisson.logpmf(200, 200) - poisson.logpmf(200, mean))
        assert float(log_likelihood_ratio(200, mean)) == pytest.approx(ratio, rel=1e-9)


def test_a_chance_by_draws_is_a_rank_never_0_and_the_seeds_alone() -> None:
    """The excess is beyond every draw: its chance is that of the first of 100, not 0; and with 19 draws 0.05."""
    arrays = CountTable.from_counts([("a", "x", 900), ("a", "y", 9), ("b", "x", 9), ("b", "y", 900)]).arrays()
    for draws in (19, 99):
        first, again, other = (
            likelihood_ratio_test(arrays, random=np.random.default_rng(seed), bootstraps=draws).p for seed in (1, 1, 2)
        )
        assert first[0] == 1 / (draws + 1)
        np.testing.assert_array_equal(first, again)
        assert set(np.round((draws + 1) * np.concatenate([first, other]), 9)) <= set(range(1, draws + 2))


Outcome = tuple[tuple[int, ...], float]  # counts at the looks, and their chance


def poisson_outcomes(sizes: tuple[int, ...]) -> Iterator[Outcome]:
    for steps in product(range(22), repeat=len(sizes)):
        yield tuple(accumulate(steps)), prod(float(POISSON[size][n]) for size, n in zip(sizes, steps, strict=True))


def binomial_outcomes(sizes: tuple[int, ...]) -> Iterator[Outcome]:
    for steps in product(*(range(size + 1) for size in sizes)):
        yield tuple(accumulate(steps)), prod(comb(size, n) / 2**size for size, n in zip(sizes, steps, strict=True))


POISSON = {size: poisson.pmf(np.arange(22), size) for size in (2, 3)}
ENTROPY = [n * np.log(n) if n else 0.0 for n in range(100)]


def excess(n: int, size: int, *, is_poisson: bool) -> float:
    """Log likelihood ratio of n events where `size` are expected, or of n of `size` where a half is."""
    if is_poisson:
        return size - n + n * np.log(n / size) if n > size else 0.0
    return ENTROPY[n] + ENTROPY[size - n] - ENTROPY[size] + size * np.log(2) if 2 * n > size else 0.0


@pytest.mark.parametrize(("minimum", "delay"), [(1, 0), (9, 0), (1, 5), (9, 5)])
@pytest.mark.parametrize("model", ["poisson", "binomial"])
def test_a_boundary_with_looks_minimum_and_delay_is_the_least_of_all_outcomes(
    model: str, minimum: int, delay: int
) -> None:
    is_poisson = model == "poisson"
    sizes = (2, 3, 3) if is_poisson else (4, 5, 5)
    looks = list(accumulate(sizes))
    design = poisson_max_sprt if is_poisson else binomial_max_sprt
    found = design(alpha=0.05, length=looks[-1], groups=sizes, minimum_events=minimum, delay=delay)
    largest = [
        (
            max(
                excess(n, at, is_poisson=is_poisson) if n >= minimum and at >= delay else 0.0
                for n, at in zip(counts, looks, strict=True)
            ),
            chance,
        )
        for counts, chance in (poisson_outcomes if is_poisson else binomial_outcomes)(sizes)
    ]

    def risk(value: float) -> float:
        return sum(chance for top, chance in largest if top >= value - 1e-9)

    assert found.alpha_spent == pytest.approx(risk(found.critical_value), abs=1e-9)
    assert found.alpha_spent <= 0.05
    assert risk(max(top for top, _ in largest if top < found.critical_value - 1e-9)) > 0.05


def test_no_column_of_numbers_is_rounded() -> None:
    random = np.random.default_rng(6)
    counts = random.integers(1, 60, (6, 7)).tolist()
    table = CountTable.from_counts((f"d{i}", f"r{j}", counts[i][j]) for i in range(6) for j in range(7))
    arrays = table.arrays()
    scores = score_all(arrays, names=MEASURE_NAMES, prior=fit_gamma_mixture(arrays.n, arrays.expected).prior)
    whole = {"n", "n_drug", "n_reaction", "n_total"}
    for name, column in scores.items():
        if name not in whole:
            assert (np.round(column, 9) != column).any(), name
            assert (np.round(column, 9) == np.round(column, 12)).mean() < 0.5, name
    assert (np.round(benjamini_hochberg(scores["fisher_p"]), 9) != benjamini_hochberg(scores["fisher_p"])).any()


@pytest.mark.parametrize("n", [-3.5, float("nan"), float("inf")])
def test_a_noisy_stratum_neither_crashes_nor_spoils_the_other_pairs(n: float) -> None:
    table = CountTable()
    for label in ("young", "old"):
        for drug, reaction, count in [("a", "x", 4), ("a", "y", 3), ("b", "x", 2), ("b", "y", 9)]:
            for _ in range(count):
                table.update([drug], [reaction], (label,))
    strata = table.arrays_by_stratum()
    whole = MantelHaenszel(level=0.95).score_strata(strata)
    first, arrays = next(iter(strata.items()))
    counts = arrays.n.astype(np.float64)
    counts[0] = n
    scores = MantelHaenszel(level=0.95).score_strata({**strata, first: replace(arrays, n=counts)})  # type: ignore[arg-type]  # noisy
    np.testing.assert_array_equal(scores[1:], whole[1:])
    assert np.isnan(scores[0]).all()
