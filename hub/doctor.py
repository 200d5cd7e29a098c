"""Is a hub fit to run: what `kelsey doctor` looks at. Every finding that is not well says what to do."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select

from cases import KelseyError
from hub.activation import hub_activations
from hub.address_guard import AddressGuard
from hub.rules import rules_of
from hub.settings import HubSettings, load_hub_settings
from hub.store import HubStore
from privacy.protocol import SurveillanceProtocol

__all__ = ["HubFinding", "check_hub"]

_CLOCK_TOLERANCE_SECONDS = 30.0


class HubFinding(NamedTuple):
    """One thing looked at: its name, whether it is well, what was found, and the way out where it is not."""

    name: str
    is_ok: bool
    detail: str
    way_out: str


def check_hub(config: Path) -> list[HubFinding]:
    """Settings, protocol, site keys, API key files, webhooks, database and clock; never raises for what it finds."""
    try:
        settings = load_hub_settings(config)
    except KelseyError as error:
        return [_bad("settings", error)]
    findings = [_good("settings", str(config))]
    try:
        findings += _protocol(settings.protocol())
    except KelseyError as error:
        findings.append(_bad("protocol", error))
    try:
        sites = settings.site_keys()
        detail = f"{len(sites)} registered: {', '.join(sites)}" if sites else "no [[site]] is registered"
        way_out = "" if sites else "add a [[site]] with id and public_key_file; without one every release is refused"
        findings.append(HubFinding("site keys", bool(sites), detail, way_out))
    except KelseyError as error:
        findings.append(_bad("site keys", error))
    findings += [_secret_file(f"API key {key.name}", key.key_file) for key in settings.api_key]
    if settings.hub.database_url_file is not None:
        findings.append(_secret_file("database URL", settings.hub.database_url_file))
    try:
        AddressGuard(settings.webhooks.allow_addresses)
    except KelseyError as error:
        findings.append(_bad("webhooks", error))
    return findings + _database(settings)


def _protocol(protocol: SurveillanceProtocol) -> list[HubFinding]:
    findings = [
        _good("protocol", f"{protocol.name} {protocol.version}, {protocol.cell_count} cells, {protocol.hash[:12]}")
    ]
    try:
        findings.append(_good("rules", ", ".join(rule.name for rule in rules_of(protocol))))
    except KelseyError as error:
        findings.append(_bad("rules", error))
    concerns = protocol.concerns()
    detail = " ".join(concerns) if concerns else f"epsilon {protocol.epsilon:g}, delta {protocol.delta:g}"
    way_out = "have those who sign the protocol confirm it, or change it before the era starts" if concerns else ""
    return [*findings, HubFinding("privacy parameters", not concerns, detail, way_out)]


def _secret_file(name: str, path: Path) -> HubFinding:
    try:
        mode = path.stat().st_mode
        path.read_bytes()
    except OSError as error:
        return HubFinding(name, False, f"{path}: {error.strerror}", "let the hub's user read it")
    if mode & stat.S_IROTH:
        return HubFinding(name, False, f"{path} can be read by everybody", f"chmod o-r {path}")
    return _good(name, str(path))


def _database(settings: HubSettings) -> list[HubFinding]:
    try:
        store = HubStore(settings.database_url())
    except KelseyError as error:
        return [_bad("database", error)]
    try:
        findings = [_good("database", f"{store.dialect} answers")]
        if store.dialect == "postgresql":
            with store.read() as connection:
                theirs = connection.execute(select(func.now())).scalar_one()
            apart = abs((datetime.now(UTC) - theirs).total_seconds())
            is_ok = apart <= _CLOCK_TOLERANCE_SECONDS
            detail = f"{apart:.0f} s from the database's"
            findings.append(HubFinding("clock", is_ok, detail, "" if is_ok else "run NTP on both machines"))
        return [*findings, _activation(settings, store)]
    finally:
        store.close()


def _activation(settings: HubSettings, store: HubStore) -> HubFinding:
    book = hub_activations(store)
    try:
        book.require(settings.protocol())
    except KelseyError as error:
        return _bad("activation", error)
    known = book.all()
    said = f"by {known[-1].activated_by} on {known[-1].activated_at:%Y-%m-%d}" if known else "none: a trial"
    return _good("activation", said)


def _good(name: str, detail: str) -> HubFinding:
    return HubFinding(name, True, detail, "")


def _bad(name: str, error: KelseyError) -> HubFinding:
    return HubFinding(name, False, error.message, error.hint or "docs/hub.md lists every setting")
