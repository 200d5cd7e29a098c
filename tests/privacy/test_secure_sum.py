"""Sharing, agreeing, summing and opening: exact where it must be, and refused where it is not what it says."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from cases import ParameterError
from privacy import Cohort, EpochCalendar, EpochVector, SurveillanceProtocol
from privacy.release import TABLES, table_lengths
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import (
    Acceptance,
    AcceptedSet,
    Role,
    ShareError,
    ShareFault,
    SumShare,
    encode_sum,
    expand_seed,
    join_shares,
    join_sums,
    open_share,
    open_sum_share,
    peek_share,
    seal_sum_share,
    share_epoch,
    split_vector,
)
from privacy.secure_sum.site_share import maximum_share_bytes
from privacy.secure_sum.sum_share import maximum_sum_bytes

PROTOCOL = SurveillanceProtocol(
    name="test", version="1", era="2026", vocabulary="v@1", drugs=("A", "B", "C"), reactions=("R", "S"),
    calendar=EpochCalendar("month", date(2026, 1, 1), 6), epsilon=3.0, delta=1e-6,
)  # fmt: skip
SPEC = ReleaseSpec.of(PROTOCOL)
COHORT = Cohort(2, 0.8)
KEYS = {name: Ed25519PrivateKey.generate() for name in ("north", "south", "east", *Role)}
PUBLIC = {role: KEYS[role].public_key() for role in Role}
LENGTHS = table_lengths(PROTOCOL)
SILENCE = {name: np.zeros(length, dtype=np.int64) for name, length in LENGTHS.items()}

whole_numbers = arrays.arrays(np.int64, st.integers(0, 40), elements=st.integers(-(2**62), 2**62))


def messages(site: str, epoch: int, weights: dict[int, int], **more: Any) -> dict[Role, bytes]:
    noise = more.pop("noise", SILENCE)
    return share_epoch(
        site=site,
        protocol=PROTOCOL,
        epoch=epoch,
        increment=EpochVector.of(weights),
        noise=noise,
        key=KEYS[site],
        **more,
    )


def accept(epoch: int, members: list[tuple[str, str]], *, is_opened: bool = True) -> Acceptance:
    accepted = AcceptedSet(
        protocol_hash=PROTOCOL.hash, era=PROTOCOL.era, epoch=epoch, members=tuple(members), is_opened=is_opened
    )
    return signed_by_both(accepted)


def signed_by_both(accepted: AcceptedSet) -> Acceptance:
    return Acceptance(
        accepted=accepted, leader=accepted.sign(KEYS[Role.LEADER]), helper=accepted.sign(KEYS[Role.HELPER])
    )


@given(whole_numbers, st.randoms(use_true_random=False))
def test_two_shares_are_the_vector(values: Any, source: random.Random) -> None:
    seed, words = split_vector(values, random_bytes=source.randbytes)
    assert np.array_equal(join_shares(expand_seed(seed, len(values)), words), values)


def test_a_seed_expands_to_the_blocks_of_its_counter() -> None:
    seed = bytes(range(32))
    blocks = b"".join(number.to_bytes(16, "big") for number in range(5))
    expected = Cipher(algorithms.AES256(seed), modes.ECB()).encryptor().update(blocks)
    assert expand_seed(seed, 9).astype("<u8").tobytes() == expected[:72]


@given(
    st.lists(arrays.arrays(np.int64, 7, elements=st.integers(-(2**40), 2**40)), min_size=1, max_size=5),
    st.lists(st.integers(0, 2**16), min_size=5, max_size=5),
)
def test_sums_and_multiples_of_shares_are_shares(vectors: list[Any], factors: list[int]) -> None:
    totals = [np.zeros(7, dtype=np.uint64), np.zeros(7, dtype=np.uint64)]
    for vector, factor in zip(vectors, factors, strict=False):
        seed, words = split_vector(vector)
        for total, share in zip(totals, (expand_seed(seed, 7), words), strict=True):
            total += np.uint64(factor) * share
    exact = sum(factor * vector for vector, factor in zip(vectors, factors, strict=False))
    assert np.array_equal(join_shares(*totals), exact)


@pytest.mark.parametrize("role", list(Role))
def test_what_one_aggregator_gets_is_uniform_whatever_the_site_counted(role: Role) -> None:
    source = random.Random(5)
    counts = np.zeros(256)
    for _ in range(300):
        data = messages("north", 0, {0: 256, 3: 100}, random_bytes=source.randbytes)[role]
        share = open_share(data, public_key=KEYS["north"].public_key(), protocol=PROTOCOL, role=role)
        held = np.concatenate([share.content, share.noise]).astype("<u8").view(np.uint8)
        counts += np.bincount(held, minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_messages_are_as_long_and_as_opaque_without_reports() -> None:
    busy, quiet = messages("north", 1, {0: 256, 5: -256}), messages("north", 1, {})
    for role in Role:
        assert len(busy[role]) == len(quiet[role]) <= maximum_share_bytes(PROTOCOL)


class Aggregator:
    """Sums what it opens: the arithmetic of the service, nothing else of it."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.contents: dict[int, Any] = {}

    def sum_share(self, opened: list[Any], rolled: list[Any], acceptance: Acceptance, row: dict[int, int]) -> SumShare:
        epoch = acceptance.accepted.epoch
        nothing = np.zeros(PROTOCOL.layout.length, dtype=np.uint64)
        self.contents[epoch] = sum((share.content for share in [*opened, *rolled]), nothing)
        noise = sum((share.noise for share in opened), nothing)
        words = encode_sum(row, self.contents.items(), noise)
        return SumShare(role=self.role, acceptance=acceptance, words=words)


