"""Ed25519 keys in PEM files, read the same way wherever a party's key is named."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from cases.errors import ConfigurationError

__all__ = ["load_private_key", "load_public_key", "parse_private_key"]


def load_public_key(path: Path, owner: str) -> Ed25519PublicKey:
    """An Ed25519 public key from a PEM file; raises `ConfigurationError` for a file that holds something else."""
    data = _read(path, f"public_key_file of {owner}")
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(
            f"{path}: not an Ed25519 public key in PEM form ({owner})",
            hint="openssl pkey -in signing.pem -pubout makes it from the signing key",
        )
    return key


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """An unencrypted Ed25519 private key; raises `ConfigurationError` for a file that holds something else."""
    return parse_private_key(_read(path, "signing key"), f"{path}")


def parse_private_key(pem: bytes, what: str) -> Ed25519PrivateKey:
    """The key in `pem`; raises `ConfigurationError`, which begins with `what`, and says how to make one."""
    way_out = "name the private key, or make one: openssl genpkey -algorithm ed25519 -out signing.pem"
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{what} is not an unencrypted PEM private key", hint=way_out) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{what} is not an Ed25519 key", hint=way_out)
    return key


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{what}: {path}: {error.strerror}") from error
