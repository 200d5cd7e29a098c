"""How the privacy budget of an era stands at a site."""

from __future__ import annotations

import msgspec

__all__ = ["Budget"]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Spent and granted budget.

    Parameters
    ----------
    era
        The era it is for.
    mu_spent
        Gaussian-DP parameter of all that was released; 0 before the first release, then that of the whole era.
    epsilon_spent, epsilon_limit, delta
        The same as (epsilon, delta), and what the protocol grants.
    epochs_released, epochs_planned
        Sealed releases, and epochs of the era.
    is_exhausted
        The ledger refused to go on: the gate has stopped.
    """

    era: str
    mu_spent: float
    epsilon_spent: float
    epsilon_limit: float
    delta: float
    epochs_released: int
    epochs_planned: int
    is_exhausted: bool = False
