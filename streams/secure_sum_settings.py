"""What a site is told of the aggregators of a secure sum, and the links made of it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import ConfigurationError
from privacy.key_file import load_public_key
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Role
from streams.aggregator_client import AggregatorClient
from streams.aggregator_pair import AggregatorPair

__all__ = ["AggregatorLink", "SecureSumSettings", "open_aggregators"]


class AggregatorLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An ``[[secure_sum.aggregator]]``: the leader or the helper, its address, and its Ed25519 public key (PEM)."""

    role: Role
    url: str
    public_key_file: str


class SecureSumSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table ``[secure_sum]``: where shares go under a protocol of trust mode ``secure-sum``; only the gate reads it.

    Parameters
    ----------
    aggregator
        Both of them.
    ca_file
        Certificates to trust instead of the system's.
    certificate_file, key_file
        What the site shows; the aggregators ask for it.
    """

    aggregator: tuple[AggregatorLink, ...]
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


def open_aggregators(
    settings: SecureSumSettings,
    *,
    path: Callable[[str], Path],
    site_id: str,
    signing_key: Ed25519PrivateKey,
    protocol: SurveillanceProtocol,
) -> AggregatorPair:
    """The links to both aggregators; `path` resolves the files' names.

    Raises `ConfigurationError`, naming the setting, where one is missing or a file cannot be used.
    """
    links = {link.role: link for link in settings.aggregator}
    if set(links) != set(Role) or len(settings.aggregator) != len(Role):
        raise ConfigurationError(
            "[secure_sum] needs one [[secure_sum.aggregator]] of role leader and one of role helper"
        )
    if bool(settings.certificate_file) != bool(settings.key_file):
        raise ConfigurationError("[secure_sum] certificate_file and key_file go together")
    tls = _tls(settings, path)
    keys = {role: load_public_key(path(link.public_key_file), f"the {role}") for role, link in links.items()}
    clients = {
        role: AggregatorClient(
            link.url, role=role, public_key=keys[role], site_id=site_id, signing_key=signing_key, protocol=protocol,
            tls=tls,
        )
        for role, link in links.items()
    }  # fmt: skip
    return AggregatorPair(site_id, clients, keys)


def _tls(settings: SecureSumSettings, path: Callable[[str], Path]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=path(settings.ca_file) if settings.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"[secure_sum] ca_file {settings.ca_file} cannot be used") from error
    if settings.certificate_file:
        try:
            context.load_cert_chain(path(settings.certificate_file), path(settings.key_file))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError("[secure_sum] certificate_file and key_file cannot be used") from error
    return context
