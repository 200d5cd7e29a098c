"""The patient whose presence an audit tries to see: reports chosen to use the wallet up where it shows most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cases.errors import ParameterError
from privacy.wallet import WalletPolicy

__all__ = ["Canary", "Move"]


class Move(NamedTuple):
    """A change of the patient's reports in one epoch of those audited, counted from 0; cells as in `contribute`."""

    epoch: int
    added: tuple[int, ...]
    removed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One patient's stream of reports.

    Parameters
    ----------
    drugs, reactions
        Size of the audited world.
    moves
        In order of their epochs.

    Examples
    --------
    >>> Canary.matching(3, epochs=2).moves
    (Move(epoch=0, added=(0, 5, 10), removed=()), Move(epoch=1, added=(0, 5, 10, 15), removed=()))
    """

    drugs: int
    reactions: int
    moves: tuple[Move, ...]

    def __post_init__(self) -> None:
        cells = [cell for move in self.moves for cell in (*move.added, *move.removed)]
        last = self.drugs * self.reactions - 1
        if not (cells and all(0 <= cell <= last for cell in cells)):
            raise ParameterError(f"a canary's cells must lie in [0, {last}], at least one of them")
        epochs = [move.epoch for move in self.moves]
        if not (epochs == sorted(epochs) and epochs[0] >= 0):
            raise ParameterError("a canary's moves must be in order of their epochs, counted from 0")

    @classmethod
    def matching(cls, pairs: int, *, epochs: int) -> Canary:
        """`pairs` pairs that share neither drug nor reaction, and in later epochs they and a quarter more.

        A sound wallet that pays all of the first counts them once, with all of its capacity, and as many drugs and
        reactions at the same weights: the bounds of Theorems 1 and 2 are attained together. Whatever it lets through
        beyond that shows.
        """
        more = pairs + max(1, pairs // 4) if epochs > 1 else pairs
        cells = tuple(number * (more + 1) for number in range(more))
        later = tuple(Move(epoch, cells) for epoch in range(1, epochs))
        return cls(drugs=more, reactions=more, moves=(Move(0, cells[:pairs]), *later))

    @classmethod
    def using_up(cls, policy: WalletPolicy, *, epochs: int) -> Canary:
        """The smallest matching whose weights C / sqrt(pairs) lie on the grid: a small world is released faster."""
        pairs = 1
        while pairs < policy.capacity**2:
            pairs *= 4
        return cls.matching(min(pairs, policy.operation_limit), epochs=epochs)
