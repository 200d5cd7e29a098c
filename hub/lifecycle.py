"""The life of a signal of disproportionate reporting, as a table: who may take it from which state to which.

The hub raises; people decide. ``raised`` is a statistic, ``validated`` a signal a person stands behind, ``confirmed``
one a regulator stands behind (Implementing Regulation (EU) 520/2012 Art. 21, GVP module IX).

    raised ──► validated ──► confirmed ──► closed
      │            │                          ▲
      └────────────┴──► refuted ──────────────┘      refuted, closed ──► raised (reopened)
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from hub.roles import Role

__all__ = ["TRANSITIONS", "SdrState"]


class SdrState(StrEnum):
    """Where an SDR stands."""

    RAISED = "raised"
    VALIDATED = "validated"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    CLOSED = "closed"


_EITHER = frozenset({Role.OFFICER, Role.REGULATOR})
_REGULATOR = frozenset({Role.REGULATOR})

# What is not in this table is refused.
TRANSITIONS: Mapping[tuple[SdrState, SdrState], frozenset[Role]] = MappingProxyType(
    {
        (SdrState.RAISED, SdrState.VALIDATED): _EITHER,
        (SdrState.RAISED, SdrState.REFUTED): _EITHER,
        (SdrState.RAISED, SdrState.CLOSED): _EITHER,
        (SdrState.VALIDATED, SdrState.CONFIRMED): _REGULATOR,
        (SdrState.VALIDATED, SdrState.REFUTED): _EITHER,
        (SdrState.VALIDATED, SdrState.CLOSED): _EITHER,
        (SdrState.CONFIRMED, SdrState.CLOSED): _REGULATOR,
        (SdrState.REFUTED, SdrState.CLOSED): _EITHER,
        (SdrState.REFUTED, SdrState.RAISED): _REGULATOR,
        (SdrState.CLOSED, SdrState.RAISED): _REGULATOR,
    }
)
