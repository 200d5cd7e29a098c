"""The ingest table in words: where every record went, in lines that add up to the records read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["combine_tallies", "ingest_rows"]


def combine_tallies(tallies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One ingest table (`streams.ingest_tally.IngestTally` as plain data) from those of several sites."""
    total: dict[str, Any] = {"read": 0, "cases": 0, "superseded": 0}
    ignored: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    for tally in tallies:
        for name in total:
            total[name] += tally[name]
        ignored.update(tally["ignored"])
        dead.update(tally["dead_letters"])
    return {**total, "ignored": dict(sorted(ignored.items())), "dead_letters": dict(sorted(dead.items()))}


def ingest_rows(ingest: Mapping[str, Any]) -> list[tuple[str, int]]:
    """What became of the records and how many; the first row is what was read, the others add up to it.

    Examples
    --------
    >>> ingest_rows({"read": 3, "cases": 2, "superseded": 0, "ignored": {}, "dead_letters": {"no-drug": 1}})
    [('records read', 3), ('cases', 2), ('superseded', 0), ('dead letter: no-drug', 1)]
    """
    return [
        ("records read", ingest["read"]),
        ("cases", ingest["cases"]),
        ("superseded", ingest["superseded"]),
        *((f"ignored: {reason}", count) for reason, count in sorted(ingest["ignored"].items())),
        *((f"dead letter: {reason}", count) for reason, count in sorted(ingest["dead_letters"].items())),
    ]
