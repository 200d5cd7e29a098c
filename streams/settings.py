"""What a site is told by its ``site.toml``: who it is, where its Kafka and its hub are, which sources it reads.

Every relative path in the file is relative to the file. Secrets are never in the file, only the names of the files that
hold them.
"""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases import ConfigurationError, Vocabulary
from cases.pseudonym import MINIMUM_KEY_BYTES
from connectors import default_vocabulary
from privacy.key_file import load_public_key, parse_private_key
from privacy.protocol import SurveillanceProtocol
from streams.secure_sum_settings import SecureSumSettings
from streams.source_settings import SourceSettings, check_sources

__all__ = [
    "HubLink",
    "KafkaSettings",
    "SignerSettings",
    "SiteIdentity",
    "SiteSettings",
    "load_site_settings",
]

_OPEN_VOCABULARY = "open"
_SITE_ID = r"[a-z0-9][a-z0-9-]{0,62}"  # what a release may carry


class SiteIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table ``[site]``: identity, secrets, vocabulary, protocol.

    Parameters
    ----------
    id
        Name of the site as registered at the hub.
    data_directory
        Where stores, ledger and cursors live; must survive restarts and be reachable by every worker of the site.
    pseudonym_key_file
        At least 32 secret bytes; with another key every patient becomes somebody else.
    signing_key_file
        Ed25519 private key, PEM; only the gate reads it.
    vocabulary_file
        CSV as `cases.Vocabulary.from_csv`; the default vocabulary where absent.
    vocabulary
        ``open`` takes names over as published (VAERS); excludes `vocabulary_file`.
    protocol_file
        The accepted surveillance protocol; without one the site counts and releases nothing.
    factorisation_file
        The artefact of the protocol's factorisation, where it names one that is neither beside the protocol nor built
        in.
    cells_file
        The artefact of the protocol's active cells, where it names one that is not beside the protocol.
    read_narratives
        Whether narratives are read for drugs and reactions.
    metrics_listen
        Address of health and metrics; with all roles on one host worker and gate take the two ports above it.
    seal_grace_seconds
        How long the gate waits after an epoch's end for the workers' parts; late parts join the next epoch.
    log_format
        ``text`` or ``json``.
    """

    id: str
    data_directory: str
    pseudonym_key_file: str
    signing_key_file: str = ""
    vocabulary_file: str = ""
    vocabulary: Literal["", "open"] = ""
    protocol_file: str = ""
    factorisation_file: str = ""
    cells_file: str = ""
    read_narratives: bool = True
    metrics_listen: str = "127.0.0.1:9464"
    seal_grace_seconds: float = 300.0
    log_format: Literal["text", "json"] = "text"


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table ``[kafka]``: the site's own cluster.

    Parameters
    ----------
    bootstrap
        ``host:port``, more with commas.
    prefix
        Of topic names and the consumer group.
    partitions
        Of raw, cases and dead letters; never changes, as it decides who counts whom.
    replication
        Copies of each topic; 3 in production.
    session_timeout_seconds
        How long a worker may be silent before its partitions go to another; at least what the broker allows (6).
    security_protocol, sasl_mechanism, username, password_file, ca_file, certificate_file, key_file
        As Kafka names them; mutual TLS by certificate and key.
    """

    bootstrap: str
    prefix: str = "kelsey."
    partitions: int = 4
    replication: int = 1
    session_timeout_seconds: float = 10.0
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


class HubLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table ``[hub]``: where releases go; only the gate reads the key."""

    url: str
    api_key_file: str
    ca_file: str = ""


class SignerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ``[[signer]]``: whose signature a protocol must have before this site accepts it, and who may change a cap."""

    name: str
    public_key_file: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    site: SiteIdentity
    kafka: KafkaSettings | None = None
    hub: HubLink | None = None
    secure_sum: SecureSumSettings | None = None
    source: tuple[SourceSettings, ...] = ()
    signer: tuple[SignerSettings, ...] = ()


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A whole ``site.toml``, its paths resolved against `folder`; secrets are read when they are asked for."""

    folder: Path
    site: SiteIdentity
    kafka: KafkaSettings | None = None
    hub: HubLink | None = None
    secure_sum: SecureSumSettings | None = None
    sources: tuple[SourceSettings, ...] = ()
    signers: tuple[SignerSettings, ...] = ()

    @property
    def data_directory(self) -> Path:
        """Folder of stores, ledger and cursors; created by whoever first writes there."""
        return self.path(self.site.data_directory)

    def path(self, name: str) -> Path:
        """A path of the file, relative to it."""
        return self.folder / Path(name).expanduser()

    def require_kafka(self) -> KafkaSettings:
        """The Kafka table; raises `ConfigurationError` where the file has none."""
        if self.kafka is None:
            raise ConfigurationError("site.toml has no [kafka] table", hint='add [kafka] bootstrap = "host:9092"')
        return self.kafka

    def require_hub(self) -> HubLink:
        """The hub table; raises `ConfigurationError` where the file has none."""
        if self.hub is None:
            raise ConfigurationError("site.toml has no [hub] table", hint="add [hub] url and api_key_file")
        return self.hub

    def pseudonym_key(self) -> bytes:
        """The site's pseudonym key; raises `ConfigurationError` where it is unreadable, short or open to others."""
        key = self.secret("pseudonym_key_file", self.site.pseudonym_key_file)
        if not len(key) >= MINIMUM_KEY_BYTES:
            raise ConfigurationError(
                f"pseudonym_key_file must hold at least {MINIMUM_KEY_BYTES} bytes, not {len(key)}",
                hint=f"openssl rand -out {self.site.pseudonym_key_file} {MINIMUM_KEY_BYTES}",
            )
        return key

    def signing_key(self) -> Ed25519PrivateKey:
        """The site's release signing key; raises `ConfigurationError` where it is not an Ed25519 PEM."""
        data = self.secret("signing_key_file", self.site.signing_key_file)
        return parse_private_key(data, "signing_key_file")

    def signer_keys(self) -> dict[str, Ed25519PublicKey]:
        """Public key by name of signer; raises `ConfigurationError` for a file that holds something else."""
        return {each.name: load_public_key(self.path(each.public_key_file), each.name) for each in self.signers}

    def api_key(self) -> str:
        """The bearer key for the hub, blanks around it taken off."""
        return self.secret("api_key_file", self.require_hub().api_key_file).decode("ascii", "replace").strip()

    def secret(self, parameter: str, name: str) -> bytes:
        """Content of a secret file; refuses one that others on the host may read."""
        if not name:
            raise ConfigurationError(f"{parameter} is not set in site.toml")
        path = self.path(name)
        try:
            if stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH:
                raise ConfigurationError(f"{parameter} {path} may be read by everybody", hint=f"chmod 600 {path}")
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"{parameter} {path} cannot be read: {error.strerror}",
                hint="put the secret there, readable by Kelsey's user alone",
            ) from error

    def vocabulary(self) -> Vocabulary:
        """The vocabulary the file names, else the default one."""
        if self.site.vocabulary == _OPEN_VOCABULARY:
            return Vocabulary.open(name="published")
        if not self.site.vocabulary_file:
            return default_vocabulary()
        path = self.path(self.site.vocabulary_file)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"vocabulary_file {path} cannot be read as UTF-8 text") from error
        return Vocabulary.from_csv(text, name=path.stem)

    def protocol(self) -> SurveillanceProtocol | None:
        """The accepted protocol, None where the site has accepted none.

        Raises `ConfigurationError` where it was made for another vocabulary than the site's.
        """
        if not self.site.protocol_file:
            return None
        matrix, cells = (
            self.path(name) if name else None for name in (self.site.factorisation_file, self.site.cells_file)
        )
        protocol = SurveillanceProtocol.load(
            self.path(self.site.protocol_file), factorisation_file=matrix, cells_file=cells
        )
        if protocol.vocabulary != (label := self.vocabulary().label):
            raise ConfigurationError(
                f"protocol {protocol.name} counts with vocabulary {protocol.vocabulary}, this site with {label}",
                hint="set vocabulary_file to the table the protocol names",
            )
        return protocol


def load_site_settings(path: Path | str) -> SiteSettings:
    """The settings in a ``site.toml``.

    Raises `ConfigurationError`, naming the key, where the file is missing, is no TOML, lacks a key, has one that does
    not exist, or has a value of the wrong kind.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    try:
        file = msgspec.convert(table, _File)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {error}", hint="docs/streams.md lists every setting") from error
    _check(path, file)
    return SiteSettings(
        folder=path.parent,
        site=file.site,
        kafka=file.kafka,
        hub=file.hub,
        secure_sum=file.secure_sum,
        sources=file.source,
        signers=file.signer,
    )


def _check(path: Path, file: _File) -> None:
    if file.site.vocabulary and file.site.vocabulary_file:
        raise ConfigurationError(f"{path}: [site] vocabulary and vocabulary_file exclude each other")
    if not re.fullmatch(_SITE_ID, file.site.id):
        raise ConfigurationError(f"{path}: [site] id must be 1 to 63 lower-case letters, digits and hyphens")
    if file.kafka is not None and not 1 <= file.kafka.partitions <= 1024:
        raise ConfigurationError(f"{path}: [kafka] partitions must lie in [1, 1024], not {file.kafka.partitions}")
    if file.kafka is not None and not 6 <= file.kafka.session_timeout_seconds <= 30:
        raise ConfigurationError(f"{path}: [kafka] session_timeout_seconds must lie in [6, 30]")
    signers = [signer.name for signer in file.signer]
    if len(set(signers)) != len(signers) or not all(signers):
        raise ConfigurationError(f"{path}: every [[signer]] needs a name of its own")
    check_sources(path, file.source)
