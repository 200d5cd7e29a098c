"""The sampler against the exact distribution: its tables bit by bit, its draws by known answers and by chi-square."""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_right
from collections.abc import Callable
from decimal import Decimal, getcontext, localcontext
from fractions import Fraction
from itertools import accumulate
from math import log2

import numpy as np
import opendp.prelude as dp
import pytest
from scipy.stats import chi2, norm

from cases.errors import ParameterError
from privacy.gaussian import ConvolutionPlan, DiscreteGaussian
from privacy.inversion_table import InversionTable
from privacy.release_spec import ReleaseSpec
from tests.privacy.examples import protocol

dp.enable_features("contrib")


def exact_masses(variance: Fraction, reach: int) -> dict[int, Decimal]:
    """The probabilities, from their definition, to 90 digits; the recurrence of the table is not used."""
    with localcontext() as context:
        context.prec = 100
        v = Decimal(variance.numerator) / Decimal(variance.denominator)
        weights = {x: (-Decimal(x * x) / (2 * v)).exp() for x in range(reach + 1)}
        total = weights[0] + 2 * sum(weights[x] for x in range(1, reach + 1))
        return {x: weights[abs(x)] / total for x in range(-reach, reach + 1)}


def exact_bounds(variance: Fraction, limit: int) -> list[int]:
    """The distribution function at -limit, ..., limit - 1 in units of 2**-128, rounded down."""
    with localcontext() as context:
        context.prec = 100
        masses = exact_masses(variance, 2 * limit)
        below = sum((masses[x] for x in range(-2 * limit, -limit)), start=Decimal(0))
        sums = accumulate((masses[x] for x in range(-limit, limit)), initial=below)
        return [int(value * 2**128) for value in list(sums)[1:]]


def fixed(*parts: bytes) -> Callable[[int], bytes]:
    """A source that gives `parts` one by one and checks that exactly their sizes are asked for."""
    waiting = list(parts)

    def give(size: int) -> bytes:
        part = waiting.pop(0)
        assert len(part) == size
        return part

    return give


@pytest.mark.parametrize("variance", [Fraction(1, 4), Fraction(9), Fraction(1000, 7), Fraction(1600)])
def test_tables_are_the_distribution_function_to_the_last_bit(variance: Fraction) -> None:
    table = InversionTable(variance)
    bounds = list(accumulate(table.probabilities()))
    assert bounds[-1] == 1 << 128
    exact = exact_bounds(variance, table.limit)
    assert len(exact) == len(bounds) - 1 == table.rows - 1
    assert max(abs(ours - theirs) for ours, theirs in zip(bounds, exact, strict=False)) <= 1
    distance = sum(
        abs(Fraction(ours, 1 << 128) - Fraction(mass))
        for ours, mass in zip(table.probabilities(), exact_masses(variance, table.limit).values(), strict=True)
    )
    assert distance / 2 < table.distance < 2**-100


@pytest.mark.parametrize("variance", [Fraction(9), Fraction(1000, 7), Fraction(250_000)])
def test_known_answers_for_injected_bytes(variance: Fraction) -> None:
    """Numbers on, just below and just above bounds, in the middle and in both tails, give what inversion must give."""
    table = InversionTable(variance)
    bounds = list(accumulate(table.probabilities()))[:-1]
    picked = [*random.Random(3).sample(range(len(bounds)), 60), 0, 1, 2, len(bounds) - 1, len(bounds) - 2]
    numbers = [0, 1, 2**64 - 1, 2**64, 2**128 - 1, 2**127, 2**127 - 1]
    numbers += [bounds[place] + step for place in picked for step in (-(2**64), -1, 0, 1, 2**64)]
    for number in numbers:
        number = min(max(number, 0), 2**128 - 1)
        high, low = divmod(number, 1 << 64)
        needs_low = any(bound >> 64 == high for bound in (*bounds, 2**128 - 1))
        parts = [high.to_bytes(8, "little"), *([low.to_bytes(8, "little")] if needs_low else [])]
        if not needs_low:
            assert bisect_right(bounds, high << 64) == bisect_right(bounds, high << 64 | 2**64 - 1)
        assert table.draw(1, fixed(*parts)).tolist() == [bisect_right(bounds, number) - table.limit]


