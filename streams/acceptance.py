"""Which protocols a site has accepted: when, by whom, with whose signatures. Durable, in the site's data directory.

The gate releases under no other. A protocol that was accepted stays accepted; another one is accepted beside it, and
each stands in the record with its whole text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cases import ConfigurationError, ParameterError
from privacy.protocol import SurveillanceProtocol
from streams.sqlite_file import open_sqlite, transaction

__all__ = ["Acceptance", "accepted_protocols", "record_acceptance", "require_acceptance"]

_VERSION = 1
_SCHEMA = """
CREATE TABLE acceptance (number INTEGER PRIMARY KEY AUTOINCREMENT, protocol_hash TEXT NOT NULL UNIQUE,
                         accepted_by TEXT NOT NULL, accepted_at TEXT NOT NULL, signed_by TEXT NOT NULL,
                         body BLOB NOT NULL)
"""


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """That a site accepted a protocol.

    Parameters
    ----------
    protocol
        As it was accepted.
    accepted_by, accepted_at
        The person, and when; with a time zone.
    signed_by
        Parties whose valid signatures it had then, as ``name (role)``.
    """

    protocol: SurveillanceProtocol
    accepted_by: str
    accepted_at: datetime
    signed_by: tuple[str, ...]


def record_acceptance(
    data_directory: Path,
    protocol: SurveillanceProtocol,
    *,
    accepted_by: str,
    accepted_at: datetime,
    signed_by: Sequence[str] = (),
) -> Acceptance:
    """Put an acceptance on disk; of a protocol accepted before, gives what was recorded then.

    Raises `ParameterError` for a name that is empty or longer than 128 characters.
    """
    name = accepted_by.strip()
    if not 0 < len(name) <= 128:
        raise ParameterError("the name of who accepts must have between 1 and 128 characters")
    row = (protocol.hash, name, accepted_at.astimezone(UTC).isoformat(), json.dumps(list(signed_by)), protocol.encode())
    with closing(_open(data_directory)) as database, transaction(database):
        database.execute(
            "INSERT OR IGNORE INTO acceptance (protocol_hash, accepted_by, accepted_at, signed_by, body) "
            "VALUES (?, ?, ?, ?, ?)",
            row,
        )
    return next(each for each in accepted_protocols(data_directory) if each.protocol.hash == protocol.hash)


def accepted_protocols(data_directory: Path) -> list[Acceptance]:
    """All acceptances, oldest first."""
    if not _path(data_directory).exists():
        return []
    with closing(_open(data_directory)) as database:
        rows = database.execute(
            "SELECT body, accepted_by, accepted_at, signed_by FROM acceptance ORDER BY number"
        ).fetchall()
    return [
        Acceptance(
            protocol=SurveillanceProtocol.decode(body),
            accepted_by=by,
            accepted_at=datetime.fromisoformat(at),
            signed_by=tuple(json.loads(signed)),
        )
        for body, by, at, signed in rows
    ]


def require_acceptance(data_directory: Path, protocol: SurveillanceProtocol) -> Acceptance:
    """The acceptance of a protocol; raises `ConfigurationError`, with the way out, where the site has none."""
    for each in accepted_protocols(data_directory):
        if each.protocol.hash == protocol.hash:
            return each
    raise ConfigurationError(
        f"this site has not accepted protocol {protocol.name} version {protocol.version}, {protocol.hash[:12]}",
        hint="read it with `kelsey protocol accept --config site.toml`, accept it with `--by NAME`",
    )


def _open(data_directory: Path) -> sqlite3.Connection:
    return open_sqlite(_path(data_directory), schema=_SCHEMA, version=_VERSION)


def _path(data_directory: Path) -> Path:
    return data_directory / "acceptance.sqlite"
