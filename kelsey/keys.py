"""Secrets a site or an aggregator draws for itself, once."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from cases import ConfigurationError
from cases.pseudonym import MINIMUM_KEY_BYTES

__all__ = ["make_aggregator_keys", "make_site_keys"]


def make_site_keys(folder: Path) -> dict[Path, str]:
    """Draw and store a pseudonym key, a signing key and its public half; returns what each file is for.

    Secret files are readable by their owner only. Raises `ConfigurationError` where one of them exists: a new pseudonym
    key makes every patient somebody else, a new signing key must be registered at the hub.
    """
    secret = os.urandom(MINIMUM_KEY_BYTES), "secret; turns patient ids into pseudonyms; back it up"
    pair = _signing_pair("secret; signs releases; only the gate needs it", "public; give it to the hub")
    return _write(folder, {"pseudonym.key": secret, **pair})


def make_aggregator_keys(folder: Path) -> dict[Path, str]:
    """Draw and store a signing key and its public half; returns what each file is for.

    The secret file is readable by its owner only. Raises `ConfigurationError` where one of them exists: a new key must
    be registered at the hub and the peer, and what the old one signed is not taken for its own any more.
    """
    pair = _signing_pair(
        "secret; signs receipts, agreements and sums; back it up", "public; give it to the hub, the peer and all sites"
    )
    return _write(folder, pair)


def _signing_pair(secret: str, public: str) -> dict[str, tuple[bytes, str]]:
    key = Ed25519PrivateKey.generate()
    return {
        "signing.pem": (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), secret),
        "signing.pub": (key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), public),
    }


def _write(folder: Path, contents: dict[str, tuple[bytes, str]]) -> dict[Path, str]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in contents:
        if (folder / name).exists():
            raise ConfigurationError(f"{folder / name} exists", hint="move it away first if you really want another")
    made = {}
    for name, (data, purpose) in contents.items():
        path = folder / name
        mode = 0o644 if name.endswith(".pub") else 0o600
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        made[path] = purpose
    return made
