"""How the privacy budget of an era stands at a site."""

from __future__ import annotations

from math import sqrt

import msgspec

from privacy.accounting import epsilon_from_mu
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import ReleaseState
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import MICRO

__all__ = ["Budget", "budget_of"]


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


def budget_of(ledger: BudgetLedger, protocol: SurveillanceProtocol) -> Budget:
    """How the budget of a protocol's era stands by its ledger."""
    entries = [entry for entry in ledger.entries() if entry.era == protocol.era]
    spent = sum(entry.cost for entry in entries)
    mu = sqrt(spent / MICRO)
    return Budget(
        era=protocol.era,
        mu_spent=mu,
        epsilon_spent=epsilon_from_mu(mu, protocol.delta) if spent else 0.0,
        epsilon_limit=protocol.epsilon,
        delta=protocol.delta,
        epochs_released=sum(entry.state is not ReleaseState.RESERVED for entry in entries),
        epochs_planned=protocol.calendar.count,
    )
