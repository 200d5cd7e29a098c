"""How the active cells of a large vocabulary travel: a file that protocol, sites, aggregators and hub mean by its hash.

    {"artefact": {"drugs": 3000, "reactions": 15000, "gaps": ..., ..., "schema": "kelsey.cells/1"}, "sha256": ...}

The hash is that of the canonical JSON of the inner object. Which pairs are active must follow from public data or from
what was released already; no program can see whether it does, every signature under the protocol vouches for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from cases.errors import ConfigurationError, IntegrityError, ParameterError
from privacy.hashed_artefact import HashedArtefact
from privacy.packing import pack_integers, unpack_integers

__all__ = ["ActiveCells", "cells_beside"]


class ActiveCells(HashedArtefact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pairs that have a cell of their own; made by `of`, read by `load`.

    Parameters
    ----------
    drugs, reactions
        How many names the lists have.
    names
        SHA-256 of both lists: the numbers mean nothing under others.
    count
        Number of active cells, at least 1.
    gaps
        Differences between one product cell and the next, the first from -1, packed (`privacy.packing`).
    source
        Where they come from, in words.

    Examples
    --------
    >>> cells = ActiveCells.of(np.array([0, 5]), drugs=("a", "b"), reactions=("x", "y", "z"), source="watch-list")
    >>> ActiveCells.decode(cells.encode()).numbers
    array([0, 5])
    """

    NAME: ClassVar[str] = "an artefact of active cells"
    HINT: ClassVar[str] = "put it beside the protocol: protocol.cells.json for protocol.json"

    drugs: Annotated[int, msgspec.Meta(ge=1)]
    reactions: Annotated[int, msgspec.Meta(ge=1)]
    names: str
    count: Annotated[int, msgspec.Meta(ge=1)]
    gaps: bytes
    source: str = ""
    schema: Literal["kelsey.cells/1"] = "kelsey.cells/1"

    @classmethod
    def of(cls, numbers: NDArray[np.int64], *, drugs: Sequence[str], reactions: Sequence[str], source: str) -> Self:
        """The artefact of these product cells, in any order; raises `ParameterError` where one is out of range."""
        cells = np.sort(np.asarray(numbers, dtype=np.int64))
        cells = cells[np.diff(cells, prepend=-(1 << 62)) > 0]
        last = len(drugs) * len(reactions) - 1
        if not (cells.size and cells[0] >= 0 and cells[-1] <= last):
            raise ParameterError(f"active cells must lie in [0, {last}], at least one")
        made = cls(
            drugs=len(drugs),
            reactions=len(reactions),
            names=_names_hash(drugs, reactions),
            count=cells.size,
            gaps=pack_integers(np.diff(cells, prepend=-1)),
            source=source,
        )
        made.__dict__["numbers"] = cells
        return made

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """The product cells, strictly rising; raises `ParameterError` where the file does not hold that."""
        try:
            gaps = unpack_integers(self.gaps, length=self.count)
        except IntegrityError as error:
            raise ParameterError(f"gaps: {error.message}") from error
        cells = np.cumsum(gaps) - 1
        if not (bool(np.all(gaps > 0)) and cells[-1] < self.drugs * self.reactions):
            raise ParameterError(f"active cells must rise strictly and stay below {self.drugs * self.reactions}")
        return cells

    def check_content(self) -> None:
        """See `HashedArtefact.check_content`."""
        _ = self.numbers

    def check(self, *, wanted: str, drugs: Sequence[str], reactions: Sequence[str]) -> None:
        """Raise `ConfigurationError` where a protocol with these fields means other cells."""
        if self.hash != wanted:
            raise ConfigurationError(
                f"the artefact of active cells has the hash {self.hash}, the protocol names {wanted}",
                hint="ask for the artefact that belongs to the protocol",
            )
        if self.names != _names_hash(drugs, reactions):
            raise ConfigurationError("the artefact of active cells was made for other drugs or reactions")


def cells_beside(protocol_file: Path) -> Path:
    """Where the active cells of a protocol are looked for: ``protocol.cells.json`` for ``protocol.json``."""
    return protocol_file.with_suffix(".cells.json")


def _names_hash(drugs: Sequence[str], reactions: Sequence[str]) -> str:
    return hashlib.sha256(msgspec.json.encode((tuple(drugs), tuple(reactions)))).hexdigest()
