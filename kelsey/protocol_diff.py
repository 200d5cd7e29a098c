"""What changes from one surveillance protocol to the next, in the words of those who sign it.

Within an era nothing may change: budget and wallets were paid for under one document. A changed protocol therefore has
an era of its own; what the difference says is what that means for a patient who is in both.
"""

from __future__ import annotations

from enum import StrEnum
from math import sqrt
from typing import Any

import msgspec

from kelsey.cell_changes import cell_change
from privacy.accounting import epsilon_from_mu, mu_from_epsilon_delta
from privacy.protocol import SurveillanceProtocol

__all__ = ["Change", "Effect", "differences", "verdict"]

_NAMED = 5  # of added or removed names are said, the rest counted


class Effect(StrEnum):
    """What a change means for patients."""

    GUARANTEE = "guarantee"
    CELLS = "cells"
    READING = "reading"


_MEANING = {
    Effect.GUARANTEE: "new era with new wallets: what patients were promised changes",
    Effect.CELLS: "costs no budget; only from public data or from what was released already, never from a site's cases",
    Effect.READING: "free: how released numbers are named and read",
}
_EFFECT_OF = {
    "name": (Effect.READING, "name"),
    "version": (Effect.READING, "version"),
    "rules": (Effect.READING, "rules and their thresholds"),
    "era": (Effect.GUARANTEE, "era"),
    "epsilon": (Effect.GUARANTEE, "epsilon"),
    "delta": (Effect.GUARANTEE, "delta"),
    "wallet_capacity": (Effect.GUARANTEE, "wallet capacity C"),
    "wallet_operations": (Effect.GUARANTEE, "wallet operations M"),
    "margin_share": (Effect.GUARANTEE, "share of the budget for margins"),
    "coefficient_bits": (Effect.GUARANTEE, "grid of the factorisation"),
    "factorisation": (Effect.GUARANTEE, "factorisation"),
    "trust_mode": (Effect.GUARANTEE, "trust mode"),
    "minimum_cohort": (Effect.GUARANTEE, "minimum cohort"),
    "honest_fraction": (Effect.GUARANTEE, "honest fraction"),
    "with_narrative": (Effect.GUARANTEE, "whether narratives count"),
    "vocabulary": (Effect.CELLS, "vocabulary"),
    "residual_buckets": (Effect.CELLS, "residual buckets"),
}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    Parameters
    ----------
    what
        Which part of the protocol.
    before, after
        Its value, in words.
    effect
        What it means for patients.
    """

    what: str
    before: str
    after: str
    effect: Effect

    @property
    def meaning(self) -> str:
        """The effect as a sentence."""
        return _MEANING[self.effect]


def differences(old: SurveillanceProtocol, new: SurveillanceProtocol) -> list[Change]:
    """Every difference: the guarantee first, then cells, then how numbers are read; none where both are equal."""
    found = [
        Change(what=words, before=_say(before), after=_say(after), effect=effect)
        for field, (effect, words) in _EFFECT_OF.items()
        if (before := getattr(old, field)) != (after := getattr(new, field))
    ]
    if old.calendar != new.calendar:
        found.append(Change(what="calendar", before=_span(old), after=_span(new), effect=Effect.GUARANTEE))
    for field in ("drugs", "reactions"):
        before, after = getattr(old, field), getattr(new, field)
        if before == after:
            continue
        added, removed = [x for x in after if x not in set(before)], [x for x in before if x not in set(after)]
        said = "; ".join(_names(word, names) for word, names in (("added", added), ("removed", removed)) if names)
        now = f"{len(after):,}: {said}" if said else f"{len(after):,}, in another order"
        found.append(Change(what=field, before=f"{len(before):,}", after=now, effect=Effect.CELLS))
    if old.active_cells != new.active_cells:
        before, after = cell_change(old, new)
        found.append(Change(what="active cells", before=before, after=after, effect=Effect.CELLS))
    return sorted(found, key=lambda change: list(Effect).index(change.effect))


def verdict(old: SurveillanceProtocol, new: SurveillanceProtocol) -> str:
    """What follows from the differences, in a sentence or two."""
    if old.hash == new.hash:
        return "the same protocol"
    if old.era == new.era:
        return (
            f"not possible within era {old.era}: name another era, which begins with fresh wallets and its own budget"
        )
    delta = max(old.delta, new.delta)
    mu = sqrt(sum(mu_from_epsilon_delta(each.epsilon, each.delta) ** 2 for each in (old, new)))
    return (
        "a new era with fresh wallets; for a patient who is in both eras the budgets add up to epsilon "
        f"{epsilon_from_mu(mu, delta):.2f} at delta {delta:g}. Sites count their live cases "
        "anew, so totals of the two eras are not to be added"
    )


def _say(value: Any) -> str:
    if value is msgspec.UNSET:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _span(protocol: SurveillanceProtocol) -> str:
    calendar = protocol.calendar
    return f"{calendar.count} {calendar.unit}s from {calendar.start} to {calendar.last_day(calendar.count - 1)}"


def _names(word: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{word} {', '.join(names[:_NAMED])}{more}"
