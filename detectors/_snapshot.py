"""A count table as versioned JSON values and back, checked on the way in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cases import IntegrityError
from detectors._counts import PAIR_STRIDE, Counts
from detectors._names import Names
from detectors._pair_counts import PairCounts

__all__ = ["SCHEMA", "VERSION", "decode_snapshot", "encode_snapshot"]

SCHEMA = "kelsey.count-table"
VERSION = 1


def _live(names: Names, numbers: set[int]) -> tuple[list[str], NDArray[np.int64]]:
    """The names that have reports, sorted, and the position among them of each number."""
    ordered = sorted(numbers, key=names.names.__getitem__)
    position = np.full(len(names.names), -1, dtype=np.int64)
    position[ordered] = np.arange(len(ordered))
    return [names.names[number] for number in ordered], position


def _columns(counts: dict[int, int], position: NDArray[np.int64]) -> list[list[int]]:
    """Sorted positions and their counts."""
    found = sorted((int(position[number]), count) for number, count in counts.items())
    return [[place for place, _ in found], [count for _, count in found]]


def encode_snapshot(drugs: Names, reactions: Names, strata: Mapping[tuple[str, ...], Counts]) -> dict[str, Any]:
    """Names sorted, rows sorted, zeros left out: equal counts give equal values."""
    drug_names, drug_position = _live(drugs, {number for counts in strata.values() for number in counts.drugs})
    reaction_names, reaction_position = _live(
        reactions, {number for counts in strata.values() for number in counts.reactions}
    )
    parts = []
    for label in sorted(strata):
        counts = strata[label]
        drug, reaction, reports = counts.pair_columns()
        drug, reaction = drug_position[drug], reaction_position[reaction]
        order = np.argsort(drug * len(reaction_names) + reaction, kind="stable")
        parts.append(
            {
                "label": list(label),
                "reports": counts.reports,
                "drugs": _columns(counts.drugs, drug_position),
                "reactions": _columns(counts.reactions, reaction_position),
                "pairs": [drug[order].tolist(), reaction[order].tolist(), reports[order].tolist()],
            }
        )
    return {"schema": SCHEMA, "version": VERSION, "drugs": drug_names, "reactions": reaction_names, "strata": parts}


def _require(condition: object, what: str) -> None:
    if not condition:
        raise IntegrityError(f"not a snapshot of a count table: {what}")


def _integers(columns: Any, width: int, what: str) -> list[NDArray[np.int64]]:
    """`width` columns of integers of one length."""
    _require(isinstance(columns, list) and len(columns) == width, f"{what} must have {width} columns")
    arrays = [np.asarray(column) if len(column) else np.zeros(0, dtype=np.int64) for column in columns]
    _require(all(array.dtype == np.int64 and array.ndim == 1 for array in arrays), f"{what} must hold integers")
    _require(len({len(array) for array in arrays}) == 1, f"the columns of {what} must have one length")
    return arrays


def _margins(columns: Any, size: int, reports: int, what: str) -> dict[int, int]:
    number, count = _integers(columns, 2, what)
    _require((number >= 0).all() and (number < size).all(), f"{what} points outside the names")
    _require(len(np.unique(number)) == len(number), f"{what} names one twice")
    _require((count >= 1).all() and (count <= reports).all(), f"{what} counts must lie in [1, reports]")
    return dict(zip(number.tolist(), count.tolist(), strict=True))


def _counts(part: Mapping[str, Any], drug_size: int, reaction_size: int) -> Counts:
    counts = Counts()
    counts.reports = part["reports"]
    _require(type(counts.reports) is int and counts.reports >= 1, "reports must be at least 1")
    counts.drugs = _margins(part["drugs"], drug_size, counts.reports, "drugs")
    counts.reactions = _margins(part["reactions"], reaction_size, counts.reports, "reactions")
    drug, reaction, n = _integers(part["pairs"], 3, "pairs")
    inside = (drug >= 0) & (drug < drug_size) & (reaction >= 0) & (reaction < reaction_size)
    _require(inside.all(), "pairs point outside the names")
    margin = np.minimum(counts.drug_margins(drug_size)[drug], counts.reaction_margins(reaction_size)[reaction])
    _require((n >= 1).all() and (n <= margin).all(), "a pair must have 1 report and no more than its margins")
    key = drug * PAIR_STRIDE + reaction
    _require(len(np.unique(key)) == len(key), "pairs name one twice")
    counts.pairs = PairCounts(key, n)
    return counts


def decode_snapshot(
    snapshot: Mapping[str, Any],
) -> tuple[list[str], list[str], dict[tuple[str, ...], Counts]]:
    """Drug names, reaction names and counts by stratum, numbered by the names' positions.

    Raises `IntegrityError` for another schema or version and for counts that contradict each other.
    """
    try:
        _require(
            snapshot["schema"] == SCHEMA and snapshot["version"] == VERSION,
            f"schema {SCHEMA} version {VERSION} expected",
        )
        names: list[list[str]] = []
        for kind in ("drugs", "reactions"):
            values = snapshot[kind]
            _require(all(isinstance(value, str) and value.strip() for value in values), f"{kind} must be names")
            _require(len(set(values)) == len(values), f"{kind} hold a name twice")
            names.append(list(values))
        strata: dict[tuple[str, ...], Counts] = {}
        for part in snapshot["strata"]:
            label = tuple(part["label"])
            _require(all(isinstance(value, str) for value in label), "a label must be made of texts")
            _require(label not in strata, "a label stands twice")
            strata[label] = _counts(part, len(names[0]), len(names[1]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise IntegrityError(f"not a snapshot of a count table: {type(error).__name__}") from error
    return names[0], names[1], strata
