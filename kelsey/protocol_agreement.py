"""How a protocol comes into force: signed by the parties, accepted at a site, activated at hub and aggregators."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from cases import ConfigurationError
from hub.activation import activate
from hub.activation_book import Activation
from hub.aggregator import aggregator_store
from hub.aggregator.activation import activate_aggregator
from hub.aggregator.settings import load_aggregator_settings
from hub.settings import load_hub_settings
from hub.store import HubStore
from kelsey.settings_kind import settings_kind
from privacy.key_file import load_private_key
from privacy.protocol import SurveillanceProtocol
from privacy.protocol_signatures import PartyRole, ProtocolSignatures, signatures_beside
from streams.acceptance import Acceptance, accepted_protocols, record_acceptance
from streams.settings import SiteSettings, load_site_settings

__all__ = ["AcceptanceRequest", "accept_protocol", "activate_protocol", "sign_protocol"]


class AcceptanceRequest:
    """A site's protocol before it is accepted: verified, and put beside the one accepted last.

    Parameters
    ----------
    config
        The site's settings file.
    expected_hash
        Beginning of the hash the protocol must have, at least 12 digits; None takes whatever the file holds.

    Raises
    ------
    ConfigurationError
        The site names no protocol, it has another hash, its signatures are not valid, or one of a ``[[signer]]`` is
        missing.
    """

    def __init__(self, config: Path, *, expected_hash: str | None = None) -> None:
        self.settings: SiteSettings = load_site_settings(config)
        protocol = self.settings.protocol()
        if protocol is None:
            raise ConfigurationError("site.toml has no [site] protocol_file", hint="ask the hub's operator for it")
        _require_hash(protocol, expected_hash)
        self.protocol: SurveillanceProtocol = protocol
        file = self.settings.path(self.settings.site.protocol_file)
        self.signatures = ProtocolSignatures.load(signatures_beside(file), protocol)
        required = [(name, None, key) for name, key in self.settings.signer_keys().items()]
        if absent := self.signatures.missing(required):
            raise ConfigurationError(
                f"protocol {protocol.hash[:12]} is not signed by {', '.join(absent)}",
                hint=f"put their signatures into {signatures_beside(file).name}, beside the protocol",
            )
        known = accepted_protocols(self.settings.data_directory)
        self.accepted = next((each for each in known if each.protocol.hash == protocol.hash), None)
        self.previous = known[-1].protocol if known else None


def accept_protocol(request: AcceptanceRequest, *, by: str) -> Acceptance:
    """Record the acceptance in the site's data directory.

    Raises `ConfigurationError` where the site has accepted another protocol for the era: an era has one.
    """
    for each in accepted_protocols(request.settings.data_directory):
        if each.protocol.era == request.protocol.era and each.protocol.hash != request.protocol.hash:
            raise ConfigurationError(
                f"era {request.protocol.era} was accepted under protocol {each.protocol.hash[:12]}",
                hint="a changed protocol starts a new era under a new name, with fresh wallets",
            )
    return record_acceptance(
        request.settings.data_directory,
        request.protocol,
        accepted_by=by,
        accepted_at=datetime.now(UTC),
        signed_by=[f"{each.party} ({each.role})" for each in request.signatures.signatures],
    )


def sign_protocol(file: Path, key_file: Path, *, party: str, role: PartyRole) -> Path:
    """Put a party's signature into the file beside the protocol; gives that file."""
    protocol = SurveillanceProtocol.load(file)
    path = signatures_beside(file)
    signed = ProtocolSignatures.load(path, protocol).sign(protocol, load_private_key(key_file), party=party, role=role)
    signed.dump(path)
    return path


def activate_protocol(config: Path, *, by: str, expected_hash: str | None) -> Activation:
    """Verify the signatures of sites and aggregators, and record that the party works under the protocol now.

    The party is the one whose settings `config` holds, the hub or an aggregator.
    """
    if settings_kind(config) == "aggregator":
        own = load_aggregator_settings(config)
        _require_hash(own.protocol(), expected_hash)
        with closing(aggregator_store(own.database_url())) as store:
            return activate_aggregator(own, store, activated_by=by, at=datetime.now(UTC))
    settings = load_hub_settings(config)
    _require_hash(settings.protocol(), expected_hash)
    with closing(HubStore(settings.database_url())) as store:
        return activate(settings, store, activated_by=by, at=datetime.now(UTC))


def _require_hash(protocol: SurveillanceProtocol, expected: str | None) -> None:
    if expected is None:
        return
    if not (12 <= len(expected) <= 64 and protocol.hash.startswith(expected.lower())):
        raise ConfigurationError(
            f"the protocol has hash {protocol.hash}, not {expected!r}",
            hint="give at least its first 12 digits, as `kelsey protocol show` prints them",
        )
