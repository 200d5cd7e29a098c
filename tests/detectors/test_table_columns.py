"""The count table's columns: every way to a table ends in the same bytes, wherever the latest changes join them."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import CountTable
from detectors._pair_counts import PairCounts
from detectors._same_text import same_text
from tests.detectors.tables import Report, reports, table_of

rooms = st.sampled_from([0, 1, 3, 4096])
steps = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([1, 1, 1, 2, -1])), max_size=60)
texts = st.lists(st.sampled_from(["", "a", "b", "ab", "é", "e\u0301", "𝛼", "a" * 40, "a" * 39 + "b"]), max_size=60)


def as_bytes(table: CountTable) -> bytes:
    return json.dumps(table.snapshot()).encode()


def by_columns(some_reports: list[Report]) -> CountTable:
    rows = [
        (number, drug, reaction, label.sex.value, label.age_band.value, label.seriousness)
        for number, (drugs, reactions, label) in enumerate(some_reports)
        for drug, reaction in product(drugs, reactions)
    ]
    case, drug, reaction, sex, age, seriousness = (list(column) for column in zip(*rows, strict=True)) if rows else (
        [] for _ in range(6)
    )  # fmt: skip
    return CountTable.from_reports(case, drug, reaction, {"sex": sex, "age": age, "seriousness": seriousness})


@settings(max_examples=60)
@given(reports, reports, rooms, st.data())
def test_every_way_to_a_table_gives_the_same_bytes(
    some: list[Report], others: list[Report], room: int, data: st.DataObject
) -> None:
    wanted = as_bytes(by_columns(some))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PairCounts, "least_room", room)
        every = [*some, *others]
        order = data.draw(st.permutations(range(len(every))))
        table = CountTable()
        for place in order:
            table.update(*every[place])
            if data.draw(st.booleans()):
                table.arrays()  # a reader in between changes nothing
        assert table.pair_count == len(table.arrays())
        assert as_bytes(table) == as_bytes(by_columns(every))
        for place in data.draw(st.permutations(range(len(others)))):
            table.retract(*others[place])
        assert as_bytes(table) == wanted
        restored = CountTable.restore(json.loads(wanted))
        merged = table_of(some)
        merged.merge(table_of(others))
        for report in others:
            restored.update(*report)
            merged.retract(*report)
        assert as_bytes(restored) == as_bytes(by_columns(every))
        assert as_bytes(merged) == wanted
        assert merged.pair_count == len(merged.arrays())


@settings(max_examples=60)
@given(steps, steps, rooms)
def test_counts_by_key_are_those_of_a_counter(
    some: list[tuple[int, int]], others: list[tuple[int, int]], room: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PairCounts, "least_room", room)
        made, known = [], []
        for changes in (some, others):
            counts, counter = PairCounts(), Counter[int]()
            for key, by in changes:
                if counter[key] + by >= 0:
                    counts.change([key], by)
                    counter[key] += by
                assert counts.of([key, 99]) == [counter[key], 0]
                assert len(counts) == len(+counter)
            made.append(counts)
            known.append(+counter)
        before = made[0].columns()
        copies = [column.copy() for column in before]
        made[0].merge(made[1])
        made[0].change(range(13), 1)
        keys, reports = made[0].columns()
        total = known[0] + known[1] + Counter(range(13))
        assert dict(zip(keys.tolist(), reports.tolist(), strict=True)) == total
        assert keys.tolist() == sorted(total)
        for column, copy in zip(before, copies, strict=True):  # what was handed out stays as it was
            np.testing.assert_array_equal(column, copy)
        assert dict(zip(*(column.tolist() for column in made[1].columns()), strict=True)) == known[1]


@settings(max_examples=60)
@given(texts)
def test_rows_have_one_number_exactly_if_their_texts_are_equal(some: list[str]) -> None:
    row = same_text(pl.Series("text", some, dtype=pl.String)).tolist()
    assert [some[place] for place in row] == some
    assert len(set(row)) == len(set(some))


def test_many_texts_that_meet_in_one_place_are_told_apart() -> None:
    random = np.random.default_rng(2)
    number = random.integers(0, 30_000, 100_000)
    row = same_text(pl.select(pl.format("report {}", pl.Series(number))).to_series())
    np.testing.assert_array_equal(number[row], number)
    assert len(np.unique(row)) == len(np.unique(number))


def test_a_large_table_kept_current_equals_its_columns() -> None:
    random = np.random.default_rng(3)
    rows = [(f"d{drug}", f"r{reaction}") for drug, reaction in random.integers(0, 120, (20_000, 2)).tolist()]
    table = CountTable()
    for drug, reaction in rows:
        table.update([drug], [reaction])  # more new pairs than fit beside the columns
    drugs, reactions = zip(*rows, strict=True)
    assert table == CountTable.from_reports(range(len(rows)), drugs, reactions)
    half = CountTable.from_reports(range(10_000), drugs[:10_000], reactions[:10_000])
    for drug, reaction in rows[10_000:]:
        half.update([drug], [reaction])
    assert half == table
