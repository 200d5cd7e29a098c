"""`CountTable.from_reports` on Arrow data and categoricals: the same table, bit for bit, as from lists of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import ParameterError
from detectors import CountTable


class Exported:
    """A column as another library hands it over: nothing but Arrow's stream of capsules."""

    def __init__(self, series: pl.Series) -> None:
        self._series = series

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._series.__arrow_c_stream__(requested_schema)


def categorical(values: list[Any]) -> pl.Series:
    return pl.Series(values, dtype=pl.String).cast(pl.Categorical)


def enumeration(values: list[Any]) -> pl.Series:
    """Its numbers run against the order of the names, and it has a name that no row has."""
    names = sorted({value for value in values if value is not None}, reverse=True)
    return pl.Series(values, dtype=pl.Enum(["no row has it", *names]))


def in_chunks(values: list[Any]) -> pl.Series:
    half = len(values) // 2
    text = pl.String
    return pl.concat([pl.Series(values[:half], dtype=text), pl.Series(values[half:], dtype=text)], rechunk=False)


FORMS: dict[str, Callable[[list[Any]], Any]] = {
    "series": lambda values: pl.Series(values, dtype=pl.String),
    "categorical": categorical,
    "enum": enumeration,
    "arrow": lambda values: Exported(pl.Series(values, dtype=pl.String)),
    "arrow in chunks": lambda values: Exported(in_chunks(values)),
    "arrow dictionary": lambda values: Exported(categorical(values)),
    "arrow dictionary of an enum": lambda values: Exported(enumeration(values)),
    "numpy text": lambda values: np.array(values, dtype=str) if None not in values else values,
    "numpy objects": lambda values: np.array(values, dtype=object),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)

rows = st.lists(
    st.tuples(
        st.sampled_from("1234"), st.sampled_from(["b", "a", "\u00e4"]), st.sampled_from("zyx"),
        st.sampled_from(["f", "m", None]),
    ),
    min_size=1,
    max_size=20,
)  # fmt: skip


@every_form
@settings(max_examples=25)
@given(rows)
def test_the_same_table_bit_for_bit(form: Callable[[list[Any]], Any], some_rows: list[tuple[Any, ...]]) -> None:
    case, drug, reaction, sex = ([row[column] for row in some_rows] for column in range(4))
    first = dict(zip(reversed(case), reversed(sex), strict=True))  # one stratum a report
    sex = [first[name] for name in case]
    if all(value is None for value in sex):
        sex = ["f"] * len(sex)
    strata = {"sex": sex}
    expected = CountTable.from_reports(case, drug, reaction, strata).snapshot()
    table = CountTable.from_reports(form(case), form(drug), form(reaction), {"sex": form(sex)})
    assert table.snapshot() == expected


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt32, pl.Int64])
def test_case_numbers_of_any_width(dtype: type[pl.DataType]) -> None:
    numbers = pl.Series([3, 3, 1, 2], dtype=dtype)
    expected = CountTable.from_reports(["3", "3", "1", "2"], list("abab"), list("xxyx")).snapshot()
    for column in (numbers, Exported(numbers), numbers.to_numpy(), numbers.to_numpy().astype(object)):
        assert CountTable.from_reports(column, list("abab"), list("xxyx")).snapshot() == expected


@pytest.mark.parametrize("form", [categorical, enumeration, lambda values: Exported(categorical(values))])
def test_a_missing_value_is_named_by_its_row(form: Callable[[list[Any]], Any]) -> None:
    with pytest.raises(ParameterError, match="column drug has no value in row 4"):
        CountTable.from_reports(["1", "2", "3"], form(["a", "b", None]), form(["x", "y", "z"]), first_row=2)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([["a"], ["b"]]),
        Exported(pl.Series([["a"], ["b"]])),
        Exported(pl.DataFrame({"drug": ["a", "b"]}).to_struct()),
        pl.Series([object(), object()], dtype=pl.Object),
    ],
)
def test_a_column_of_lists_or_records_is_refused(column: Any) -> None:
    with pytest.raises(ParameterError, match=r"column drug must hold one text or number a row, not (List|Struct|Obj)"):
        CountTable.from_reports(["1", "2"], column, ["x", "y"])


def test_what_is_no_column_is_refused() -> None:
    column: Any = 7
    with pytest.raises(ParameterError, match="column drug cannot be read"):
        CountTable.from_reports(["1", "2"], column, ["x", "y"])