def test_every_value_of_a_table_can_be_drawn() -> None:
    """The first number of each value's interval gives that value, down to those of probability 2**-120 and less."""
    table = InversionTable(Fraction(4))
    start = 0
    for value, probability in enumerate(table.probabilities(), start=-table.limit):
        if probability:
            low, high = start.to_bytes(16, "little")[:8], start.to_bytes(16, "little")[8:]
            assert table.draw(1, fixed(high, low)).tolist() == [value]
        start += probability


def test_vectors_equal_the_loop_and_a_recorded_run() -> None:
    """Golden values: the order in which bytes are used is part of what makes a seeded run repeatable."""
    noise = DiscreteGaussian(210_000.0)
    draws = noise.sample(70_000, random_bytes=random.Random(7).randbytes)
    assert draws[:5].tolist() == GOLDEN_START
    assert hashlib.sha256(draws.astype("<i8").tobytes()).hexdigest()[:16] == GOLDEN_DIGEST
    table = InversionTable(Fraction(2500))
    words = random.Random(8).randbytes(8 * 500)
    together = table.draw(500, fixed(words))
    alone = [int(table.draw(1, fixed(words[8 * place : 8 * place + 8]))[0]) for place in range(500)]
    assert together.tolist() == alone


GOLDEN_START = [94462, 261961, -41597, -21370, 151309]
GOLDEN_DIGEST = "1c8e3a84e43bc1df"


@pytest.mark.parametrize("sigma", [16.0, 30.0, 41.5])
def test_a_convolution_is_the_wide_gaussian_by_enumeration(sigma: float) -> None:
    """Every probability of X1 + k X2, from the two tables as they are, against the definition: within 2**-110."""
    plan = ConvolutionPlan.of(sigma)
    assert plan.fine + plan.step**2 * plan.coarse == Fraction(sigma) ** 2
    assert plan.step > 1
    fine, coarse = InversionTable(plan.fine), InversionTable(plan.coarse)
    reach = fine.limit + plan.step * coarse.limit
    sums = [0] * (2 * reach + 1)
    fine_masses = fine.probabilities()
    for value, outer in enumerate(coarse.probabilities()):
        for inner, mass in enumerate(fine_masses):
            sums[plan.step * value + inner] += outer * mass
    exact = exact_masses(Fraction(sigma) ** 2, reach)
    getcontext().prec = 100
    distance = sum(abs(Decimal(mass) / Decimal(1 << 256) - exact[x]) for x, mass in enumerate(sums, start=-reach)) / 2
    assert distance < Decimal(2) ** -110
    assert distance > 0  # the tables are rounded: an exact zero would mean that nothing was compared


@pytest.mark.parametrize("sigma", [16.0, 1024.0, 210_000.0, 3.8e6, 2.0**28])
def test_plans_keep_variance_and_stay_far_above_the_smoothing_parameter(sigma: float) -> None:
    plan = ConvolutionPlan.of(sigma)
    assert plan.fine + plan.step**2 * plan.coarse == Fraction(sigma) ** 2
    assert plan.deviation_bits > 300
    assert plan.fine >= 16 * plan.step**2
    assert float(plan.coarse) ** 0.5 < 2.6 * sigma**0.5 + 4


def test_a_narrow_plan_would_be_seen() -> None:
    """The smoothing condition is not idle: with s1 = k / 2 the sum has visible teeth."""
    fine, coarse = InversionTable(Fraction(4)), InversionTable(Fraction(100))
    masses = np.zeros(2 * (fine.limit + 4 * coarse.limit) + 1)
    for value, outer in enumerate(coarse.probabilities()):
        for inner, mass in enumerate(fine.probabilities()):
            masses[4 * value + inner] += outer / 2**128 * mass / 2**128
    assert ConvolutionPlan(4, Fraction(4), Fraction(100)).deviation_bits < 8
    x = np.arange(len(masses)) - len(masses) // 2
    exact = np.exp(-(x**2) / (2 * 1604.0))
    assert np.abs(masses - exact / exact.sum()).sum() / 2 > 1e-3


