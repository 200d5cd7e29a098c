"""The patient whose presence an audit tries to see: reports chosen to use the wallet up where it shows most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cases.errors import ParameterError

__all__ = ["Canary", "Move"]


class Move(NamedTuple):
    """A change of the patient's reports in one epoch of those audited, counted from 0; cells as in `contribute`."""

    epoch: int
    added: tuple[int, ...]
    removed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One patient's stream of reports, of one drug and the first of `reactions` reactions.

    Parameters
    ----------
    reactions
        Size of the audited world: one drug, this many reactions, as many cells.
    moves
        In order of their epochs.

    Examples
    --------
    >>> Canary.star(4, epochs=2).moves
    (Move(epoch=0, added=(0, 1, 2, 3, 4), removed=()), Move(epoch=1, added=(0, 1, 2, 3, 4), removed=()))
    """

    reactions: int
    moves: tuple[Move, ...]

    def __post_init__(self) -> None:
        cells = [cell for move in self.moves for cell in (*move.added, *move.removed)]
        if not (cells and all(0 <= cell < self.reactions for cell in cells)):
            raise ParameterError(f"a canary's cells must lie in [0, {self.reactions - 1}], at least one of them")
        epochs = [move.epoch for move in self.moves]
        if not (epochs == sorted(epochs) and epochs[0] >= 0):
            raise ParameterError("a canary's moves must be in order of their epochs, counted from 0")

    @classmethod
    def star(cls, operations: int, *, epochs: int) -> Canary:
        """All pairs of one drug, a quarter more than the wallet's `operations` pay, reported anew in every epoch.

        A sound wallet counts as many pairs as it has operations, once, with all of its capacity: the star of Theorem
        2, for which both bounds are attained. Whatever it lets through beyond that shows.
        """
        asked = tuple(range(operations + max(1, operations // 4)))
        return cls(reactions=len(asked), moves=tuple(Move(epoch, asked) for epoch in range(epochs)))
