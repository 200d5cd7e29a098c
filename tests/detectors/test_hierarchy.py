"""Hierarchies: what is above what, once each, against walks over the rows; and tables at every level."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import ParameterError, UnknownTermError
from detectors import CountTable, Hierarchy

ROWS = [
    ("anterior infarction", "infarction"),
    ("inferior infarction", "infarction"),
    ("infarction", "heart"),
    ("infarction", "vessels"),  # two parents
    ("angina", "heart"),
    ("heart", "body"),
    ("vessels", "body"),
]


def tree(rows: list[tuple[str, str]]) -> Hierarchy:
    return Hierarchy.from_rows(*map(list, zip(*rows, strict=True)))


def walked(rows: list[tuple[str, str]], name: str) -> set[str]:
    """Everything above a name, by following the rows."""
    above = {parent for child, parent in rows if child == name}
    return above.union(*(walked(rows, each) for each in above))


# numbered names, each above only such as have a smaller number: never a cycle
dags = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 8)).filter(lambda row: row[1] < row[0]), min_size=1, max_size=20
).map(lambda rows: [(f"n{child}", f"n{parent}") for child, parent in rows])


def test_names_levels_and_leaves() -> None:
    found = tree(ROWS)
    assert found.names == tuple(sorted({name for row in ROWS for name in row}))
    assert dict(zip(found.names, found.level.tolist(), strict=True)) == {
        "body": 1, "heart": 2, "vessels": 2, "infarction": 3, "angina": 3, "anterior infarction": 4,
        "inferior infarction": 4,
    }  # fmt: skip
    leaves = {name for name, is_leaf in zip(found.names, found.is_leaf, strict=True) if is_leaf}
    assert leaves == {"anterior infarction", "inferior infarction", "angina"}
    assert found.ancestors("anterior infarction") == ("infarction", "heart", "vessels", "body")
    assert found.ancestors("body") == ()


@settings(max_examples=60)
@given(dags)
def test_ancestors_are_those_of_a_walk_and_levels_grow_downwards(rows: list[tuple[str, str]]) -> None:
    found = tree(rows)
    level = dict(zip(found.names, found.level.tolist(), strict=True))
    for name in found.names:
        assert set(found.ancestors(name)) == walked(rows, name)
        parents = [level[parent] for child, parent in rows if child == name]
        assert level[name] == 1 + max(parents, default=0)


@settings(max_examples=60)
@given(dags, st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.integers(0, 99)), min_size=1, max_size=25))
def test_a_report_counts_once_at_each_name_above(
    rows: list[tuple[str, str]], named: list[tuple[int, str, int]]
) -> None:
    found = tree(rows)
    reports = [(str(case), drug, found.names[number % len(found.names)]) for case, drug, number in named]
    case_id, drug, reaction = (pl.Series(column) for column in zip(*reports, strict=True))
    row, names = found.rolled_up(reaction)
    table = CountTable.from_reports(case_id[row], drug[row], names)
    covered = {(case, drug, name) for case, drug, leaf in reports for name in {leaf, *walked(rows, leaf)}}
    assert table.report_count == len({case for case, _, _ in reports})
    assert table.pair_count == len({(drug, name) for _, drug, name in covered})
    for drug_name, name in {(drug, name) for _, drug, name in covered}:
        cell = table.pair(drug_name, name)
        assert cell.n == len({case for case, drug, each in covered if (drug, each) == (drug_name, name)})
        assert cell.n_drug == len({case for case, drug, _ in reports if drug == drug_name})
        assert cell.n_reaction == len({case for case, _, each in covered if each == name})


def test_double_rows_and_their_order_change_nothing() -> None:
    once, twice = tree(ROWS), tree([*ROWS[::-1], *ROWS])
    assert once.names == twice.names
    np.testing.assert_array_equal(once.level, twice.level)
    np.testing.assert_array_equal(once.closure.toarray(), twice.closure.toarray())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "b"), ("c", "c")], "row 3: 'c' is its own parent"),
        ([("x", "a"), ("a", "b"), ("b", "c"), ("c", "a")], "row 3: 'b' is above 'a', but also below it"),
        ([("a", "b"), (" ", "c")], "row 3: child has no value"),
        ([("a", "b"), ("c", None)], "row 3: parent has no value"),
        ([("a", "")], "row 2: parent has no value"),
    ],
)
def test_what_is_no_hierarchy_is_refused_under_its_row(rows: list[tuple[str, str]], message: str) -> None:
    child, parent = zip(*rows, strict=True)
    with pytest.raises(ParameterError) as refused:
        Hierarchy.from_rows(child, parent, first_row=2)
    assert refused.value.message == message


def test_columns_must_fit() -> None:
    with pytest.raises(ParameterError, match="one length, not child 1 and parent 2"):
        Hierarchy.from_rows(["a"], ["b", "c"])
    with pytest.raises(ParameterError, match="at least one row"):
        Hierarchy.from_rows([], [])


def test_a_name_that_is_not_there_is_an_error_with_the_nearest() -> None:
    found = tree(ROWS)
    with pytest.raises(UnknownTermError, match=r"does not have 'anginna' \(the nearest are 'angina'"):
        found.rolled_up(["angina", "anginna"])
    with pytest.raises(ParameterError, match="a name is missing"):
        found.numbers(["angina", None])
    assert found.column({"heart": 2.5}).tolist() == [0, 0, 0, 2.5, 0, 0, 0]


def test_a_long_chain_and_a_wide_tree() -> None:
    chain = tree([(f"{number:04}", f"{number + 1:04}") for number in range(300)])
    assert len(chain.ancestors("0000")) == 300
    assert chain.level.max() == 301
    wide = tree([(f"leaf {number}", f"group {number % 100}") for number in range(20_000)])
    row, names = wide.rolled_up([f"leaf {number}" for number in range(20_000)])
    assert len(row) == 40_000
    assert names.n_unique() == 20_100