def play(noise_of: Callable[[], dict[str, Any]]) -> tuple[list[dict[str, Any]], Any, list[int]]:
    """Four epochs of three sites: one late, one epoch rolled over, retractions; W of the opened, exact totals."""
    aggregators = [Aggregator(role) for role in Role]
    sent = {
        0: {"north": {0: 256, 1: 128, 6: 256}, "south": {0: 77, 9: 77}, "east": {5: 256, 10: 256}},
        1: {"north": {2: 256, 7: 256}},  # below the cohort: rolled
        2: {"north": {0: -256, 6: -256}, "south": {1: 9}},
        3: {"north": {}, "south": {0: -77, 4: 200}, "east": {3: 250, 5: -256}},
    }
    held: list[list[Any]] = [[], []]
    opened_epochs: list[int] = []
    results = []
    exact = np.zeros(PROTOCOL.layout.length, dtype=np.int64)
    for epoch, sites in sent.items():
        shares: list[list[Any]] = [[], []]
        for site in sorted(sites):
            lines = messages(site, epoch, sites[site], noise=noise_of())
            for number, role in enumerate(Role):
                shares[number].append(
                    open_share(lines[role], public_key=KEYS[site].public_key(), protocol=PROTOCOL, role=role)
                )
            for cell, weight in sites[site].items():
                exact[cell] += weight
        members = [(share.site, share.sharing) for share in shares[0]]
        assert members == [(share.site, share.sharing) for share in shares[1]]
        if len(members) < COHORT.minimum:
            for number in range(2):
                held[number] += shares[number]
            continue
        opened_epochs.append(epoch)
        acceptance = accept(epoch, members)
        row = dict(enumerate(SPEC.factorisation.row(epoch).tolist()))
        lines_to_hub = [
            seal_sum_share(aggregator.sum_share(shares[number], held[number], acceptance, row), KEYS[aggregator.role])
            for number, aggregator in enumerate(aggregators)
        ]
        held = [[], []]
        at_hub = [
            open_sum_share(line, keys=PUBLIC, role=role, protocol=PROTOCOL, cohort=COHORT)
            for role, line in zip(Role, lines_to_hub, strict=True)
        ]
        assert all(len(line) <= maximum_sum_bytes(PROTOCOL) for line in lines_to_hub)
        results.append(join_sums(at_hub[0], at_hub[1], PROTOCOL))
    return results, exact, opened_epochs


def decode(results: list[dict[str, Any]], opened: list[int], name: str) -> Any:
    matrix = np.array([[SPEC.factorisation.row(t)[s] if s <= t else 0 for s in opened] for t in opened], dtype=float)
    increments = np.linalg.solve(matrix, np.stack([result[name] for result in results]).astype(float))
    return increments.sum(axis=0)


