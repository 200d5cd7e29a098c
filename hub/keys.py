"""API keys of the hub: random, stored as a hash only, each with one role."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from cases import ConfigurationError, ParameterError
from hub import schema
from hub.errors import UnknownIdError
from hub.roles import Role
from hub.store import HubStore

__all__ = ["ApiKey", "NewApiKey", "add_key", "find_key", "list_keys", "register_key", "revoke_key"]

_PREFIX = "kelsey_"
_SECRET_BYTES = 32
_SHORTEST = 32  # characters of a key made elsewhere


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub keeps of a key; the key itself it does not know."""

    id: str
    name: str
    role: Role
    site: str | None
    created_at: datetime
    revoked_at: datetime | None = None


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made, with the secret that is shown this once."""

    key: ApiKey
    secret: str


def add_key(store: HubStore, *, name: str, role: Role, at: datetime, site: str | None = None) -> NewApiKey:
    """Make a key of 256 random bits.

    Raises `ParameterError` where the role is ``site`` without a site, or another role with one.
    """
    secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    with store.write() as connection:
        key = _insert(connection, secret, name=name, role=role, site=site, at=at)
    return NewApiKey(key=key, secret=secret)


def register_key(
    store: HubStore, secret: str, *, name: str, role: Role, at: datetime, site: str | None = None
) -> ApiKey:
    """Take over a key made elsewhere; known already with the same role and site, nothing changes.

    Raises `ConfigurationError` where it is too short, revoked, or known with another role or site.
    """
    if not (len(secret) >= _SHORTEST and secret.isascii() and secret.isprintable() and " " not in secret):
        raise ConfigurationError(
            f"API key {name}: a key must be at least {_SHORTEST} printable characters",
            hint="openssl rand -hex 32 makes one",
        )
    with store.write() as connection:
        row = connection.execute(select(schema.api_key).where(schema.api_key.c.digest == _digest(secret)))
        known = row.one_or_none()
        if known is None:
            return _insert(connection, secret, name=name, role=role, site=site, at=at)
        key = _api_key(known)
    if key.revoked_at is not None:
        raise ConfigurationError(f"API key {name} was revoked", hint="put a new key into its file")
    if (key.role, key.site) != (role, site):
        raise ConfigurationError(
            f"API key {name} is already known with another role or site", hint="use a key of its own"
        )
    return key


def list_keys(store: HubStore) -> list[ApiKey]:
    """All keys ever made, the revoked ones too, oldest first."""
    with store.read() as connection:
        rows = connection.execute(select(schema.api_key).order_by(schema.api_key.c.created_at, schema.api_key.c.id))
        return [_api_key(row) for row in rows]


def revoke_key(store: HubStore, identity: str, *, at: datetime) -> None:
    """End a key at once; raises `UnknownIdError` where there is none, or it was revoked before."""
    table = schema.api_key
    with store.write() as connection:
        changed = connection.execute(
            update(table).where(table.c.id == identity, table.c.revoked_at.is_(None)).values(revoked_at=at)
        )
    if changed.rowcount != 1:
        raise UnknownIdError("there is no such key in use")


def find_key(store: HubStore, secret: str) -> ApiKey | None:
    """The key a caller presents; None where it is unknown or revoked.

    Looked up by its hash, so that the time it takes says nothing about the key.
    """
    table = schema.api_key
    query = select(table).where(table.c.digest == _digest(secret), table.c.revoked_at.is_(None))
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else _api_key(row)


def _digest(secret: str) -> str:
    """SHA-256; a slow hash would add nothing to 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _insert(connection: Connection, secret: str, *, name: str, role: Role, site: str | None, at: datetime) -> ApiKey:
    if not 0 < len(name) <= 128:
        raise ParameterError("name must have between 1 and 128 characters")
    if (role is Role.SITE) != (site is not None):
        raise ParameterError("a key of the role site, and no other, is bound to a site")
    key = ApiKey(id="key-" + secrets.token_hex(8), name=name, role=role, site=site, created_at=at)
    values = {**msgspec.structs.asdict(key), "role": str(role), "digest": _digest(secret)}
    connection.execute(insert(schema.api_key).values(**values))
    return key


def _api_key(row: Row[Any]) -> ApiKey:
    values = dict(row._mapping)
    values.pop("digest")
    return ApiKey(**{**values, "role": Role(row.role)})
