"""Random report tables for the tests of context."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from hypothesis import strategies as st

DRUGS, REACTIONS = ("a", "b", "c", "d"), ("x", "y", "z")

_rows = st.lists(st.tuples(st.integers(0, 25), st.sampled_from(DRUGS), st.sampled_from(REACTIONS)), max_size=60)


@st.composite
def report_frames(draw: st.DrawFn) -> pl.DataFrame:
    """Reports with several drugs and reactions each, repeated rows, a day and a time a case; (a, x) occurs as names."""
    rows = [*draw(_rows), (26, "a", "y"), (27, "b", "x")]
    days = draw(st.lists(st.integers(0, 700), min_size=28, max_size=28))
    return pl.DataFrame(
        [(str(case), drug, reaction, date(2024, 1, 1) + timedelta(days[case])) for case, drug, reaction in rows],
        schema=["case_id", "drug", "reaction", "date"],
        orient="row",
    )
