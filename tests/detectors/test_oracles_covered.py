"""Every number of the reference outputs kept beside the repository stands in a test, and that test exists."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.shared_data

HERE = Path(__file__).parent
ORACLES, PUBLISHED = "test_statistics_oracles.py", "test_published_reports.py"
RATIO = "test_likelihood_ratio.py"
SHRINKER, CAERS = "test_empirical_bayes.py", "test_empirical_bayes_caers.py"

COVERED = {  # beginning of a path in the file: the test that compares with it
    "formula/prr": (ORACLES, "test_prr"),
    "formula/ror": (ORACLES, "test_ror"),
    "formula/ic_gamma": (ORACLES, "test_ic_gamma"),
    "formula/ic_noren_closed": (ORACLES, "test_ic_closed_form_is_another_variant"),
    "formula/DiAna": (ORACLES, "test_diana_comparison_of_100_50_3_20000"),
    "formula/2x2": (ORACLES, "test_two_by_two_of_25_75_375_9525"),
    "gps_likelihood_tiny": (SHRINKER, "test_the_printed_likelihoods_of_a_tiny_table"),
    "processRaw_tiny/unstratified": (ORACLES, "test_process_raw_unstratified"),
    "processRaw_tiny/stratified": (ORACLES, "test_process_raw_stratified"),
    "caers/rows_raw": (PUBLISHED, "test_caers_counts_reports_not_rows"),
    "caers/unique_ids": (PUBLISHED, "test_caers_counts_reports_not_rows"),
    "caers/n_var": (PUBLISHED, "test_caers_counts_reports_not_rows"),
    "caers/pairs": (PUBLISHED, "test_caers_counts_reports_not_rows"),
    "caers/sum": (PUBLISHED, "test_caers_counts_reports_not_rows"),
    "caers/first_rows": (PUBLISHED, "test_caers_first_rows"),
    "caers/negLL_at_full_estimate": (CAERS, "test_the_fit_of_all_pairs"),
    "caers/squashed": (CAERS, "test_the_fits_of_squashed_pairs"),
    "caers/hyperEM": (CAERS, "test_the_estimate_by_expectation_maximisation_is_short_of_the_optimum"),
    "caers/Qn_head": (CAERS, "test_the_scores_of_the_first_pairs"),
    "caers/EBGM_head": (CAERS, "test_the_scores_of_the_first_pairs"),
    "caers/Q05_head": (CAERS, "test_the_scores_of_the_first_pairs"),
    "caers/Q95_head": (CAERS, "test_the_scores_of_the_first_pairs"),
    "caers/n_": (CAERS, "test_the_pairs_that_stand_out"),
    "caers/top5_Q05": (CAERS, "test_the_pairs_that_stand_out"),
    "caers/gamma_IC025_gt_0": (PUBLISHED, "test_caers_flagged_pairs"),
    "caers/evans_yates": (PUBLISHED, "test_caers_flagged_pairs"),
    "pvda_drug_event_df/reports": (PUBLISHED, "test_pvda_counts_of_flagged_pairs"),
    "pvda_drug_event_df/pairs": (PUBLISHED, "test_pvda_counts_of_flagged_pairs"),
    "pvda_drug_event_df/top": (PUBLISHED, "test_pvda_top_pairs"),
    "pvda_drug_event_df/n_": (PUBLISHED, "test_pvda_counts_of_flagged_pairs"),
    "pvda_drug_event_df/grouped": (PUBLISHED, "test_pvda_by_group"),
    "pvlrt_statin46/dim": (RATIO, "test_ratios_are_those_printed"),
    "pvlrt_statin46/colsums": (RATIO, "test_ratios_are_those_printed"),
    "pvlrt_statin46/top_logLR": (RATIO, "test_ratios_are_those_printed"),
    "pvlrt_statin46/pq_logLR_first3": (RATIO, "test_the_conditional_ratio"),
    "pvlrt_statin46/zi_omega": (RATIO, "test_zero_inflation_is_that_printed"),
    "pvlrt_statin46/n_sig": (RATIO, "test_signals_are_as_many_as_printed"),
    "maxsprt_poisson_cv_alpha05": ("test_max_sprt.py", ""),
}


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Numbers with their paths; where a number is printed in words, the numbers of the words."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in ("src", "about", "N", "E", "ni", "ei"):  # sources, and vectors in the words of R
                yield from leaves(value, f"{path}/{key}" if path else key)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, path)
    elif isinstance(node, int | float):
        yield path, node
    elif path.startswith("formula/DiAna"):
        for number in re.findall(r"\d+(?:\.\d+)?", node):
            yield path, float(number)


@pytest.fixture(scope="module")
def numbers(shared_data: Path) -> list[tuple[str, float]]:
    found = [root / "reference" / "statistics_oracles.json" for root in (shared_data, shared_data.parent)]
    text = next(path for path in found if path.exists()).read_text(encoding="utf-8")
    return list(leaves(json.loads(text)))


def literals(file: str) -> set[float]:
    """Magnitudes of all numbers that a test file writes out."""
    nodes = ast.walk(ast.parse((HERE / file).read_text(encoding="utf-8")))
    return {abs(node.value) for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, int | float)}


def test_every_number_stands_in_its_test(numbers: list[tuple[str, float]]) -> None:
    assert len(numbers) > 150
    written = {file: literals(file) for file, _ in COVERED.values()}
    uncovered, missing = [], []
    for path, number in numbers:
        files = [file for beginning, (file, _) in COVERED.items() if path.startswith(beginning)]
        if not files:
            uncovered.append(path)
        elif abs(number) not in written[files[0]]:
            missing.append((path, number))
    assert uncovered == []
    assert missing == []


def test_the_tests_named_exist(numbers: list[tuple[str, float]]) -> None:
    for beginning, (file, test) in COVERED.items():
        assert any(path.startswith(beginning) for path, _ in numbers), beginning
        assert f"def {test}" in (HERE / file).read_text(encoding="utf-8")
