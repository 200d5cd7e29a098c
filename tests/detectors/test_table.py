"""The count table: what counts, what is refused, and that it can go backwards."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import IntegrityError, ParameterError, Stratum, UnknownTermError
from detectors import Cell, CountTable
from tests.detectors.tables import STRATA, Report, reports, table_of


def batch(some_reports: list[Report], stratum: Stratum | None = None) -> dict[tuple[str, str], Cell]:
    """Independent recomputation with sets of report numbers."""
    counted = [
        (number, set(drugs), set(reactions))
        for number, (drugs, reactions, label) in enumerate(some_reports)
        if drugs and reactions and (stratum is None or label == stratum)
    ]
    by_drug: dict[str, set[int]] = {}
    by_reaction: dict[str, set[int]] = {}
    for number, drugs, reactions in counted:
        for drug in drugs:
            by_drug.setdefault(drug, set()).add(number)
        for reaction in reactions:
            by_reaction.setdefault(reaction, set()).add(number)
    return {
        (drug, reaction): Cell(len(mine & its), len(mine), len(its), len(counted))
        for (drug, mine), (reaction, its) in product(by_drug.items(), by_reaction.items())
        if mine & its
    }


def as_cells(table: CountTable, stratum: Stratum | None = None) -> dict[tuple[str, str], Cell]:
    arrays = table.arrays(stratum=stratum)
    rows = zip(
        arrays.n.tolist(), arrays.n_drug.tolist(), arrays.n_reaction.tolist(), arrays.n_total.tolist(), strict=True
    )
    return {pair: Cell(*row) for pair, row in zip(zip(arrays.drug, arrays.reaction, strict=True), rows, strict=True)}


def test_a_pair_named_twice_in_a_report_counts_once() -> None:
    table = CountTable()
    table.update(["aspirin", "aspirin", "warfarin"], ["rash", "rash"])
    assert table.pair("aspirin", "rash") == Cell(1, 1, 1, 1)


def test_a_report_with_three_drugs_adds_one_to_the_total() -> None:
    table = CountTable()
    table.update(["aspirin", "warfarin", "ibuprofen"], ["rash"])
    table.update(["aspirin"], ["nausea"])
    assert table.pair("aspirin", "rash") == Cell(n=1, n_drug=2, n_reaction=1, n_total=2)
    assert table.report_count == 2


def test_unique_report_counting_in_columns() -> None:
    table = CountTable.from_reports(
        ["7", "7", "7", "7", "8"],
        ["aspirin", "aspirin", "warfarin", "ibuprofen", "aspirin"],
        ["rash", "rash", "rash", "nausea", "rash"],
    )
    assert table.pair("aspirin", "rash") == Cell(n=2, n_drug=2, n_reaction=2, n_total=2)
    assert ("aspirin", "nausea") not in table  # rows name pairs, not all combinations


def test_a_report_without_drug_or_reaction_adds_nothing() -> None:
    table = CountTable()
    table.update([], ["rash"])
    table.update(["aspirin"], [])
    assert table == CountTable()
    assert table.report_count == 0
    assert len(table.arrays()) == 0
    table.retract([], ["rash"])  # the inverse of nothing


@given(reports)
def test_streaming_equals_batch_after_every_prefix(some_reports: list[Report]) -> None:
    table = CountTable()
    for length, (drugs, reactions, stratum) in enumerate(some_reports, start=1):
        table.update(drugs, reactions, stratum)
        assert as_cells(table) == batch(some_reports[:length])
    for label in STRATA:
        if expected := batch(some_reports, label):
            assert as_cells(table, label) == expected


@given(reports, st.randoms(use_true_random=False))
def test_order_does_not_matter(some_reports: list[Report], random: Random) -> None:
    shuffled = list(some_reports)
    random.shuffle(shuffled)
    one, other = table_of(some_reports), table_of(shuffled)
    assert one == other
    assert one.arrays().drug == other.arrays().drug
    np.testing.assert_array_equal(one.arrays(stratified=True).expected, other.arrays(stratified=True).expected)


@given(reports, reports)
def test_split_and_merge(some: list[Report], others: list[Report]) -> None:
    merged, other = table_of(some), table_of(others)
    untouched = other.snapshot()
    merged.merge(other)
    assert merged == table_of([*some, *others])
    assert other.snapshot() == untouched


def test_merging_a_table_with_itself_doubles_it() -> None:
    table = table_of([(("aspirin",), ("rash",), Stratum())])
    table.merge(table)
    assert table.pair("aspirin", "rash") == Cell(2, 2, 2, 2)


@given(reports, reports)
def test_retraction_undoes(kept: list[Report], retracted: list[Report]) -> None:
    table = table_of([*kept, *retracted])
    for drugs, reactions, stratum in retracted:
        table.retract(drugs, reactions, stratum)
    assert table == table_of(kept)
    assert as_cells(table) == batch(kept)


def test_a_pair_that_appears_is_retracted_and_appears_again_is_as_if_it_appeared_once() -> None:
    once, again = CountTable(), CountTable()
    for table in (once, again):
        table.update(["warfarin"], ["rash"])
    once.update(["aspirin"], ["haemorrhage"])
    again.update(["aspirin"], ["haemorrhage"])
    again.retract(["aspirin"], ["haemorrhage"])
    assert ("aspirin", "haemorrhage") not in again
    with pytest.raises(UnknownTermError):
        again.pair("aspirin", "haemorrhage")
    again.update(["aspirin"], ["haemorrhage"])
    assert again == once
    assert again.snapshot() == once.snapshot()
    assert again.arrays().drug == once.arrays().drug
    assert as_cells(again) == as_cells(once)


@pytest.mark.parametrize(
    ("drugs", "reactions", "stratum"),
    [
        (["warfarin"], ["rash"], Stratum()),  # this pair was never reported
        (["aspirin"], ["nausea"], Stratum()),  # the drug was, the reaction was not
        (["aspirin"], ["rash"], STRATA[1]),  # reported, but in another stratum
        (["aspirin", "ibuprofen"], ["rash"], Stratum()),  # each was, but not ibuprofen with rash
    ],
)
def test_removing_what_was_not_added_is_refused_and_changes_nothing(
    drugs: list[str], reactions: list[str], stratum: Stratum
) -> None:
    table = table_of([(("aspirin",), ("rash",), Stratum()), (("ibuprofen",), ("vertigo",), Stratum())])
    before = table.snapshot()
    with pytest.raises(ParameterError, match="holds no"):
        table.retract(drugs, reactions, stratum)
    assert table.snapshot() == before


@pytest.mark.parametrize("drugs", ["aspirin", ["aspirin", ""], ["  "]])
def test_blank_names_and_a_text_in_place_of_names_are_refused(drugs: str | list[str]) -> None:
    table = CountTable()
    with pytest.raises(ParameterError, match="drug"):
        table.update(drugs, ["rash"])
    assert table == CountTable()


def test_a_misspelt_term_is_an_error_that_names_the_nearest() -> None:
    table = table_of([(("rofecoxib",), ("infarction",), Stratum())])
    with pytest.raises(UnknownTermError, match=r"no report names the drug 'rofecoxibe'.*nearest.*'rofecoxib'"):
        table.pair("rofecoxibe", "infarction")
    with pytest.raises(UnknownTermError, match=r"reaction 'infraction'.*'infarction'"):
        table.arrays_of([("rofecoxib", "infraction")])
    with pytest.raises(UnknownTermError, match="stratum"):
        table.arrays(stratum=STRATA[1])


def test_known_terms_never_reported_together_are_a_zero_not_an_error() -> None:
    table = table_of([(("aspirin",), ("rash",), Stratum()), (("warfarin",), ("nausea",), Stratum())])
    assert table.pair("aspirin", "nausea") == Cell(0, 1, 1, 2)
    assert table.pair("aspirin", "nausea").expected == 0.5


def test_rows_are_sorted_by_drug_then_reaction_whatever_came_first() -> None:
    table = CountTable()
    for drug, reaction in [("b", "z"), ("Ä", "y"), ("b", "a"), ("B", "m"), ("a", "z"), ("10", "q")]:
        table.update([drug], [reaction])
    arrays = table.arrays()
    pairs = list(zip(arrays.drug, arrays.reaction, strict=True))
    assert pairs == sorted(pairs)
    assert pairs[:3] == [("10", "q"), ("B", "m"), ("a", "z")]


def test_counts_are_64_bit_and_margins_beyond_32_bits_do_not_wrap() -> None:
    table = CountTable.from_counts([("a", "x", 3_000_000_000), ("a", "y", 5_000_000_000), ("b", "x", 7_000_000_000)])
    arrays = table.arrays()
    assert {column.dtype for column in (arrays.n, arrays.n_drug, arrays.n_reaction, arrays.n_total)} == {
        np.dtype(np.int64)
    }
    assert arrays.n_drug.tolist() == [8_000_000_000, 8_000_000_000, 7_000_000_000]
    assert arrays.expected[0] == pytest.approx(8e9 * 10e9 / 15e9, rel=1e-15)  # the product is beyond 64 bits


@given(reports)
def test_a_few_pairs_are_the_rows_of_all_pairs(some_reports: list[Report]) -> None:
    table = table_of(some_reports)
    for stratified in (False, True):
        arrays = table.arrays(stratified=stratified)
        few = table.arrays_of(list(zip(arrays.drug, arrays.reaction, strict=True)), stratified=stratified)
        assert (few.drug, few.reaction) == (arrays.drug, arrays.reaction)
        for name in ("n", "n_drug", "n_reaction", "n_total"):
            np.testing.assert_array_equal(getattr(few, name), getattr(arrays, name))
        np.testing.assert_allclose(few.expected, arrays.expected, rtol=1e-14)


@given(reports)
def test_the_stratified_expected_count_is_the_sum_over_strata(some_reports: list[Report]) -> None:
    arrays = table_of(some_reports).arrays(stratified=True)
    for drug, reaction, expected in zip(arrays.drug, arrays.reaction, arrays.expected.tolist(), strict=True):
        total = Fraction(0)
        for label in STRATA:
            stratum = [report for report in some_reports if report[2] == label and report[0] and report[1]]
            if stratum:
                with_drug = sum(drug in report[0] for report in stratum)
                with_reaction = sum(reaction in report[1] for report in stratum)
                total += Fraction(with_drug * with_reaction, len(stratum))
        assert expected == pytest.approx(float(total), rel=1e-14)


def test_a_stratum_that_lacks_the_drug_adds_nothing_to_its_expected_count() -> None:
    table = CountTable()
    for _ in range(4):
        table.update(["finasteride"], ["rash"], ("male",))
    table.update(["finasteride"], ["nausea"], ("male",))
    for _ in range(10):
        table.update(["tamoxifen"], ["rash"], ("female",))
    arrays = table.arrays(stratified=True)
    assert dict(zip(zip(arrays.drug, arrays.reaction, strict=True), arrays.expected.tolist(), strict=True)) == {
        ("finasteride", "nausea"): 1.0,
        ("finasteride", "rash"): 4.0,
        ("tamoxifen", "rash"): 10.0,
    }
    assert table.strata == (("female",), ("male",))


@given(reports)
def test_columns_equal_one_by_one(some_reports: list[Report]) -> None:
    rows = [
        (f"case-{number}", drug, reaction, label)
        for number, (drugs, reactions, label) in enumerate(some_reports)
        for drug, reaction in product(drugs, reactions)
    ]
    case, drug, reaction = ([row[place] for row in rows] for place in range(3))
    strata = {
        "sex": [row[3].sex.value for row in rows],
        "age": [row[3].age_band.value for row in rows],
        "seriousness": [row[3].seriousness for row in rows],
    }
    assert CountTable.from_reports(case, drug, reaction, strata) == table_of(some_reports)


def test_columns_may_be_lists_arrays_or_series_and_rows_come_in_any_order() -> None:
    case, drug, reaction = [3, 1, 2, 1], ["b", "a", "a", "b"], ["x", "x", "y", "x"]
    table = CountTable.from_reports(case, drug, reaction)
    assert table == CountTable.from_reports(np.array(case), np.array(drug), pl.Series(reaction))
    assert table == CountTable.from_reports(case[::-1], drug[::-1], reaction[::-1])
    assert table.strata == (("unknown", "unknown", "unknown"),)
    assert CountTable.from_reports([], [], []) == CountTable()


def test_missing_strata_values_are_a_stratum_of_their_own() -> None:
    table = CountTable.from_reports(["1", "2"], ["a", "a"], ["x", "y"], {"sex": ["female", None]})
    assert table.strata == (("female",), ("unknown",))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((["1", "2"], ["a", None], ["x", "y"]), "column drug has no value in row 1"),
        ((["1", "2"], ["a", "b"], [" ", "y"]), "column reaction has no value in row 0"),
        (([1.0, float("nan")], ["a", "b"], ["x", "y"]), "column case_id has no value in row 1"),
        ((["1", "2"], ["a", "b"], [None, None]), "column reaction has no value in any row"),
        ((["1", "2"], ["NA", "nan"], ["x", "y"]), "column drug has no value in any row"),
        ((["1", "2"], ["a"], ["x", "y"]), "one length"),
    ],
)
def test_a_missing_term_is_an_error_never_no_signal(columns: tuple[list[object], ...], message: str) -> None:
    case, drug, reaction = columns
    with pytest.raises(ParameterError, match=message):
        CountTable.from_reports(case, drug, reaction)


def test_strata_that_cannot_be_are_refused() -> None:
    case, drug, reaction = ["1", "2", "2"], ["a", "a", "b"], ["x", "y", "y"]
    with pytest.raises(ParameterError, match="report of row 1 stands in two strata"):
        CountTable.from_reports(case, drug, reaction, {"sex": ["f", "f", "m"]})
    with pytest.raises(ParameterError, match="column sex has no value in any row"):
        CountTable.from_reports(case, drug, reaction, {"sex": [None, None, None]})


@given(reports)
def test_a_snapshot_restores(some_reports: list[Report]) -> None:
    table = table_of(some_reports)
    restored = CountTable.restore(table.snapshot())
    assert restored == table
    assert as_cells(restored) == as_cells(table)
    restored.update(["aspirin"], ["rash"])
    assert restored.report_count == table.report_count + 1


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("version",), 2, "version 1 expected"),
        (("drugs",), ["aspirin", "aspirin"], "hold a name twice"),
        (("drugs",), [""], "must be names"),
        (("strata", 0, "reports"), 0, "reports must be at least 1"),
        (("strata", 0, "drugs"), [[0], [9]], r"lie in \[1, reports\]"),
        (("strata", 0, "drugs"), [[5], [1]], "outside the names"),
        (("strata", 0, "pairs"), [[0], [0], [0]], "no more than its margins"),
        (("strata", 0, "pairs"), [[0], [0], [1.5]], "integers"),
        (("strata", 0, "pairs"), [[0], [0]], "3 columns"),
        (("strata", 0), {}, "KeyError"),
    ],
)
def test_a_snapshot_that_contradicts_itself_is_refused(
    path: tuple[str | int, ...], value: object, message: str
) -> None:
    snapshot = table_of([(("aspirin",), ("rash",), Stratum())]).snapshot()
    place = snapshot
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]  # a path into nested JSON
    place[path[-1]] = value  # type: ignore[index]  # as above
    with pytest.raises(IntegrityError, match=message):
        CountTable.restore(snapshot)


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ParameterError, match="at least 0, not -1"):
        CountTable.from_counts([("a", "x", -1)])
