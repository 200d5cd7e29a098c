"""Run lengths of the Poisson CUSUM: published tables, a plain linear system, simulation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cases import ParameterError
from detectors.online import PoissonCusum

# Lucas (1985), Technometrics 27:129-144, tables 2 to 5 (h = 10, k = 0.25, mean 0.25; head start h/2), as quoted in the
# manual of the R package spc (pois.cusum.arl); k = 2, h = 6, mean 1.88 and a mean 0.9627 standard deviations higher,
# without and with head start, as printed in the manual of the R package IAcsSPCR (arl).
SHIFTED = 1.88 + 0.9627 * 1.88**0.5
PUBLISHED = [
    ("1/4", 10, True, 0.25, 0, 438, 0),
    ("1/4", 10, True, 0.25, 5, 333, 0),
    ("1/4", 10, False, 0.25, 0, 437, 0),
    ("1/4", 10, False, 0.25, 5, 318, 0),
    ("2", 6, True, 1.88, 0, 37.2, 1),
    ("2", 6, True, 1.88, 3, 29.19, 2),
    ("2", 6, True, SHIFTED, 0, 5.49, 2),
    ("2", 6, True, SHIFTED, 3, 3.33, 2),
]


@pytest.mark.parametrize(("k", "h", "is_rise", "mean", "head_start", "published", "digits"), PUBLISHED)
def test_published_run_lengths(
    k: str, h: int, is_rise: bool, mean: float, head_start: int, published: float, digits: int
) -> None:
    cusum = PoissonCusum(reference=Fraction(k), threshold=Fraction(h), is_rise=is_rise)
    assert round(cusum.run_length(mean, head_start=head_start), digits) == published


def run_length_by_solving(cusum: PoissonCusum, mean: float, start: Fraction) -> float:
    """The definition: from every state one period, then the run length of where it leads."""
    seen = {Fraction(0), start}
    todo = [Fraction(0), start]
    chances = stats.poisson.pmf(np.arange(60), mean).tolist()
    moves: dict[Fraction, dict[Fraction, float]] = {}
    while todo:
        state = todo.pop()
        moves[state] = {}
        for count in range(60):
            signed = count - cusum.reference if cusum.is_rise else cusum.reference - count
            to = max(Fraction(0), state + signed)
            if to < cusum.threshold:
                moves[state][to] = moves[state].get(to, 0.0) + chances[count]
                if to not in seen:
                    seen.add(to)
                    todo.append(to)
    states = sorted(seen)
    place = {state: index for index, state in enumerate(states)}
    matrix = np.eye(len(states))
    for state, row in moves.items():
        for to, chance in row.items():
            matrix[place[state], place[to]] -= chance
    return float(np.linalg.solve(matrix, np.ones(len(states)))[place[start]])


@settings(max_examples=15, deadline=None)
@given(
    reference=st.fractions(min_value=Fraction(1, 6), max_value=5, max_denominator=6),
    threshold=st.integers(1, 9),
    head=st.integers(0, 2),
    ratio=st.sampled_from([0.5, 0.9, 1.0, 1.2]),
    is_rise=st.booleans(),
)
def test_the_nested_chain_is_the_linear_system(
    reference: Fraction, threshold: int, head: int, ratio: float, is_rise: bool
) -> None:
    cusum = PoissonCusum(reference=reference, threshold=Fraction(threshold), is_rise=is_rise)
    start = Fraction(min(head, threshold - 1))
    mean = float(reference) * ratio
    expected = run_length_by_solving(cusum, mean, start)
    assert cusum.run_length(mean, head_start=start) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("mean", "ratio"), [(0.05, 3.0), (0.5, 2.0), (4.0, 1.5), (4.0, 0.5), (60.0, 1.2)])
def test_designs_have_the_wished_run_length_and_simulation_agrees(mean: float, ratio: float) -> None:
    design = PoissonCusum.design(mean=mean, ratio=ratio, run_length=200)
    exact = design.run_length(mean)
    assert exact >= 200
    one_lower = PoissonCusum(
        reference=design.reference,
        threshold=design.threshold - Fraction(1, design.reference.denominator),
        is_rise=design.is_rise,
    )
    assert one_lower.run_length(mean) < 200
    assert design.run_length(mean * ratio) < exact / 4
    rng, runs = np.random.default_rng(20), 2000
    k, h, sign = float(design.reference), float(design.threshold) - 1e-9, 1 if design.is_rise else -1
    total, ended = np.zeros(runs), np.zeros(runs)
    for period in range(1, 6000):
        total = np.maximum(0.0, total + sign * (rng.poisson(mean, runs) - k))
        fresh = (total >= h) & (ended == 0)
        ended[fresh] = period
        if ended.all():
            break
    assert ended.all()
    assert abs(ended.mean() - exact) < 4 * ended.std() / runs**0.5


@pytest.mark.parametrize("ratio", [1.5, 2.0, 3.0])
def test_the_reference_value_lies_beside_the_likelihood_ratio_s(ratio: float) -> None:
    for mean in (0.02, 0.3, 1.7, 40.0):
        best = mean * (ratio - 1) / np.log(ratio)
        design = PoissonCusum.design(mean=mean, ratio=ratio, run_length=50)
        assert 0.97 * best <= design.reference <= best  # never above: alarms come rather earlier than later


def test_a_longer_run_length_needs_a_higher_threshold() -> None:
    thresholds = [PoissonCusum.design(mean=0.7, ratio=2.0, run_length=x).threshold for x in (10, 100, 1e3, 1e5)]
    assert thresholds == sorted(set(thresholds))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mean", {"mean": 0.001}),
        ("mean", {"mean": float("nan")}),
        ("ratio", {"ratio": 1.0}),
        ("ratio", {"ratio": float("nan")}),
        ("run_length", {"mean": 0.003, "ratio": 1.2, "run_length": 1e9}),
        ("run_length", {"run_length": 1.0}),
        ("run_length", {"run_length": float("inf")}),
    ],
)
def test_designs_outside_their_range(name: str, settings: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=f"{name} must"):
        PoissonCusum.design(**{"mean": 1.0, "ratio": 2.0, "run_length": 100.0, **settings})


def test_parameters_outside_their_range() -> None:
    with pytest.raises(ParameterError, match="reference must be a fraction above 0"):
        PoissonCusum(reference=Fraction(0), threshold=Fraction(1), is_rise=True)
    with pytest.raises(ParameterError, match="threshold must be at most 2048"):
        PoissonCusum(reference=Fraction(1, 999), threshold=Fraction(7), is_rise=True)
    cusum = PoissonCusum(reference=Fraction(1, 2), threshold=Fraction(3), is_rise=True)
    for mean in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ParameterError, match="mean must"):
            cusum.run_length(mean)
    for head_start in (Fraction(1, 3), 3, -1):
        with pytest.raises(ParameterError, match="head_start must"):
            cusum.run_length(1.0, head_start=head_start)
