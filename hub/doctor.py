"""Is a hub fit to run: what `kelsey doctor` looks at. Every finding that is not well says what to do."""

from __future__ import annotations

from pathlib import Path

from cases import KelseyError
from hub.activation import hub_activations
from hub.address_guard import AddressGuard
from hub.rules import rules_of
from hub.settings import HubSettings, load_hub_settings
from hub.shared_checks import HubFinding, check_activation, check_database, check_parameters, check_secret_file
from hub.store import HubStore
from privacy.protocol import SurveillanceProtocol

__all__ = ["check_hub"]


def check_hub(config: Path) -> list[HubFinding]:
    """Settings, protocol, site keys, API key files, webhooks, database and clock; never raises for what it finds."""
    try:
        settings = load_hub_settings(config)
    except KelseyError as error:
        return [HubFinding.of("settings", error)]
    findings, protocol = [HubFinding("settings", True, str(config))], None
    try:
        protocol = settings.protocol()
        findings += _protocol(protocol)
    except KelseyError as error:
        findings.append(HubFinding.of("protocol", error))
    try:
        sites = settings.site_keys()
        detail = f"{len(sites)} registered: {', '.join(sites)}" if sites else "no [[site]] is registered"
        way_out = "" if sites else "add a [[site]] with id and public_key_file; without one every release is refused"
        findings.append(HubFinding("site keys", bool(sites), detail, way_out))
    except KelseyError as error:
        findings.append(HubFinding.of("site keys", error))
    findings += [check_secret_file(f"API key {key.name}", key.key_file) for key in settings.api_key]
    if settings.hub.database_url_file is not None:
        findings.append(check_secret_file("database URL", settings.hub.database_url_file))
    try:
        AddressGuard(settings.webhooks.allow_addresses)
    except KelseyError as error:
        findings.append(HubFinding.of("webhooks", error))
    return findings + _database(settings, protocol)


def _protocol(protocol: SurveillanceProtocol) -> list[HubFinding]:
    said = f"{protocol.name} {protocol.version}, {protocol.cell_count} cells, {protocol.hash[:12]}"
    findings = [HubFinding("protocol", True, said)]
    try:
        findings.append(HubFinding("rules", True, ", ".join(rule.name for rule in rules_of(protocol))))
    except KelseyError as error:
        findings.append(HubFinding.of("rules", error))
    return [*findings, check_parameters(protocol)]


def _database(settings: HubSettings, protocol: SurveillanceProtocol | None) -> list[HubFinding]:
    try:
        store = HubStore(settings.database_url())
    except KelseyError as error:
        return [HubFinding.of("database", error)]
    try:
        findings = check_database(store)
        if protocol is not None:
            findings.append(check_activation(hub_activations(store), protocol))
        return findings
    finally:
        store.close()
