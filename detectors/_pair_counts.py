"""Reports by pair key: sorted columns, and beside them the changes since, so that one report costs its own pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["PairCounts", "starts"]

_Integers = NDArray[np.int64]


def starts(keys: _Integers) -> NDArray[np.intp]:
    """Where each of the sorted keys, of which there is at least one, stands first."""
    is_first = np.empty(len(keys), dtype=np.bool_)
    is_first[0] = True
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    return np.flatnonzero(is_first)


def _sorted(keys: _Integers, reports: _Integers) -> tuple[_Integers, _Integers]:
    order = np.argsort(keys, kind="stable")  # little more than a pass over keys that come in sorted stretches
    return keys[order], reports[order]


def _summed(keys: _Integers, reports: _Integers, changed: _Integers, by: _Integers) -> tuple[_Integers, _Integers]:
    """Sorted keys without repeats, and the sum of what stands beside each; a sum of 0 is no count."""
    if not len(changed):
        return keys, reports
    every, parts = _sorted(np.concatenate([keys, changed]), np.concatenate([reports, by]))
    first = starts(every)
    sums = np.add.reduceat(parts, first)
    is_counted = sums != 0
    return every[first[is_counted]], sums[is_counted]


class PairCounts:
    """Count of each key, positive ones only: 16 bytes each, and a dictionary of what changed lately.

    Changes join the columns when they are many, or when the columns are asked for. Columns are never written to, so
    that tables may share them; columns and changes are replaced together, so that several threads may read.
    """

    __slots__ = ("_state",)

    least_room: ClassVar[int] = 4096
    """Changes that always fit beside the columns; a quarter of these do as well."""

    def __init__(self, keys: _Integers | None = None, reports: _Integers | None = None) -> None:
        """Take columns as they are, whose keys may come in any order but once each."""
        none = np.zeros(0, dtype=np.int64)
        columns = (none, none) if keys is None or reports is None else _sorted(keys, reports)
        self._state: tuple[_Integers, _Integers, dict[int, int]] = (*columns, {})

    def change(self, keys: Iterable[int], by: int) -> None:
        """Add `by` to the count of each key, which must not end below 0."""
        counted, _, changes = self._state
        for key in keys:
            changes[key] = changes.get(key, 0) + by
        if len(changes) > self.least_room and 4 * len(changes) > len(counted):
            self._fold()

    def of(self, keys: Sequence[int]) -> list[int]:
        """Count of each of a few keys, 0 for one that has none."""
        counted, reports, changes = self._state
        if not len(counted):
            return [changes.get(key, 0) for key in keys]
        wanted = np.array(keys, dtype=np.int64)
        place = np.minimum(np.searchsorted(counted, wanted), len(counted) - 1)
        found = np.where(counted[place] == wanted, reports[place], 0).tolist()
        return [count + changes.get(key, 0) for key, count in zip(keys, found, strict=True)]

    def __len__(self) -> int:
        """Keys that have a count; costs the latest changes alone."""
        counted, _, changes = self._state
        now = self.of(list(changes))
        return len(counted) + sum(
            (count > 0) - (count > by) for count, by in zip(now, changes.values(), strict=True)
        )  # those that came, less those that went

    def _fold(self) -> None:
        counted, reports, changes = self._state
        keys = np.fromiter(changes.keys(), np.int64, len(changes))
        by = np.fromiter(changes.values(), np.int64, len(changes))
        self._state = (*_summed(counted, reports, keys, by), {})

    def columns(self) -> tuple[_Integers, _Integers]:
        """Every key, sorted, and its count; not to be written to."""
        if self._state[2]:
            self._fold()
        return self._state[:2]

    def merge(self, other: PairCounts) -> None:
        """Add the counts of others."""
        mine, more = self.columns(), other.columns()
        self._state = (*(_summed(*mine, *more) if len(mine[0]) else more), {})
