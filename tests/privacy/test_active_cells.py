"""The artefact of active cells: canonical, checked, and refused where anything does not hold."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.errors import ConfigurationError, ParameterError
from privacy.active_cells import ActiveCells

DRUGS, REACTIONS = tuple(f"drug {n}" for n in range(20)), tuple(f"reaction {n}" for n in range(30))


def artefact(*cells: int) -> ActiveCells:
    return ActiveCells.of(np.array(cells), drugs=DRUGS, reactions=REACTIONS, source="a test")


@settings(max_examples=50)
@given(st.lists(st.integers(0, 599), min_size=1, max_size=80))
def test_cells_survive_the_file_and_equal_sets_have_equal_bytes(cells: list[int]) -> None:
    made = artefact(*cells)
    read = ActiveCells.decode(made.encode())
    assert read.numbers.tolist() == sorted(set(cells)) and read.count == len(set(cells))
    assert read.encode() == made.encode() == artefact(*sorted(set(cells))).encode()


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    made = artefact(1, 5, 9)
    made.dump(tmp_path / "cells.json")
    assert ActiveCells.load(tmp_path / "cells.json").hash == made.hash
    (tmp_path / "cells.json").write_bytes(made.encode().replace(b"a test", b"a lie!"))
    with pytest.raises(ConfigurationError, match=r"cells\.json: the artefact's hash is .*its file says"):
        ActiveCells.load(tmp_path / "cells.json")
    with pytest.raises(ConfigurationError, match="not an artefact of active cells"):
        ActiveCells.decode(b"[]")
    with pytest.raises(ConfigurationError, match=r"none\.json: No such file"):
        ActiveCells.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 2}, "not a packed vector of 2"),
        ({"gaps": b"\x01\x04\x00\x08"}, "rise strictly"),  # +2, 0, +4
        ({"gaps": b"\x01\x04\x01\x08"}, "rise strictly"),  # +2, -1, +4
        ({"gaps": b"\x02\x04\x00\x08\x00\x08\x00"}, "wider than"),
        ({"drugs": 1, "reactions": 9}, "below 9"),
    ],
)
def test_a_sealed_artefact_that_is_none_is_refused(changes: dict[str, object], message: str) -> None:
    broken = msgspec.structs.replace(artefact(1, 5, 9), **changes)
    with pytest.raises(ConfigurationError, match=message):
        ActiveCells.decode(broken.encode())


def test_cells_belong_to_their_lists() -> None:
    for cells in ((), (-1, 3), (600,)):
        with pytest.raises(ParameterError, match=r"must lie in \[0, 599\]"):
            artefact(*cells)
    made = artefact(1, 5)
    made.check(wanted=made.hash, drugs=DRUGS, reactions=REACTIONS)
    with pytest.raises(ConfigurationError, match="other drugs or reactions"):
        made.check(wanted=made.hash, drugs=DRUGS[::-1], reactions=REACTIONS)
    with pytest.raises(ConfigurationError, match="the protocol names 00"):
        made.check(wanted="00", drugs=DRUGS, reactions=REACTIONS)
