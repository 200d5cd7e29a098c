"""Small report tables and strategies that several tests share."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from cases import AgeBand, Sex, Stratum
from detectors import CountTable

Report = tuple[tuple[str, ...], tuple[str, ...], Stratum]

DRUGS = ("aspirin", "ibuprofen", "rofecoxib", "warfarin")
REACTIONS = ("haemorrhage", "infarction", "nausea", "rash", "vertigo")
STRATA = (
    Stratum(),
    Stratum(Sex.FEMALE, AgeBand.ADULT, "serious"),
    Stratum(Sex.MALE, AgeBand.AGED, "non-serious"),
)

reports = st.lists(
    st.tuples(
        st.lists(st.sampled_from(DRUGS), max_size=3, unique=True).map(tuple),
        st.lists(st.sampled_from(REACTIONS), max_size=3, unique=True).map(tuple),
        st.sampled_from(STRATA),
    ),
    max_size=30,
)
"""Lists of reports, some of them without a drug or a reaction."""


def table_of(some_reports: Iterable[Report]) -> CountTable:
    table = CountTable()
    for drugs, reactions, stratum in some_reports:
        table.update(drugs, reactions, stratum)
    return table


def two_by_two(a: int, b: int, c: int, d: int) -> CountTable:
    """The pair (drug, reaction) with these four cells."""
    return CountTable.from_counts(
        [
            ("drug", "reaction", a),
            ("drug", "other reaction", b),
            ("other drug", "reaction", c),
            ("other drug", "other reaction", d),
        ]
    )
