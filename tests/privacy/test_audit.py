"""The audit passes the code as it is, tightly, and fails every mistake that was planted."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy.stats import binom, norm

from cases.errors import ParameterError
from privacy.audit import AuditVerdict, Canary, Move, ReleasePath, SecureSumPath, TableAudit, audit_release
from privacy.audit.error_bounds import epsilon_lower_bound, mu_lower_bound, upper_rate
from privacy.protocol import SurveillanceProtocol
from tests.privacy import planted_bugs
from tests.privacy.examples import protocol, with_buckets
from tests.privacy.planted_bugs import OPERATIONS
from tests.privacy.strategies import counting_with

SOUND = {ReleasePath, SecureSumPath}


def audited(epsilon: float = 3.0) -> SurveillanceProtocol:
    return protocol(epsilon=epsilon, wallet_operations=OPERATIONS)


def summed(epsilon: float = 3.0) -> SurveillanceProtocol:
    return protocol(
        epsilon=epsilon, wallet_operations=OPERATIONS, trust_mode="secure-sum", minimum_cohort=5, honest_fraction=0.8
    )


def run(path: ReleasePath, *, runs: int, seed: int = 1) -> dict[str, TableAudit]:
    return audit_release(path, runs=runs, random_bytes=np.random.default_rng(seed).bytes)


@pytest.mark.parametrize(("epsilon", "patients"), [(1.0, 15), (3.0, 5)])
@pytest.mark.parametrize("kind", [ReleasePath, SecureSumPath])
def test_sound_code_passes_and_is_seen_to_nine_tenths(kind: type[ReleasePath], epsilon: float, patients: int) -> None:
    path = kind(summed(epsilon), epochs=4, patients=patients)
    for found in run(path, runs=40_000).values():
        assert found.verdict is AuditVerdict.PASS
        assert 0.9 <= found.mu_lower_bound / found.mu_claimed <= 1
        assert found.mu_canary == pytest.approx(found.mu_claimed, rel=1e-3)  # the matching uses the wallet up
        assert 0 < found.group_epsilon_lower_bound <= found.group_epsilon_claimed


def test_the_matrix_of_an_artefact_is_audited_at_its_end() -> None:
    path = ReleasePath(counting_with("dense", wallet_operations=OPERATIONS), epochs=4, patients=5)
    assert list(path.epochs) == [20, 21, 22, 23]
    found = run(path, runs=160_000)
    assert found["all"].verdict is AuditVerdict.PASS
    assert found["pair"].mu_lower_bound == pytest.approx(found["pair"].mu_canary, rel=0.06)


@pytest.mark.parametrize("kind", [ReleasePath, SecureSumPath])
def test_a_canary_whose_pairs_meet_in_buckets_passes_and_is_seen(kind: type[ReleasePath]) -> None:
    sparse = with_buckets(
        [0], buckets=1 << 20, wallet_operations=OPERATIONS, trust_mode="secure-sum", minimum_cohort=5,
        honest_fraction=0.8,
    )  # fmt: skip
    path = kind(sparse, epochs=4, patients=5)
    layout = path.protocol.layout
    pairs = path.canary.moves[0].added
    positions = list(layout.positions(pairs))
    assert sum(place < layout.cells - 8 for place in positions) == (len(pairs) + 1) // 2
    assert path.replay([1, 2])
    for found in run(path, runs=160_000).values():
        assert found.verdict is AuditVerdict.PASS
        assert 0.9 <= found.mu_lower_bound / found.mu_claimed <= 1


# name of the bug, runs of each world, patients, tables that must fail, tables that must not
PLANTED = [
    (planted_bugs.SigmaHalved, 400, 5, {"pair", "margins", "all"}, set()),
    (planted_bugs.ReplaceOne, 2_000, 5, {"pair", "all"}, set()),
    (planted_bugs.SecondDraw, 2_000, 5, {"pair", "all"}, set()),
    (planted_bugs.CapNotEnforced, 400, 5, {"pair", "margins", "all"}, set()),
    (planted_bugs.MarginsOncePerPair, 2_000, 5, {"margins"}, {"pair"}),
    (planted_bugs.MarginSensitivity, 2_000, 5, {"margins"}, {"pair", "all"}),
    (planted_bugs.MarginInFull, 2_000, 5, {"margins"}, {"pair"}),
    (planted_bugs.MarginForgotten, 2_000, 10, {"margins"}, {"pair"}),
    (planted_bugs.MarginPurseForgotten, 10_000, 20, {"margins"}, {"pair"}),
    (planted_bugs.SeedUsedAgain, 400, 1, {"pair", "margins", "all"}, set()),
    (planted_bugs.NoiseRepeated, 400, 1, {"pair", "margins", "all"}, set()),
    (planted_bugs.SameSignAgain, 4_000, 5, {"pair"}, set()),
    (planted_bugs.ReportsCounted, 400, 5, {"pair", "margins", "all"}, set()),
    (planted_bugs.BucketPaidByPair, 2_000, 5, {"pair", "all"}, {"margins"}),
]


@pytest.mark.parametrize(
    ("bug", "runs", "patients", "seen", "unseen"), PLANTED, ids=[bug.__name__ for bug, *_ in PLANTED]
)
def test_a_planted_bug_fails(
    bug: type[ReleasePath], runs: int, patients: int, seen: set[str], unseen: set[str]
) -> None:
    found = run(bug(audited(), epochs=4, patients=patients), runs=runs)
    failed = {name for name, table in found.items() if table.verdict is AuditVerdict.FAIL}
    assert seen <= failed
    assert not unseen & failed


def test_a_missing_share_of_noise_fails() -> None:
    found = run(planted_bugs.ShareMissing(summed(), epochs=4, patients=5), runs=20_000)
    assert {name for name, table in found.items() if table.verdict is AuditVerdict.FAIL} >= {"pair", "all"}


def test_every_planted_bug_is_in_a_test() -> None:
    planted = {
        thing
        for thing in vars(planted_bugs).values()
        if isinstance(thing, type) and issubclass(thing, ReleasePath) and thing not in SOUND
    }
    assert planted == {bug for bug, *_ in PLANTED} | {planted_bugs.ShareMissing}


def test_sound_code_is_hardly_ever_accused() -> None:
    """Each bound errs in one of twenty at most, by construction in far fewer; 40 audits with three verdicts each."""
    path = ReleasePath(audited(), epochs=2, patients=5)
    found = [run(path, runs=400, seed=seed) for seed in range(40)]
    assert sum(table.verdict is AuditVerdict.FAIL for each in found for table in each.values()) <= 1


@pytest.mark.parametrize("kind", [ReleasePath, SecureSumPath])
def test_single_runs_through_the_messages_are_the_audited_ones_bit_for_bit(kind: type[ReleasePath]) -> None:
    assert kind(summed(), epochs=3, patients=2).replay(range(6))


def test_another_noise_in_the_messages_would_be_seen() -> None:
    assert not planted_bugs.SigmaHalved(audited(), epochs=2, patients=1).replay([1])
    assert not planted_bugs.MarginSensitivity(audited(), epochs=2, patients=1).replay([1])


def test_equal_seeds_give_equal_audits() -> None:
    path = ReleasePath(audited(), epochs=2, patients=5)
    assert run(path, runs=1_000, seed=4) == run(path, runs=1_000, seed=4) != run(path, runs=1_000, seed=5)


def test_progress_is_told_by_runs() -> None:
    steps: list[int] = []
    path = ReleasePath(audited(), epochs=1, patients=1)
    audit_release(path, runs=10_000, random_bytes=np.random.default_rng(1).bytes, advance=steps.append)
    assert sum(steps) == 2 * 10_000
    assert len(steps) > 2


def test_upper_rates_are_the_exact_binomial_limits() -> None:
    for count, runs in ((0, 50), (3, 50), (49, 50)):
        limit = float(upper_rate(np.array([count]), runs, level=0.975)[0])
        assert binom.cdf(count, runs, limit) == pytest.approx(0.025)
    assert upper_rate(np.array([50]), 50, level=0.975) == 1


def test_bounds_approach_the_truth_from_below() -> None:
    """A test whose errors are exactly those of N(0, 1) against N(2, 1)."""
    for runs, within in ((10_000, 0.07), (100_000_000, 0.001)):
        error = np.array([round(runs * norm.cdf(-1.0))])
        assert 2 - within < float(mu_lower_bound(error, error, runs, level=0.95)[0]) < 2
        bound = float(epsilon_lower_bound(error, error, runs, delta=1e-6, level=0.95)[0])
        assert bound < np.log(norm.cdf(1.0) / norm.cdf(-1.0))
    useless = np.array([500])
    assert mu_lower_bound(useless, useless, 1000, level=0.95) == 0
    assert epsilon_lower_bound(useless, useless, 1000, delta=0.0, level=0.95) == 0


def test_the_lower_bound_covers() -> None:
    """Of 4,000 tests between N(0, 1) and N(1, 1), the 95 % bound is above 1 in at most one of twenty."""
    draws = np.random.default_rng(3).binomial(500, norm.cdf(-0.5), size=(2, 4_000))
    assert np.mean(mu_lower_bound(draws[0], draws[1], 500, level=0.95) > 1) <= 0.05


def test_the_matching_attains_both_theorems_at_once() -> None:
    path = ReleasePath(audited(), epochs=1, patients=1)
    change = path.history(with_canary=True)[0].weights - path.history(with_canary=False)[0].weights
    tables = path.protocol.layout.split(change).values()
    assert [np.count_nonzero(table) for table in tables] == [OPERATIONS] * 3
    for table in tables:
        assert sqrt(float(table @ table)) / 256 == pytest.approx(path.spec.wallet.capacity)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReleasePath(audited(), epochs=0, patients=1), "epochs must lie in"),
        (lambda: ReleasePath(audited(), epochs=13, patients=1), "epochs must lie in"),
        (lambda: ReleasePath(audited(), epochs=1, patients=0), "patients must be at least 1"),
        (
            lambda: ReleasePath(audited(), epochs=1, patients=1, canary=Canary.matching(2, epochs=2)),
            "moves must lie in",
        ),
        (lambda: SecureSumPath(audited(), epochs=1, patients=1), "minimum_cohort"),
        (lambda: Canary(drugs=1, reactions=2, moves=(Move(0, (2,)),)), "cells must lie in"),
        (lambda: Canary(drugs=1, reactions=2, moves=()), "at least one"),
        (lambda: Canary(drugs=1, reactions=2, moves=(Move(1, (0,)), Move(0, (1,)))), "in order"),
        (lambda: run(ReleasePath(audited(), epochs=1, patients=1), runs=98), "at least 100"),
        (lambda: run(ReleasePath(audited(), epochs=1, patients=1), runs=101), "even"),
        (lambda: upper_rate(np.array([1]), 2, level=1.0), "level"),
        (lambda: upper_rate(np.array([3]), 2, level=0.9), "counts"),
    ],
)
def test_wrong_arguments_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ParameterError, match=message):
        make()