def test_without_noise_the_hub_decodes_the_exact_totals_late_and_rolled_sites_among_them() -> None:
    results, exact, opened = play(lambda: SILENCE)
    assert opened == [0, 2, 3]
    for name, expected in zip(TABLES, np.split(exact, [6, 9]), strict=True):
        assert np.count_nonzero(expected)
        np.testing.assert_allclose(decode(results, opened, name), expected, atol=1e-6)


def test_noise_of_the_sum_has_the_variance_of_its_sites() -> None:
    source = np.random.default_rng(7)
    sd = 5000.0

    def noise() -> dict[str, Any]:
        return {name: np.rint(source.normal(0, sd, length)).astype(np.int64) for name, length in LENGTHS.items()}

    residuals = []
    for _ in range(60):
        results, _, _ = play(noise)
        exact_results, _, _ = play(lambda: SILENCE)
        for noisy, exact, sites in zip(results, exact_results, (3, 2, 3), strict=True):
            residuals += [(noisy[name] - exact[name]) / (sd * np.sqrt(sites)) for name in TABLES]
    values = np.concatenate(residuals)
    assert abs(values.std() - 1) < 4 / np.sqrt(2 * values.size)


def test_every_honest_cohort_adds_at_least_the_noise_that_is_needed() -> None:
    for minimum in (2, 3, 10, 97, 1000):
        for fraction in (0.5, 0.8, 1.0):
            cohort = Cohort(minimum, fraction)
            sigma = SPEC.tables["pair"].sigma
            assert cohort.site_sigma(sigma) ** 2 * cohort.honest >= sigma**2
            assert cohort.honest >= fraction * minimum > cohort.honest - 1
    assert Cohort(1000, 0.8).inflation(1000) == pytest.approx(1.118, abs=5e-4)
    with pytest.raises(ParameterError, match="lattice units each"):
        Cohort(1000, 0.8).site_sigma(1000)


@pytest.mark.parametrize(("minimum", "fraction"), [(1, 0.8), (2, 0.0), (2, 1.1), (2, float("nan"))])
def test_impossible_cohorts_are_refused(minimum: int, fraction: float) -> None:
    with pytest.raises(ParameterError, match=r"minimum_cohort|honest_fraction"):
        Cohort(minimum, fraction)


def fault(call: Callable[[], object]) -> ShareFault:
    with pytest.raises(ShareError) as caught:
        call()
    return caught.value.reason


def test_a_share_for_another_place_is_refused() -> None:
    data = messages("north", 1, {0: 256})
    key = KEYS["north"].public_key()

    def opened(line: bytes, role: Role = Role.LEADER, protocol: SurveillanceProtocol = PROTOCOL, by: Any = key) -> Any:
        return lambda: open_share(line, public_key=by, protocol=protocol, role=role)

    other = msgspec.structs.replace(PROTOCOL, version="2")
    assert peek_share(data[Role.LEADER])[0] == "north"
    assert fault(opened(data[Role.HELPER])) is ShareFault.RECIPIENT
    assert fault(opened(data[Role.LEADER], protocol=other)) is ShareFault.PROTOCOL
    assert fault(opened(data[Role.LEADER], by=KEYS["south"].public_key())) is ShareFault.SIGNATURE
    assert fault(opened(data[Role.LEADER][:-8])) is ShareFault.LENGTH
    assert fault(opened(data[Role.LEADER] + b"\0")) is ShareFault.LENGTH
    flipped = data[Role.LEADER][:-1] + bytes([data[Role.LEADER][-1] ^ 1])
    assert fault(opened(flipped)) is ShareFault.DIGEST


def resigned(data: bytes, **changes: Any) -> bytes:
    """A share that its site signed with other words in its head: what only a site that lies can send."""
    magic, head, payload = data.split(b"\n", 2)
    body = {**msgspec.json.decode(head)["body"], **changes}
    encoded = msgspec.json.encode(body)
    signature = KEYS["north"].sign(magic + b"\n" + encoded)
    return b"\n".join([magic, msgspec.json.encode({"body": msgspec.Raw(encoded), "signature": signature}), payload])


