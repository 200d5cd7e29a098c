"""Secrets a site draws for itself, once."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from cases import ConfigurationError
from cases.pseudonym import MINIMUM_KEY_BYTES

__all__ = ["make_site_keys"]


def make_site_keys(folder: Path) -> dict[Path, str]:
    """Draw and store a pseudonym key, a signing key and its public half; returns what each file is for.

    Secret files are readable by their owner only. Raises `ConfigurationError` where one of them exists: a new pseudonym
    key makes every patient somebody else, a new signing key must be registered at the hub.
    """
    signing = Ed25519PrivateKey.generate()
    contents = {
        "pseudonym.key": (os.urandom(MINIMUM_KEY_BYTES), "secret; turns patient ids into pseudonyms; back it up"),
        "signing.pem": (
            signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "secret; signs releases; only the gate needs it",
        ),
        "signing.pub": (
            signing.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "public; give it to the hub",
        ),
    }
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