def chi_square_p(draws: np.ndarray, edges: np.ndarray, probabilities: np.ndarray) -> float:
    observed = np.bincount(np.searchsorted(edges, draws, side="left"), minlength=len(probabilities))
    expected = probabilities * draws.size
    assert expected.min() > 20
    return float(chi2.sf(((observed - expected) ** 2 / expected).sum(), len(probabilities) - 1))


def test_draws_of_one_table_follow_the_pmf() -> None:
    draws = DiscreteGaussian(12.0).sample(400_000, random_bytes=random.Random(11).randbytes)
    x = np.arange(-600, 601)
    pmf = np.exp(-(x**2) / 288.0)
    pmf /= pmf.sum()
    edges = np.arange(-40, 41)
    cut = np.add.reduceat(pmf, [0, *range(600 - 39, 600 + 42)])
    assert 1e-4 < chi_square_p(draws, edges, cut) < 1 - 1e-4


@pytest.mark.parametrize("table", ["pair", "drug"])
def test_draws_at_production_sigma_follow_the_pmf(table: str) -> None:
    sigma = ReleaseSpec.of(protocol(epochs=96)).tables[table].sigma
    draws = DiscreteGaussian(sigma).sample(500_000, random_bytes=random.Random(12).randbytes)
    edges = np.unique(np.rint(norm.ppf(np.linspace(0, 1, 202)[1:-1]) * sigma).astype(np.int64))
    bounds = norm.cdf((edges + 0.5) / sigma)  # the sum of lattice masses up to an edge, to 1 / (24 sigma^2)
    assert 1e-4 < chi_square_p(draws, edges, np.diff([0.0, *bounds, 1.0])) < 1 - 1e-4
    low = np.bincount(draws & 0xFF, minlength=256)  # the lowest bits are uniform: the noise fills the whole lattice
    assert 1e-4 < chi2.sf(((low - draws.size / 256) ** 2 / (draws.size / 256)).sum(), 255) < 1 - 1e-4
    assert np.abs(draws).max() <= DiscreteGaussian(sigma).limit
    lag = np.corrcoef(draws[1:], draws[:-1])[0, 1]
    assert abs(lag) < 5 / draws.size**0.5


def test_opendp_draws_from_the_same_distribution() -> None:
    """Two-sample chi-square against OpenDP's exact sampler, through the convolution."""
    sigma, size = 1500.0, 20_000
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="i64")
    theirs = np.array(opendp_draws(dp.m.make_gaussian(*space, scale=sigma), size))
    ours = DiscreteGaussian(sigma).sample(size, random_bytes=random.Random(13).randbytes)
    edges = norm.ppf(np.linspace(0, 1, 41)[1:-1]) * sigma
    one, other = (np.bincount(np.searchsorted(edges, draws), minlength=40) for draws in (ours, theirs))
    assert chi2.sf(((one - other) ** 2 / (one + other)).sum(), 39) > 1e-5  # theirs cannot be seeded


def opendp_draws(measurement: Callable[[list[int]], list[int]], size: int) -> list[int]:
    return measurement([0] * size)


@pytest.mark.parametrize("sigma", [0.5, 1023.9, 210_000.0, 2.0**28])
def test_stated_distance_is_negligible_and_limits_cannot_overflow(sigma: float) -> None:
    noise = DiscreteGaussian(sigma)
    assert log2(noise.distance) < -100
    assert 10 * sigma < noise.limit < 2**33


def test_the_operating_system_is_the_default_source() -> None:
    noise = DiscreteGaussian(1000.0)
    assert not np.array_equal(noise.sample(50), noise.sample(50))
    assert noise.sample(0).shape == (0,)


@pytest.mark.parametrize("sigma", [0.0, 0.49, 2.0**28 + 1, float("nan"), float("inf"), -3.0])
def test_sigma_outside_the_range_is_refused(sigma: float) -> None:
    with pytest.raises(ParameterError, match="sigma"):
        DiscreteGaussian(sigma)


def test_other_wrong_values_are_refused() -> None:
    with pytest.raises(ParameterError, match="size"):
        DiscreteGaussian(1.0).sample(-1)
    with pytest.raises(ParameterError, match="convolution"):
        ConvolutionPlan.of(15.0)
    with pytest.raises(ParameterError, match="variance"):
        InversionTable(Fraction(0))
