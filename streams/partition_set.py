"""The partitions a worker has at this moment, with their stores.

Stores of a partition lie in the site's data directory under their number, so that whichever worker of the site is given
the partition finds them. A store is opened when the partition is assigned and closed when it is not any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Generic, Protocol, TypeVar

__all__ = ["HasStore", "Held", "PartitionSet", "store_path"]

_log = logging.getLogger("kelsey.worker")


class HasStore(Protocol):
    """What a partition's state must tell about itself."""

    @property
    def next_offset(self) -> int | None:
        """Next input as held in memory."""
        ...

    def stored_offset(self) -> int | None:
        """Next input as the store has it now."""
        ...

    def close(self) -> None:
        """Let the store go."""
        ...


Held = TypeVar("Held", bound=HasStore)


class PartitionSet(Generic[Held]):
    """Open partitions of one role.

    Parameters
    ----------
    open_partition
        Opens the state of a partition from its store.
    """

    def __init__(self, open_partition: Callable[[int], Held]) -> None:
        self._open = open_partition
        self._held: dict[int, Held] = {}

    def assign(self, partitions: Iterable[int]) -> Mapping[int, int | None]:
        """Hold exactly these; gives the next offset of each, None where its store is new.

        A partition held before stays as it is, unless its store has moved on meanwhile: then it is opened anew.
        """
        wanted = set(partitions)
        for partition in list(self._held):
            held = self._held[partition]
            if partition not in wanted or held.stored_offset() != held.next_offset:
                self.drop(partition)
        for partition in sorted(wanted - self._held.keys()):
            self._held[partition] = self._open(partition)
        return {partition: self._held[partition].next_offset for partition in sorted(wanted)}

    def drop(self, partition: int) -> None:
        """Close a partition."""
        held = self._held.pop(partition, None)
        if held is not None:
            held.close()
            _log.info("partition %d let go", partition)

    def drop_all(self) -> None:
        """Close all partitions."""
        for partition in list(self._held):
            self.drop(partition)

    def reopen(self, partition: int) -> None:
        """Close a partition and open it from its store again."""
        self.drop(partition)
        self._held[partition] = self._open(partition)

    def get(self, partition: int) -> Held | None:
        """State of a partition, None where it is not held."""
        return self._held.get(partition)

    def items(self) -> list[tuple[int, Held]]:
        """All held, by number."""
        return sorted(self._held.items())


def store_path(directory: Path, role: str, partition: int) -> Path:
    """Where the store of a partition lies."""
    return directory / "partitions" / f"{role}-{partition:04d}.sqlite"
