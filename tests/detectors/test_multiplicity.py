"""False discovery rates against scipy, brute force, published worked examples and simulation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm

from cases import IntegrityError, ParameterError
from detectors.multiplicity import Addis, Lord, Saffron, bayesian_fdr, benjamini_hochberg, storey

shares = st.lists(st.floats(0, 1), min_size=1, max_size=40)
STREAM = [2.90e-8, 0.06743, 0.01514, 0.08174, 0.00171, 3.60e-5, 0.79149, 0.27201, 0.28295, 7.59e-8, 0.69274, 0.30443]
STREAM += [0.00136, 0.72342, 0.54757]  # the worked example of onlineFDR's manual


@given(shares)
def test_benjamini_hochberg_is_that_of_scipy(values: list[float]) -> None:
    assert benjamini_hochberg(values) == pytest.approx(false_discovery_control(values, method="bh"), abs=1e-15)


def test_the_printed_example_of_benjamini_and_hochberg() -> None:
    values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528]
    values += [0.7590, 1.0000]
    assert (benjamini_hochberg(values) <= 0.05).sum() == 4  # the paper rejects the first four


@given(shares, st.floats(0.05, 0.95))
def test_storey_is_its_definition(values: list[float], tuning: float) -> None:
    found = storey(values, tuning=tuning)
    tests = len(values)
    share = min(1.0, (1 + sum(value > tuning for value in values)) / (tests * (1 - tuning)))
    assert found.null_share == pytest.approx(share)
    for value, q_value in zip(values, found.q_values, strict=True):
        called = [
            min(1.0, share * tests * limit / sum(other <= limit for other in values))
            for limit in values
            if limit >= value
        ]
        assert q_value == pytest.approx(min(called), abs=1e-14)


@given(shares)
def test_bayesian_fdr_is_the_mean_of_those_at_least_as_convincing(values: list[float]) -> None:
    found = bayesian_fdr(values)
    for value, q_value in zip(values, found, strict=True):
        assert q_value == pytest.approx(np.mean([other for other in values if other <= value]), abs=1e-14)


@pytest.mark.parametrize("function", [benjamini_hochberg, bayesian_fdr, lambda values: storey(values).q_values])
def test_q_values_come_back_in_the_order_given_and_monotone(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> None:
    random = np.random.default_rng(2)
    values = random.beta(0.3, 1, size=300)
    values[:40] = values[40:80]  # ties
    found, order = function(values), np.argsort(values)
    assert (np.diff(found[order]) >= 0).all()
    assert (found[:40] == found[40:80]).all()
    shuffled = random.permutation(300)
    assert function(values[shuffled]) == pytest.approx(found[shuffled], abs=1e-15)
    assert not np.array_equal(found, found[order])


@pytest.mark.parametrize("function", [benjamini_hochberg, bayesian_fdr, lambda values: storey(values).q_values])
def test_unknown_is_no_test_and_wrong_is_refused(function: Callable[[list[float]], NDArray[np.float64]]) -> None:
    known = [0.01, 0.2, 0.02, 0.7]
    with_unknown = function([known[0], math.nan, *known[1:]])
    assert math.isnan(with_unknown[1])
    assert np.delete(with_unknown, 1) == pytest.approx(function(known))
    assert function([]).shape == (0,)
    assert np.isnan(function([math.nan])).all()
    for wrong in (1.5, -0.1, math.inf):
        with pytest.raises(ParameterError, match="position 1"):
            function([0.5, wrong])


def test_parameters_outside_their_range_are_refused() -> None:
    with pytest.raises(ParameterError, match="tuning"):
        storey([0.5], tuning=math.nan)
    with pytest.raises(ParameterError, match="one dimension"):
        benjamini_hochberg([[0.5]])
    wrong: list[tuple[type[Lord | Saffron | Addis], dict[str, float], str]] = [
        (Lord, {"alpha": 0}, "alpha"), (Lord, {"alpha": 0.1, "initial_wealth": 0.1}, "initial_wealth"),
        (Saffron, {"alpha": 0.1, "candidate": 1}, "candidate"), (Addis, {"alpha": 0.1, "discard": 2}, "discard"),
        (Addis, {"alpha": 0.1, "candidate": 0.5, "discard": 0.5}, "candidate"), (Lord, {"alpha": math.nan}, "alpha"),
    ]  # fmt: skip
    for procedure, arguments, name in wrong:
        with pytest.raises(ParameterError, match=name):
            procedure(**arguments)


LORD_LEVELS = [0.0002675839, 0.0024664457, 0.0005732818, 0.0004872805, 0.0004059066, 0.0003447286, 0.0029745013]
LORD_LEVELS += [0.0008450114, 0.0007305648, 0.0006243143, 0.0032185913, 0.0010617227, 0.0009256825, 0.0008019657]
SAFFRON_LEVELS = [0.005468627, *[0.010937254] * 4, 0.021874508, 0.032811762, *[0.010823845] * 3, 0.021761099]
SAFFRON_LEVELS += [0.009265591, 0.009265591, 0.020202846]
ADDIS_LEVELS = [0.002734314, *[0.005468627] * 4, 0.010937254, 0.016405881, 0.016405881, 0.005411923, 0.002828822]
ADDIS_LEVELS += [0.008297449, 0.008297449, 0.003589243, 0.009057870]


@pytest.mark.parametrize(
    ("procedure", "printed", "last"),
    [
        (Lord(alpha=0.05, initial_wealth=0.005), LORD_LEVELS, 0.0007059610),
        (Saffron(alpha=0.05), SAFFRON_LEVELS, 0.009064367),
        (Addis(alpha=0.05), ADDIS_LEVELS, 0.009057870),
    ],
)
def test_levels_are_those_printed_by_online_fdr(
    procedure: Lord | Saffron | Addis, printed: list[float], last: float
) -> None:
    levels = []
    for value in STREAM:
        levels.append(procedure.level)
        assert procedure.update(value) == (value <= levels[-1])
    assert levels == pytest.approx([*printed, last], rel=2e-7)
    assert procedure.test_count == 15


PROCEDURES: list[Callable[[], Any]] = [
    lambda: Lord(alpha=0.1), lambda: Saffron(alpha=0.1, candidate=0.3),
    lambda: Addis(alpha=0.1, initial_wealth=0.02, candidate=0.2, discard=0.7),
]  # fmt: skip


def brute_force_level(made: Any, values: list[float], found: list[bool]) -> float:
    """The formulas of the docstrings, term by term over the whole past."""
    candidate = 0.0 if isinstance(made, Lord) else made.snapshot()["settings"]["candidate"]
    discard = made.snapshot()["settings"].get("discard", 1.0)

    def weight(age: int) -> float:
        if isinstance(made, Lord):
            return 0.07720838 * math.log(max(age, 2)) / (age * math.exp(math.sqrt(math.log(age))))
        return float(age**-1.6) / 2.2857656579  # zeta(1.6), as printed in tables

    def age(since: int) -> int:
        return 1 + sum(bool(candidate < value <= discard or candidate == 0) for value in values[since:])

    times = [time for time, hit in enumerate(found, 1) if hit]
    total = made.initial_wealth * weight(age(0))
    total += sum((made.alpha - (0 if index else made.initial_wealth)) * weight(age(t)) for index, t in enumerate(times))
    return float(min((discard - candidate) * total, candidate or math.inf))


@pytest.mark.parametrize("make", PROCEDURES)
def test_levels_are_those_of_the_formula_after_every_prefix(make: Callable[[], Any]) -> None:
    made, random = make(), np.random.default_rng(5)
    values = np.where(random.random(120) < 0.3, random.beta(0.02, 5, size=120), random.random(120)).tolist()
    found: list[bool] = []
    for number, value in enumerate(values):
        assert made.level == pytest.approx(brute_force_level(made, values[:number], found), rel=1e-8)
        found.append(made.update(value))
    assert 10 < made.discovery_count == sum(found)


@pytest.mark.parametrize("make", PROCEDURES)
def test_a_restored_procedure_goes_on_as_if_nothing_had_been(make: Callable[[], Any]) -> None:
    made = make()
    for value in STREAM:
        made.update(value)
        copy = type(made).restore(json.loads(json.dumps(made.snapshot())))
        assert copy.snapshot() == made.snapshot()
        assert copy.level == made.level
    before = made.snapshot()
    with pytest.raises(ParameterError, match="p_value"):
        made.update(math.nan)
    assert made.snapshot() == before
    damaged: list[dict[str, Any]] = [
        {"schema": "x"}, {"version": 2}, {"discoveries": 99}, {"births": []}, {"age": -1}, {"portions": [0.1]},
        {"settings": {"alpha": 2}}, {"settings": None}, {"tests": True},
    ]  # fmt: skip
    for change in damaged:
        with pytest.raises(IntegrityError, match="not a snapshot"):
            type(made).restore({**before, **change})


def test_lords_series_is_never_overspent() -> None:
    lord = Lord(alpha=0.5, initial_wealth=0.25)
    levels = []
    for _ in range(2000):
        levels.append(lord.level)
        lord.update(1.0)
    root = math.sqrt(math.log(2000))  # the rest of the series by its integral
    rest = 0.25 * 0.07720838 * 2 * math.exp(-root) * (root**3 + 3 * root**2 + 6 * root + 6)
    assert 0.24 < sum(levels) + rest < 0.25


@pytest.mark.parametrize("make", PROCEDURES)
def test_simulated_false_discovery_rate_is_kept_online(make: Callable[[], Any]) -> None:
    random = np.random.default_rng(8)
    shares_found, power = [], []
    for _ in range(150):
        is_real = random.random(200) < 0.2
        values = norm.sf(random.normal(size=200) + np.where(is_real, 3.0, 0.0))
        made = make()
        found = np.array([made.update(float(value)) for value in values])
        shares_found.append((found & ~is_real).sum() / max(found.sum(), 1))
        power.append((found & is_real).sum() / is_real.sum())
    assert np.mean(shares_found) <= 0.1 + 3 * np.std(shares_found) / math.sqrt(150)
    assert np.mean(power) > 0.2


def test_simulated_false_discovery_rate_is_kept_at_once() -> None:
    random = np.random.default_rng(6)
    plain: list[float] = []
    adaptive: list[float] = []
    for _ in range(400):
        is_real = random.random(200) < 0.5
        values = norm.sf(random.normal(size=200) + np.where(is_real, 2.5, 0.0))
        for shares_found, q_values in ((plain, benjamini_hochberg(values)), (adaptive, storey(values).q_values)):
            called = q_values <= 0.1
            shares_found.append((called & ~is_real).sum() / max(called.sum(), 1))
    assert np.mean(plain) == pytest.approx(0.05, abs=0.006)  # alpha times the share of nulls
    assert np.mean(plain) < np.mean(adaptive) <= 0.1 + 3 * np.std(adaptive) / 20