def test_a_site_that_signs_another_era_or_an_epoch_beyond_the_calendar_is_refused() -> None:
    data, key = messages("north", 1, {0: 256})[Role.LEADER], KEYS["north"].public_key()

    def opened(**changes: Any) -> Any:
        return lambda: open_share(resigned(data, **changes), public_key=key, protocol=PROTOCOL, role=Role.LEADER)

    assert opened()().epoch == 1
    assert fault(opened(era="2025")) is ShareFault.ERA
    assert fault(opened(epoch=PROTOCOL.calendar.count)) is ShareFault.EPOCH
    assert fault(opened(epoch=-1)) is ShareFault.MALFORMED
    assert fault(opened(protocol_hash="0" * 64)) is ShareFault.PROTOCOL


@settings(max_examples=200)
@given(st.data())
def test_no_changed_byte_gets_in(data: st.DataObject) -> None:
    line = messages("north", 1, {0: 256})[Role.HELPER]
    place = data.draw(st.integers(0, len(line) - 1))
    changed = line[:place] + bytes([line[place] ^ data.draw(st.integers(1, 255))]) + line[place + 1 :]
    fault(lambda: open_share(changed, public_key=KEYS["north"].public_key(), protocol=PROTOCOL, role=Role.HELPER))


@given(st.binary(max_size=300))
def test_bytes_that_are_no_share_are_refused(data: bytes) -> None:
    assert fault(lambda: peek_share(data)) is ShareFault.MALFORMED
    assert fault(lambda: peek_share(b"kelsey.share/1\n" + data)) is ShareFault.MALFORMED


def sum_lines(acceptance: Acceptance, **keys: Ed25519PrivateKey) -> dict[Role, bytes]:
    words = np.arange(sum(LENGTHS.values()), dtype=np.uint64)
    return {
        role: seal_sum_share(SumShare(role=role, acceptance=acceptance, words=words), keys.get(role, KEYS[role]))
        for role in Role
    }


def test_the_hub_refuses_sums_that_were_not_agreed_on_or_lack_sites() -> None:
    members = [("north", "a" * 64), ("south", "b" * 64)]
    good = accept(2, members)

    def opened(acceptance: Acceptance, role: Role = Role.LEADER, **more: Any) -> Callable[[], object]:
        line = sum_lines(acceptance, **more)[role]
        return lambda: open_sum_share(line, keys=PUBLIC, role=role, protocol=PROTOCOL, cohort=COHORT)

    opened(good)()
    unsigned = msgspec.structs.replace(good, helper=good.leader)
    assert fault(opened(unsigned)) is ShareFault.SIGNATURE
    swapped = msgspec.structs.replace(good, accepted=accept(2, [("north", "a" * 64), ("south", "c" * 64)]).accepted)
    assert fault(opened(swapped)) is ShareFault.SIGNATURE
    assert fault(opened(accept(2, members[:1]))) is ShareFault.COHORT
    assert fault(opened(accept(2, members, is_opened=False))) is ShareFault.COHORT
    assert fault(opened(accept(6, members))) is ShareFault.EPOCH
    for change, found in (({"protocol_hash": "0" * 64}, ShareFault.PROTOCOL), ({"era": "2025"}, ShareFault.ERA)):
        assert fault(opened(signed_by_both(msgspec.structs.replace(good.accepted, **change)))) is found
    assert fault(opened(good, leader=KEYS["north"])) is ShareFault.SIGNATURE
    line = sum_lines(good)[Role.LEADER]
    as_helper = {**PUBLIC, Role.HELPER: PUBLIC[Role.LEADER]}
    assert (
        fault(lambda: open_sum_share(line, keys=as_helper, role=Role.HELPER, protocol=PROTOCOL, cohort=COHORT))
        is ShareFault.RECIPIENT
    )


def test_shares_of_two_agreements_are_not_put_together() -> None:
    words = np.zeros(sum(LENGTHS.values()), dtype=np.uint64)
    first = SumShare(role=Role.LEADER, acceptance=accept(2, [("north", "a" * 64), ("south", "b" * 64)]), words=words)
    other = SumShare(
        role=Role.HELPER, acceptance=accept(2, [("north", "a" * 64), ("east", "b" * 64)][::-1]), words=words
    )
    assert fault(lambda: join_sums(first, other, PROTOCOL)) is ShareFault.DISAGREEMENT
    assert fault(lambda: join_sums(first, replace(first), PROTOCOL)) is ShareFault.DISAGREEMENT


def test_a_site_stands_once_in_an_accepted_set() -> None:
    with pytest.raises(ParameterError, match="each site once"):
        accept(0, [("north", "a" * 64), ("north", "b" * 64)])
