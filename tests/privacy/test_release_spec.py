from fractions import Fraction
from math import sqrt

import numpy as np
import pytest

from cases.errors import ParameterError
from privacy.accounting import mu_from_epsilon_delta
from privacy.release_spec import MICRO, ReleaseSpec
from tests.privacy.examples import protocol


@pytest.mark.parametrize(("capacity", "operations", "share"), [(1.5, 16, 0.05), (1.0, 1, 0.5), (3.0, 64, 0.02)])
def test_sigma_follows_from_sensitivity_and_split(capacity: float, operations: int, share: float) -> None:
    example = protocol(wallet_capacity=capacity, wallet_operations=operations, margin_share=share, epochs=52)
    spec = ReleaseSpec.of(example)
    mu, norm = mu_from_epsilon_delta(3.0, 1e-6), spec.factorisation.column_norm
    unit = spec.lattice_per_count
    assert unit == 2**16
    assert spec.tables["pair"].sigma / unit == pytest.approx(capacity * norm / (mu * sqrt(1 - share)), rel=1e-5)
    joint = capacity * sqrt(2) * norm / (mu * sqrt(share))  # whatever the number of operations
    for name in ("drug", "reaction"):
        assert spec.tables[name].sigma / unit == pytest.approx(joint, rel=1e-5)
    assert spec.tables["pair"].mu ** 2 == pytest.approx((1 - share) * mu**2, rel=1e-5)
    assert spec.tables["drug"].mu ** 2 == pytest.approx(share * mu**2, rel=1e-5)
    assert spec.mu == pytest.approx(mu, rel=1e-5)


def test_sigma_is_never_rounded_down() -> None:
    for epsilon in np.linspace(0.2, 6, 25):
        spec = ReleaseSpec.of(protocol(epsilon=float(epsilon)))
        pair, drug = spec.tables["pair"], spec.tables["drug"]
        spent = Fraction(pair.sensitivity_squared, pair.sigma**2) + Fraction(drug.sensitivity_squared, drug.sigma**2)
        assert spent * MICRO <= spec.cost_micro_mu2 <= spec.cap_micro_mu2
        lower = Fraction(pair.sensitivity_squared, (pair.sigma - 1) ** 2)
        assert lower * MICRO > (1 - Fraction(0.05)) * spec.cap_micro_mu2  # one unit less would be too little


def test_the_measured_table_of_noise_is_reproduced() -> None:
    """sd of one release at 5 % for the margins, C = 1.5, M = 16, epsilon 1: 6.50 pairs, 40.1 margins."""
    spec = ReleaseSpec.of(protocol(epsilon=1.0, epochs=1))
    assert round(spec.running_total_sd("pair", 0), 2) == 6.50
    assert spec.running_total_sd("drug", 0) == pytest.approx(1.5 * sqrt(2) * 4.225 / sqrt(0.05), rel=1e-3)


@pytest.mark.parametrize(
    ("epsilon", "epochs", "published"), [(3.0, 1, 38), (1.0, 1, 68), (1.0, 365, 169)]
)  # background 10, z 4.1
def test_minimum_detectable_excess_is_the_measured_one(epsilon: float, epochs: int, published: float) -> None:
    spec = ReleaseSpec.of(protocol(epsilon=epsilon, epochs=epochs))
    assert spec.minimum_detectable_excess(epochs - 1) == pytest.approx(published, abs=1)


def test_detectable_excess_grows_with_sites_and_is_the_poisson_one_without_noise() -> None:
    spec = ReleaseSpec.of(protocol(epsilon=3.0, epochs=1))
    four, one = spec.minimum_detectable_excess(0, sites=4), spec.minimum_detectable_excess(0)
    assert 1.3 * one < four < 2 * one  # the noise doubles, what chance adds does not
    many = spec.minimum_detectable_excess(0, sites=10_000)
    assert many == pytest.approx(4.1 * 100 * spec.running_total_sd("pair", 0) / 0.5, rel=0.02)
    full = spec.minimum_detectable_excess(0, sites=0, kept_ratio=1.0, scale_ratio=1.0)
    assert round(full) == 24


def test_running_total_decodes_in_counts() -> None:
    spec = ReleaseSpec.of(protocol(epochs=12))
    increments = np.zeros((12, 12), dtype=np.int64)
    increments[2, 5], increments[4, 5], increments[4, 7] = 256, 128, -256
    encoded = spec.factorisation.encode(increments)
    assert spec.running_total(list(encoded[:4]))[5] == pytest.approx(1.0)
    total = spec.running_total(list(encoded))
    assert total[5] == pytest.approx(1.5)
    assert total[7] == pytest.approx(-1.0)


def test_equal_protocols_give_equal_hashes_and_others_do_not() -> None:
    assert ReleaseSpec.of(protocol()).hash == ReleaseSpec.of(protocol()).hash
    others = [protocol(epsilon=2.9), protocol(epochs=13), protocol(version="2"), protocol(margin_share=0.06)]
    assert len({ReleaseSpec.of(other).hash for other in [protocol(), *others]}) == 5


def test_the_sampler_adds_nothing_to_speak_of_to_delta() -> None:
    example = protocol(drugs=60, reactions=1000, epochs=365)
    assert 0 < ReleaseSpec.of(example).sampler_delta(3.0) < 1e-20


def test_budgets_beyond_the_sampler_are_refused() -> None:
    with pytest.raises(ParameterError, match="sampler"):
        ReleaseSpec.of(protocol(epsilon=0.1, epochs=365, coefficient_bits=12))
    with pytest.raises(ParameterError, match="too small"):
        ReleaseSpec.of(protocol(epsilon=0.001))
