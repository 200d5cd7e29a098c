"""Is an installation fit to run: the checks of `kelsey doctor` for a site and for a hub."""

from __future__ import annotations

from pathlib import Path

from hub.doctor import check_hub as hub_findings
from streams.doctor import Finding
from streams.doctor import check_site as site_findings

__all__ = ["Finding", "check_hub", "check_site"]


def check_site(config: Path, *, role: str | None = None) -> list[Finding]:
    """Settings, Kafka, permissions, clock, disk, keys and hub, as a site (or one role of it) needs them."""
    return site_findings(config, role=role)


def check_hub(config: Path) -> list[Finding]:
    """Settings, database, protocol, site keys and clock, as a hub needs them."""
    return [Finding(name, is_ok, detail, way_out) for name, is_ok, detail, way_out in hub_findings(config)]
