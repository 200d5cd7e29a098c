"""An aggregator's settings file, aggregator.toml."""

from __future__ import annotations

import ipaddress
import ssl
import stat
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases import ConfigurationError
from hub.bound_server import MutualTls
from hub.settings import SiteSection
from hub.settings_file import load_settings, read_file, split_address
from privacy.key_file import load_public_key, parse_private_key
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Role

__all__ = [
    "AggregatorSettings",
    "HubTarget",
    "OwnSection",
    "PeerSection",
    "TlsSection",
    "load_aggregator_settings",
    "read_secret",
]


class OwnSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[aggregator]``.

    Parameters
    ----------
    role
        ``leader`` or ``helper``.
    protocol_file, factorisation_file, cells_file
        The surveillance protocol, JSON, and the artefacts of its factorisation and of its active cells where it names
        one that is neither beside the protocol nor built in.
    signing_key_file
        Ed25519 private key, PEM, readable by Kelsey's user alone.
    database_url, database_url_file
        Exactly one: the URL, or a file that holds it.
    ledger_file
        The budget ledger: a file on a local disk that survives restarts.
    uploads_directory
        Where shares lie that have not arrived completely.
    listen
        ``host:port`` for sites and the peer; port 0 takes a free one.
    health_listen
        ``host:port`` for health and metrics without TLS; nothing of a share is to be had there.
    agreement_grace_seconds
        How long after an epoch's end the leader waits for sites that are late; not where all are in.
    poll_seconds
        Between two looks at what is due.
    log_format
        ``text`` or ``json``.
    """

    role: Role
    protocol_file: Path
    factorisation_file: Path | None = None
    cells_file: Path | None = None
    signing_key_file: Path
    database_url: str | None = None
    database_url_file: Path | None = None
    ledger_file: Path
    uploads_directory: Path
    listen: str = "127.0.0.1:8443"
    health_listen: str | None = None
    agreement_grace_seconds: Annotated[float, msgspec.Meta(ge=0)] = 21600.0
    poll_seconds: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    log_format: Literal["text", "json"] = "text"


class TlsSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[tls]``: this aggregator's certificate, shown to sites, peer and hub; and who may call it (PEM)."""

    certificate_file: Path
    key_file: Path
    client_ca_file: Path


class PeerSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[peer]``: the other aggregator, its Ed25519 public key, and who signed its certificate."""

    url: str
    public_key_file: Path
    ca_file: Path | None = None


class HubTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[hub]``: where sums go, a file with an API key of the role ``aggregator``, and who signed its certificate."""

    url: str
    api_key_file: Path
    ca_file: Path | None = None


class AggregatorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of aggregator.toml, checked; paths are absolute, secrets are read when they are asked for."""

    aggregator: OwnSection
    peer: PeerSection
    hub: HubTarget
    tls: TlsSection | None = None
    site: tuple[SiteSection, ...]

    def __post_init__(self) -> None:
        own = self.aggregator
        if (own.database_url is None) == (own.database_url_file is None):
            raise ValueError("[aggregator] needs either database_url or database_url_file")
        names = [site.id for site in self.site]
        if len(set(names)) != len(names) or not names:
            raise ValueError("[[site]] is needed, with distinct ids")
        host, _ = split_address(own.listen, "[aggregator] listen")
        if own.health_listen is not None:
            split_address(own.health_listen, "[aggregator] health_listen")
        if self.tls is None and not _is_loopback(host):
            raise ValueError("without [tls] an aggregator listens on a loopback address alone")
        for name, url in (("peer", self.peer.url), ("hub", self.hub.url)):
            parts = urlsplit(url)
            if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
                raise ValueError(f"[{name}] url must begin with https://, or name a loopback address")

    @property
    def mutual_tls(self) -> MutualTls | None:
        """What the server shows and asks for; None on loopback without [tls]."""
        tls = self.tls
        return None if tls is None else MutualTls(tls.certificate_file, tls.key_file, tls.client_ca_file)

    def database_url(self) -> str:
        """The database's URL, read from its file where it has one; raises `ConfigurationError`."""
        own = self.aggregator
        if own.database_url_file is not None:
            return read_file(own.database_url_file, "aggregator.database_url_file").decode().strip()
        return own.database_url or ""

    def protocol(self) -> SurveillanceProtocol:
        """The protocol; raises `ConfigurationError` for one of another trust mode than ``secure-sum``."""
        own = self.aggregator
        protocol = SurveillanceProtocol.load(
            own.protocol_file, factorisation_file=own.factorisation_file, cells_file=own.cells_file
        )
        if protocol.cohort is None:
            raise ConfigurationError(f"protocol {protocol.name} has trust mode {protocol.trust_mode}, not secure-sum")
        return protocol

    def signing_key(self) -> Ed25519PrivateKey:
        """The aggregator's own key; raises `ConfigurationError` for a file others may read, or that holds another."""
        path = self.aggregator.signing_key_file
        data = read_secret(path, "aggregator.signing_key_file")
        return parse_private_key(data, f"{path}")

    def peer_key(self) -> Ed25519PublicKey:
        """The other aggregator's public key; raises `ConfigurationError`."""
        return load_public_key(self.peer.public_key_file, "the peer")

    def site_keys(self) -> dict[str, Ed25519PublicKey]:
        """Public key by site; raises `ConfigurationError`."""
        return {site.id: load_public_key(site.public_key_file, f"site {site.id}") for site in self.site}

    def aggregator_keys(self) -> dict[Role, Ed25519PublicKey]:
        """Public key of both aggregators; raises `ConfigurationError`."""
        own, other = self.aggregator.role, Role.HELPER if self.aggregator.role is Role.LEADER else Role.LEADER
        return {own: self.signing_key().public_key(), other: self.peer_key()}

    def api_key(self) -> str:
        """The key for the hub; raises `ConfigurationError` for a file that others may read."""
        return read_secret(self.hub.api_key_file, "hub.api_key_file").decode("ascii", "replace").strip()

    def client_tls(self, ca_file: Path | None, what: str) -> ssl.SSLContext:
        """What verifies the other side's certificate and shows this one's; raises `ConfigurationError`."""
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"{what}: {ca_file} holds no certificate") from error
        if self.tls is not None:
            try:
                context.load_cert_chain(self.tls.certificate_file, self.tls.key_file)
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError("[tls] certificate_file and key_file do not belong together") from error
        return context


def read_secret(path: Path, what: str) -> bytes:
    """Content of a secret file; raises `ConfigurationError` where everybody may read it."""
    data = read_file(path, what)
    if stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH:
        raise ConfigurationError(f"{what}: {path} may be read by everybody", hint=f"chmod 600 {path}")
    return data


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_aggregator_settings(path: Path | str) -> AggregatorSettings:
    """Read aggregator.toml; relative paths in it are relative to its folder.

    Raises `ConfigurationError`, naming the file and the setting, for anything that is missing, unknown, out of range,
    or a TLS key that everybody may read.
    """
    settings = load_settings(path, AggregatorSettings, page="docs/aggregator.md")
    if settings.tls is not None:
        read_secret(settings.tls.key_file, "tls.key_file")
    return settings
