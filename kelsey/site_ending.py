"""What remains of a site when a replay is over; plain data, so that it crosses a process boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from kelsey.player import Player

__all__ = ["SiteEnding", "endings"]


@dataclass(frozen=True, slots=True)
class SiteEnding:
    """A site's tables at the end: ingest, its own SDRs, wallets and budget (both empty without privacy)."""

    name: str
    ingest: dict[str, Any]
    signals: list[dict[str, object]]
    wallet: dict[str, Any]
    budget: dict[str, Any]


def endings(player: Player, *, is_private: bool) -> list[SiteEnding]:
    """The endings of all sites of `player`. Raises `IntegrityError` where a site's ingest table does not add up."""
    found = []
    for name, site in player.sites.items():
        site.tally.check()
        found.append(
            SiteEnding(
                name=name,
                ingest=msgspec.to_builtins(site.tally),
                signals=player.views[name].rows(),
                wallet=msgspec.to_builtins(site.wallet_summary()) if is_private else {},
                budget=msgspec.to_builtins(site.budget()) if is_private else {},
            )
        )
    return found
