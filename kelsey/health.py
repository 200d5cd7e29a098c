"""Is an installation fit to run: the checks of `kelsey doctor` for a site, a hub and an aggregator."""

from __future__ import annotations

from pathlib import Path

from hub.aggregator.doctor import check_aggregator as aggregator_findings
from hub.doctor import check_hub as hub_findings
from streams.doctor import Finding
from streams.doctor import check_site as site_findings

__all__ = ["Finding", "check_aggregator", "check_hub", "check_site"]


def check_site(config: Path, *, role: str | None = None) -> list[Finding]:
    """Settings, Kafka, permissions, clock, disk, keys and hub, as a site (or one role of it) needs them."""
    return site_findings(config, role=role)


def check_hub(config: Path) -> list[Finding]:
    """Settings, database, protocol, site keys and clock, as a hub needs them."""
    return [Finding(*found) for found in hub_findings(config)]


def check_aggregator(config: Path) -> list[Finding]:
    """Settings, keys, certificate, database, ledger, peer, hub and clocks, as an aggregator needs them."""
    return [Finding(*found) for found in aggregator_findings(config)]
