"""Fisher's exact test and mid-p against scipy, against summing the chances, and against their own promise."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy import stats

from detectors.fisher import fisher_exact


def _summed(a: int, b: int, c: int, d: int) -> tuple[float, float]:
    """Chances by whole-number binomial coefficients."""
    total, drug, reaction = a + b + c + d, a + b, a + c
    ways = [comb(reaction, k) * comb(total - reaction, drug - k) for k in range(min(drug, reaction) + 1)]
    return sum(ways[a:]) / comb(total, drug), (sum(ways[a:]) - ways[a] / 2) / comb(total, drug)


@pytest.mark.parametrize(
    "cells", [(3, 1, 1, 3), (25, 75, 375, 9525), (0, 5, 6, 7), (4, 0, 0, 9), (0, 0, 3, 4), (1, 0, 0, 0)]
)
def test_chances_are_the_sums_and_those_of_scipy(cells: tuple[int, int, int, int]) -> None:
    a, b, c, d = cells
    exact, mid = fisher_exact(a, a + b, a + c, a + b + c + d).tolist()
    assert (exact, mid) == pytest.approx(_summed(*cells), rel=1e-9)
    assert exact == pytest.approx(
        stats.fisher_exact(np.array([[a, b], [c, d]]), alternative="greater").pvalue, rel=1e-9
    )


def test_what_is_no_table_is_nan() -> None:
    counts = np.array(
        [[5, 4, 9, 20], [-1, 3, 4, 20], [1.5, 3, 4, 20], [np.nan, 3, 4, 20], [1, np.inf, 4, 20], [0, 0, 0, 0]]
    )
    assert np.isnan(fisher_exact(*counts.T)).all()


def test_false_alarms_are_at_most_the_level_and_mid_p_comes_closer() -> None:
    random = np.random.default_rng(8)
    drug, reaction, total = 60, 40, 400
    count = random.hypergeometric(reaction, total - reaction, drug, 200_000)
    exact, mid = (fisher_exact(count, drug, reaction, total) <= 0.05).mean(axis=0)
    assert exact <= 0.05 + 0.002
    assert abs(mid - 0.05) <= abs(exact - 0.05)


def test_more_reports_are_less_likely() -> None:
    chances = fisher_exact(np.arange(0, 31), 30, 50, 500)
    assert (np.diff(chances, axis=0) <= 0).all()
    assert chances[0, 0] == 1
