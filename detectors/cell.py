"""The counts of one drug-reaction pair."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cell"]


@dataclass(frozen=True, slots=True)
class Cell:
    """Distinct reports behind one pair: the pair, its two margins and all.

    Parameters
    ----------
    n
        Reports with both the drug and the reaction.
    n_drug, n_reaction
        Reports with the drug, and with the reaction; both include `n`.
    n_total
        All reports of the table.
    """

    n: int
    n_drug: int
    n_reaction: int
    n_total: int

    @property
    def expected(self) -> float:
        """Reports expected if drug and reaction were independent, ``n_drug * n_reaction / n_total``."""
        return self.n_drug * self.n_reaction / self.n_total
