"""Under which protocol a party works that takes in what others send: activated with their signatures, for good."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Table, insert, select

from cases import ConfigurationError, ParameterError
from hub.sql_store import SqlStore
from privacy.protocol import SurveillanceProtocol
from privacy.protocol_signatures import PartyRole, ProtocolSignatures, signatures_beside
from privacy.secure_sum import Role

__all__ = ["Activation", "ActivationBook"]

_log = logging.getLogger(__name__)


class Activation(msgspec.Struct, frozen=True, kw_only=True):
    """That a party began to work under a protocol; `signed_by` as ``name (role)``."""

    protocol_hash: str
    era: str
    activated_by: str
    activated_at: datetime
    signed_by: tuple[str, ...]


class ActivationBook:
    """The activations of the hub, or of one aggregator, in its own database.

    Parameters
    ----------
    store
        The database.
    table
        `hub.schema.protocol_activation`, or its like.
    used
        Hashes of the protocols under which something of an era is in the database.
    party
        The hub or the aggregator, as people call it; ``<party>.toml`` holds its settings.
    """

    def __init__(
        self, store: SqlStore, table: Table, *, used: Callable[[Connection, str], set[str]], party: str
    ) -> None:
        self._store = store
        self._table = table
        self._used = used
        self._party = party

    def activate(
        self,
        protocol: SurveillanceProtocol,
        protocol_file: Path,
        *,
        site_keys: Mapping[str, Ed25519PublicKey],
        aggregator_keys: Mapping[Role, Ed25519PublicKey],
        activated_by: str,
        at: datetime,
    ) -> Activation:
        """Record that the party works under a protocol from now on; a second time changes nothing.

        Parameters
        ----------
        protocol_file
            Beside it lie the signatures.
        site_keys, aggregator_keys
            Who must have signed, with which key; aggregators only where the protocol forms a sum.
        activated_by
            A person.

        Raises
        ------
        ConfigurationError
            One of them has not signed it with that key; the era of that name runs, or ran, under another protocol.
        ParameterError
            `activated_by` is empty or longer than 128 characters.
        """
        if not 0 < len(activated_by.strip()) <= 128:
            raise ParameterError("the name of who activates must have between 1 and 128 characters")
        signatures = ProtocolSignatures.load(signatures_beside(protocol_file), protocol)
        absent = signatures.missing((name, PartyRole.SITE, key) for name, key in site_keys.items())
        if protocol.cohort is not None:
            absent += _missing_aggregators(signatures, aggregator_keys)
        if absent:
            raise ConfigurationError(
                f"protocol {protocol.hash[:12]} is not signed by {', '.join(absent)}",
                hint="each signs it with `kelsey protocol sign`; "
                f"leave a site that does not take part out of {self._party}.toml",
            )
        with self._store.write() as connection:
            self._store.lock(connection, "activation")
            known = self._activations(connection)
            if known and known[-1].protocol_hash == protocol.hash:
                return known[-1]
            self._require_own_era(connection, protocol, known)
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
            connection.execute(insert(self._table).values(**values))
        return made

    def all(self) -> list[Activation]:
        """All activations, oldest first; the last one counts."""
        with self._store.read() as connection:
            return self._activations(connection)

    def require(self, protocol: SurveillanceProtocol) -> None:
        """Refuse to work under `protocol` where another is active, or where its era was worked on under another.

        Where nothing was ever activated (a trial) it is let through, with a warning in the log. Raises
        `ConfigurationError`.
        """
        with self._store.read() as connection:
            known = self._activations(connection)
            if known and known[-1].protocol_hash != protocol.hash:
                raise ConfigurationError(
                    f"protocol {known[-1].protocol_hash[:12]} is active, not {protocol.hash[:12]}",
                    hint=f"kelsey protocol activate --config {self._party}.toml --by NAME",
                )
            self._require_own_era(connection, protocol, known)
        if not known:
            _log.warning(
                "no protocol was activated at this %s: it works under %s unsigned", self._party, protocol.hash[:12]
            )

    def _require_own_era(self, connection: Connection, protocol: SurveillanceProtocol, known: list[Activation]) -> None:
        """An era has one protocol: its budget and its wallets are paid for under that one."""
        of_era = self._used(connection, protocol.era)
        of_era |= {each.protocol_hash for each in known if each.era == protocol.era}
        if others := sorted(of_era - {protocol.hash}):
            raise ConfigurationError(
                f"era {protocol.era} runs under protocol {others[0][:12]}, not {protocol.hash[:12]}",
                hint="a changed protocol starts a new era under a new name, with fresh wallets",
            )

    def _activations(self, connection: Connection) -> list[Activation]:
        return [
            Activation(
                protocol_hash=row.protocol_hash,
                era=row.era,
                activated_by=row.activated_by,
                activated_at=row.activated_at,
                signed_by=tuple(msgspec.json.decode(row.signed_by)),
            )
            for row in connection.execute(select(self._table).order_by(self._table.c.sequence))
        ]


def _missing_aggregators(signatures: ProtocolSignatures, keys: Mapping[Role, Ed25519PublicKey]) -> list[str]:
    """Aggregators sign under a name of their own: they are known by role and key."""
    return [
        f"the aggregator ({role})"
        for role in Role
        if (key := keys.get(role)) is None
        or not any(each.role == str(role) and each.is_by(key) for each in signatures.signatures)
    ]
