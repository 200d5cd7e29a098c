"""Names as small numbers, given out in the order of arrival, and their order by name."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError

__all__ = ["Names"]


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


class Names:
    """Two-way mapping between the names of one kind and the numbers 0, 1, ...; never forgets a name."""

    __slots__ = ("_numbers", "_ordered", "_ranks", "kind", "names")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._ordered: tuple[str, ...] = ()
        self._ranks = np.zeros(0, dtype=np.int64)

    def get(self, name: str) -> int | None:
        """Number of a name, None for one that never came."""
        return self._numbers.get(name)

    def numbers(self, names: Iterable[str], *, is_new_allowed: bool) -> list[int]:
        """Numbers of the distinct names, in their order; new ones get the next numbers.

        Raises `ParameterError`, and registers nothing, for a blank name and for a new one where none is allowed.
        """
        distinct = dict.fromkeys(names)
        try:
            return [self._numbers[name] for name in distinct]
        except KeyError:
            pass  # new ones, which come ever less often
        new = [name for name in distinct if name not in self._numbers]
        if not all(map(_is_name, new)):
            raise ParameterError(f"the name of a {self.kind} must not be blank")
        if not is_new_allowed:
            raise ParameterError(f"the table holds no report of the {self.kind} {new[0]!r}")
        for name in new:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return [self._numbers[name] for name in distinct]

    def _sort(self) -> None:
        if len(self._ordered) != len(self.names):
            order = sorted(range(len(self.names)), key=self.names.__getitem__)
            ranks = np.empty(len(order), dtype=np.int64)
            ranks[order] = np.arange(len(order))
            self._ranks = ranks
            self._ordered = tuple(self.names[number] for number in order)  # last, as it tells another thread to read

    def ordered(self) -> tuple[str, ...]:
        """All names, sorted by code point."""
        self._sort()
        return self._ordered

    def ranks(self) -> NDArray[np.int64]:
        """Position of each number's name in `ordered`."""
        self._sort()
        return self._ranks
