"""The hub's settings file, hub.toml."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cases import ConfigurationError
from hub.roles import Role
from hub.settings_file import load_settings, read_file, split_address
from hub.sum_intake import SUM_SITE
from privacy.key_file import load_public_key
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Role as AggregatorRole

__all__ = [
    "AggregatorSection",
    "ApiKeySettings",
    "HubSection",
    "HubSettings",
    "SiteSection",
    "WebhookSection",
    "load_hub_settings",
]

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_SITE_ID = r"^[a-z0-9][a-z0-9-]{0,62}\Z"


class HubSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[hub]``.

    Parameters
    ----------
    database_url, database_url_file
        Exactly one: the URL, or a file that holds it (for a URL with a password in it).
    protocol_file
        The surveillance protocol, JSON.
    factorisation_file
        The artefact of the protocol's factorisation, where it names one that is neither beside the protocol nor built
        in.
    cells_file
        The artefact of the protocol's active cells, where it names one that is not beside the protocol.
    listen
        ``host:port``; port 0 takes a free one.
    public_url
        How the world reaches the hub; named as the source of events.
    weight_ratio
        Sum of squared weights over sum of weights of the sites' contributions, in (0, 1].
    evaluation_grace_seconds
        How long after an epoch's close the hub waits for sites that are late, before it evaluates without them.
    heartbeat_seconds
        Between comments on a quiet event stream.
    log_format
        ``text`` or ``json``.
    """

    protocol_file: Path
    factorisation_file: Path | None = None
    cells_file: Path | None = None
    database_url: str | None = None
    database_url_file: Path | None = None
    listen: str = "127.0.0.1:8080"
    public_url: str = "http://127.0.0.1:8080"
    evaluation_grace_seconds: Annotated[float, msgspec.Meta(ge=0)] = 21600.0
    weight_ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    heartbeat_seconds: _Positive = 15.0
    log_format: Literal["text", "json"] = "text"


class SiteSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[site]]``: a site and the file with its Ed25519 public key (PEM)."""

    id: Annotated[str, msgspec.Meta(pattern=_SITE_ID)]
    public_key_file: Path


class AggregatorSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[aggregator]]``: the leader or the helper of the secure sum, and its Ed25519 public key (PEM)."""

    role: AggregatorRole
    public_key_file: Path


class WebhookSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[webhooks]``.

    Parameters
    ----------
    allow_addresses
        Networks that may be called although they are not public.
    timeout_seconds
        For one call.
    ca_file
        Certificates to trust besides the system's.
    """

    allow_addresses: tuple[str, ...] = ()
    timeout_seconds: _Positive = 10.0
    ca_file: Path | None = None


class ApiKeySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[api_key]]``: a key given as a file, registered when the hub starts.

    For secrets that are managed elsewhere; others are made by ``hub.keys.add_key`` or ``POST /v1/keys``.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    role: Role
    key_file: Path
    site: str | None = None


class HubSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of hub.toml, checked; paths are absolute."""

    hub: HubSection
    site: tuple[SiteSection, ...] = ()
    aggregator: tuple[AggregatorSection, ...] = ()
    webhooks: WebhookSection = WebhookSection()
    api_key: tuple[ApiKeySettings, ...] = ()

    def __post_init__(self) -> None:
        if (self.hub.database_url is None) == (self.hub.database_url_file is None):
            raise ValueError("[hub] needs either database_url or database_url_file")
        names = [site.id for site in self.site]
        if len(set(names)) != len(names):
            raise ValueError("[[site]] ids must be distinct")
        if SUM_SITE in names:
            raise ValueError(f"[[site]] id must not be {SUM_SITE}, under which sums are kept")
        if len({each.role for each in self.aggregator}) != len(self.aggregator):
            raise ValueError("[[aggregator]] roles must be distinct")
        for key in self.api_key:
            if (key.role is Role.SITE) != (key.site is not None):
                raise ValueError(f"[[api_key]] {key.name}: a key of the role site, and no other, names its site")
            if key.site is not None and key.site not in names:
                raise ValueError(f"[[api_key]] {key.name}: there is no [[site]] {key.site}")
        split_address(self.hub.listen, "[hub] listen")

    @property
    def host(self) -> str:
        """Address to listen on."""
        return split_address(self.hub.listen, "[hub] listen")[0]

    @property
    def port(self) -> int:
        """Port to listen on; 0 takes a free one."""
        return split_address(self.hub.listen, "[hub] listen")[1]

    def database_url(self) -> str:
        """The database's URL, read from its file where it has one; raises `ConfigurationError`."""
        if self.hub.database_url is not None:
            return self.hub.database_url
        path = self.hub.database_url_file
        assert path is not None  # noqa: S101  checked above
        return read_file(path, "hub.database_url_file").decode().strip()

    def secret(self, key: ApiKeySettings) -> str:
        """An API key from its file; raises `ConfigurationError`."""
        return read_file(key.key_file, f"key_file of API key {key.name}").decode(errors="replace").strip()

    def webhook_tls(self) -> ssl.SSLContext:
        """What verifies the certificates of webhooks; raises `ConfigurationError`."""
        tls = ssl.create_default_context()
        if self.webhooks.ca_file is not None:
            pem = read_file(self.webhooks.ca_file, "webhooks.ca_file")
            try:
                tls.load_verify_locations(cadata=pem.decode("ascii", errors="replace"))
            except (ssl.SSLError, ValueError) as error:
                raise ConfigurationError(f"webhooks.ca_file: {self.webhooks.ca_file} holds no certificate") from error
        return tls

    def protocol(self) -> SurveillanceProtocol:
        """The protocol; raises `ConfigurationError`."""
        own = self.hub
        return SurveillanceProtocol.load(
            own.protocol_file, factorisation_file=own.factorisation_file, cells_file=own.cells_file
        )

    def site_keys(self) -> dict[str, Ed25519PublicKey]:
        """Public key by site; raises `ConfigurationError` for a file that holds something else, or another's key."""
        keys = {site.id: load_public_key(site.public_key_file, f"site {site.id}") for site in self.site}
        owners: dict[bytes, str] = {}
        for site, key in keys.items():
            if (owner := owners.setdefault(key.public_bytes_raw(), site)) != site:
                raise ConfigurationError(f"sites {owner} and {site} have one key", hint="each site draws its own")
        return keys

    def aggregator_keys(self) -> dict[AggregatorRole, Ed25519PublicKey]:
        """Public key by role; raises `ConfigurationError` for a file that holds something else."""
        return {each.role: load_public_key(each.public_key_file, f"the {each.role}") for each in self.aggregator}


def load_hub_settings(path: Path | str) -> HubSettings:
    """Read hub.toml; relative paths in it are relative to its folder.

    Raises `ConfigurationError`, naming the file and the setting, for anything that is missing, unknown or out of
    range.
    """
    return load_settings(path, HubSettings, page="docs/hub.md")
