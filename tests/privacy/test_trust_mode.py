"""Contract checks for every trust mode, found by discovery, and what `PerSite` adds."""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Mapping
from math import sqrt

import numpy as np
import pytest

from cases.errors import ParameterError
from privacy.epoch_vector import EpochVector
from privacy.release_spec import ReleaseSpec
from privacy.trust_mode import PerSite, TrustMode, find_trust_mode
from tests.privacy.examples import protocol

History = Mapping[int, EpochVector | Mapping[int, int]]
MODES = [mode for mode in TrustMode.__subclasses__() if not inspect.isabstract(mode)]
SPEC = ReleaseSpec.of(protocol(drugs=5, reactions=7, epochs=10))
LENGTHS = {"pair": 35, "drug": 5, "reaction": 7}
LENGTH = 47


def mode_of(kind: type[TrustMode]) -> TrustMode:
    return kind()


def test_discovery_finds_the_modes_a_protocol_can_name() -> None:
    assert PerSite in MODES
    assert all(type(find_trust_mode(mode.name)) is mode for mode in MODES)
    with pytest.raises(ParameterError, match="secure-sum"):
        find_trust_mode("secure-sum")


@pytest.mark.parametrize("kind", MODES)
class TestEveryMode:
    def test_names_and_shapes(self, kind: type[TrustMode]) -> None:
        histories: list[History] = [{}, {0: {3: 256}}, {0: EpochVector.of({3: 256}), 2: {46: -5}}]
        for history in histories:
            tables = mode_of(kind).protect(SPEC, 2, history)
            assert {name: values.shape for name, values in tables.items()} == {
                name: (length,) for name, length in LENGTHS.items()
            }
            assert all(values.dtype == np.int64 for values in tables.values())

    def test_an_empty_epoch_is_as_long_as_a_full_one(self, kind: type[TrustMode]) -> None:
        full = dict.fromkeys(range(LENGTH), 256)
        empty, filled = (mode_of(kind).protect(SPEC, 9, history) for history in ({}, {9: full}))
        assert {name: len(values) for name, values in empty.items()} == {
            name: len(values) for name, values in filled.items()
        }

    def test_noise_is_fresh_and_only_from_the_given_bytes(self, kind: type[TrustMode]) -> None:
        mode, history = mode_of(kind), {0: {3: 256}}
        one, other = (mode.protect(SPEC, 1, history, random_bytes=random.Random(5).randbytes) for _ in range(2))
        assert all(np.array_equal(one[name], other[name]) for name in one)
        fresh, again = (mode.protect(SPEC, 1, history) for _ in range(2))
        assert all(not np.array_equal(fresh[name], again[name]) for name in fresh)

    def test_data_enter_as_the_encoded_row_whatever_the_noise(self, kind: type[TrustMode]) -> None:
        rng = np.random.default_rng(3)
        increments = rng.integers(-300, 300, (8, LENGTH)) * (rng.random((8, LENGTH)) < 0.4)
        history = {s: EpochVector.of(dict(enumerate(row.tolist()))) for s, row in enumerate(increments)}
        encoded = SPEC.factorisation.encode(increments)[7]
        seed = random.Random(9).randbytes
        noise = mode_of(kind).protect(SPEC, 7, {}, random_bytes=seed)
        seed = random.Random(9).randbytes
        tables = mode_of(kind).protect(SPEC, 7, history, random_bytes=seed)
        for name, part in zip(LENGTHS, np.split(encoded, [35, 40]), strict=True):
            assert np.array_equal(tables[name] - noise[name], part)

    def test_history_is_not_changed(self, kind: type[TrustMode]) -> None:
        history: History = {0: {3: 256, 4: 0}, 1: EpochVector.of({1: 2})}
        mode_of(kind).protect(SPEC, 1, history)
        assert list(history) == [0, 1]
        assert history[0] == {3: 256, 4: 0}

    @pytest.mark.parametrize(
        ("epoch", "history", "message"),
        [
            (10, {}, "epoch"),
            (-1, {}, "epoch"),
            (1, {2: {0: 1}}, "must not hold epoch 2"),
            (1, {-1: {0: 1}}, "must not hold"),
            (1, {0: {47: 1}}, "cell must lie in .0, 46., not 47"),
            (1, {0: {-1: 1}}, "cells"),
            (1, {0: {0: 2**41}}, "2\\*\\*40"),
        ],
    )
    def test_wrong_input_is_refused_before_noise_is_drawn(
        self, kind: type[TrustMode], epoch: int, history: dict[int, dict[int, int]], message: str
    ) -> None:
        def never(size: int) -> bytes:
            pytest.fail(f"{size} bytes of noise were drawn")

        with pytest.raises(ParameterError, match=message):
            mode_of(kind).protect(SPEC, epoch, history, random_bytes=never)

    def test_sums_that_could_leave_63_bits_are_refused(self, kind: type[TrustMode]) -> None:
        big = ReleaseSpec.of(protocol(drugs=200, reactions=200, epochs=10, coefficient_bits=12))
        full = EpochVector(np.arange(40_400), np.full(40_400, 2**35))
        with pytest.raises(ParameterError, match="63 bits"):
            mode_of(kind).protect(big, 0, {0: full})
        small = EpochVector(np.arange(40_400), np.full(40_400, 2**33))
        tables = mode_of(kind).protect(big, 0, {0: small})
        assert min(int(table.min()) for table in tables.values()) > 0.99 * 2**33 * 2**12  # nothing wrapped around

    def test_protected_totals_decode_to_the_truth_within_the_stated_noise(self, kind: type[TrustMode]) -> None:
        rng = np.random.default_rng(4)
        spec = ReleaseSpec.of(protocol(drugs=20, reactions=50, epochs=10))
        history: dict[int, dict[int, int]] = {}
        truth, rows, source = np.zeros(1070), [], random.Random(6).randbytes
        for epoch in range(10):
            cells = rng.choice(1070, 214, replace=False)
            history[epoch] = {int(cell): int(rng.integers(1, 20)) * 256 for cell in cells}
            for cell, weight in history[epoch].items():
                truth[cell] += weight / 256
            rows.append(mode_of(kind).protect(spec, epoch, history, random_bytes=source))
        errors = {
            name: spec.running_total([row[name] for row in rows]) - part
            for name, part in zip(spec.tables, np.split(truth, [1000, 1020]), strict=True)
        }
        for name, error in errors.items():
            predicted = spec.running_total_sd(name, 9)
            assert abs(error.mean()) < 5 * predicted / sqrt(error.size)
            assert 1 - 4 / sqrt(2 * error.size) < error.std() / predicted < 1 + 4 / sqrt(2 * error.size)


def test_a_hundred_full_epochs_cost_little_beside_the_noise() -> None:
    """60,000 cells, all of them in each of 101 epochs: about five times the noise alone, which no loop of ours is."""
    spec = ReleaseSpec.of(protocol(drugs=60, reactions=1000, epochs=120))
    cells, weights = np.arange(60_000), np.full(60_000, 256)
    history = {epoch: EpochVector(cells, weights) for epoch in range(101)}
    mode = PerSite()
    mode.protect(spec, 100, history)  # builds the sampler's tables

    def seconds(history: dict[int, EpochVector]) -> float:
        """Of the processor, and the best of three: other programs may be running."""
        taken = []
        for _ in range(3):
            started = time.process_time()
            mode.protect(spec, 100, history)
            taken.append(time.process_time() - started)
        return min(taken)

    assert seconds(history) < 30 * seconds({})
