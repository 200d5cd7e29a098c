"""Under which protocol a hub works: activated with the signatures of those who take part, and recorded for good."""

from __future__ import annotations

import logging
from datetime import datetime

import msgspec
from sqlalchemy import Connection, insert, select

from cases import ConfigurationError, ParameterError
from hub import schema
from hub.settings import HubSettings
from hub.store import HubStore
from privacy.protocol import SurveillanceProtocol
from privacy.protocol_signatures import PartyRole, ProtocolSignatures, signatures_beside

__all__ = ["Activation", "activate", "activations", "require_activation"]

_log = logging.getLogger(__name__)


class Activation(msgspec.Struct, frozen=True, kw_only=True):
    """That a hub began to work under a protocol; `signed_by` as ``name (role)``."""

    protocol_hash: str
    era: str
    activated_by: str
    activated_at: datetime
    signed_by: tuple[str, ...]


def activate(settings: HubSettings, store: HubStore, *, activated_by: str, at: datetime) -> Activation:
    """Record that the hub works under the protocol of its settings from now on; a second time changes nothing.

    Raises `ConfigurationError` where a registered site has not signed it with its registered key, or, for a sum, one
    of the aggregators; and where the era of that name runs, or ran, under another protocol.
    """
    protocol = settings.protocol()
    if not 0 < len(activated_by.strip()) <= 128:
        raise ParameterError("the name of who activates must have between 1 and 128 characters")
    signatures = ProtocolSignatures.load(signatures_beside(settings.hub.protocol_file), protocol)
    if absent := _missing(settings, protocol, signatures):
        raise ConfigurationError(
            f"protocol {protocol.hash[:12]} is not signed by {', '.join(absent)}",
            hint="each signs it with `kelsey protocol sign`; leave a site that does not take part out of hub.toml",
        )
    with store.write() as connection:
        store.lock(connection, "activation")
        known = _activations(connection)
        if known and known[-1].protocol_hash == protocol.hash:
            return known[-1]
        _require_own_era(connection, protocol, known)
        made = Activation(
            protocol_hash=protocol.hash,
            era=protocol.era,
            activated_by=activated_by.strip(),
            activated_at=at,
            signed_by=tuple(f"{each.party} ({each.role})" for each in signatures.signatures),
        )
        values = msgspec.structs.asdict(made) | {
            "sequence": len(known) + 1,
            "signed_by": msgspec.json.encode(made.signed_by).decode(),
            "protocol": protocol.encode(),
            "signatures": msgspec.json.encode(signatures),
        }
        connection.execute(insert(schema.protocol_activation).values(**values))
    return made


def activations(store: HubStore) -> list[Activation]:
    """All activations, oldest first; the last one counts."""
    with store.read() as connection:
        return _activations(connection)


def require_activation(store: HubStore, protocol: SurveillanceProtocol) -> None:
    """Refuse to work under `protocol` where another is active, or where its era's releases were made under another.

    A hub in which nothing was ever activated (a trial) is let through, with a warning in its log.
    """
    with store.read() as connection:
        known = _activations(connection)
        if known and known[-1].protocol_hash != protocol.hash:
            raise ConfigurationError(
                f"protocol {known[-1].protocol_hash[:12]} is active, not {protocol.hash[:12]}",
                hint="kelsey protocol activate --config hub.toml --by NAME",
            )
        _require_own_era(connection, protocol, known)
    if not known:
        _log.warning("no protocol was activated at this hub: it works under %s unsigned", protocol.hash[:12])


def _require_own_era(connection: Connection, protocol: SurveillanceProtocol, known: list[Activation]) -> None:
    """An era has one protocol: its budget and its wallets are paid for under that one."""
    table = schema.release
    query = select(table.c.protocol_hash).where(table.c.era == protocol.era).distinct()
    of_era = {row.protocol_hash for row in connection.execute(query)}
    of_era |= {each.protocol_hash for each in known if each.era == protocol.era}
    if others := sorted(of_era - {protocol.hash}):
        raise ConfigurationError(
            f"era {protocol.era} runs under protocol {others[0][:12]}, not {protocol.hash[:12]}",
            hint="a changed protocol starts a new era under a new name, with fresh wallets",
        )


def _missing(settings: HubSettings, protocol: SurveillanceProtocol, signatures: ProtocolSignatures) -> list[str]:
    absent = signatures.missing((name, PartyRole.SITE, key) for name, key in settings.site_keys().items())
    if protocol.cohort is not None:
        keys = settings.aggregator_keys()
        for role in (PartyRole.LEADER, PartyRole.HELPER):
            key = {str(each): found for each, found in keys.items()}.get(str(role))
            if key is None or not any(each.role == role and each.is_by(key) for each in signatures.signatures):
                absent.append(f"the aggregator ({role})")
    return absent


def _activations(connection: Connection) -> list[Activation]:
    table = schema.protocol_activation
    return [
        Activation(
            protocol_hash=row.protocol_hash,
            era=row.era,
            activated_by=row.activated_by,
            activated_at=row.activated_at,
            signed_by=tuple(msgspec.json.decode(row.signed_by)),
        )
        for row in connection.execute(select(table).order_by(table.c.sequence))
    ]
