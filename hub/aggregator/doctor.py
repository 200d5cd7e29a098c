"""Is an aggregator fit to run: what `kelsey doctor` looks at. Every finding that is not well says what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from cases import ConfigurationError, KelseyError
from hub.aggregator.activation import aggregator_activations
from hub.aggregator.links import HttpHub, HttpPeer
from hub.aggregator.settings import AggregatorSettings, load_aggregator_settings
from hub.aggregator.shelf import AggregatorShelf, aggregator_store
from hub.aggregator.storage import storage_bytes
from hub.settings_file import read_file
from hub.shared_checks import HubFinding, check_activation, check_clock, check_database, check_parameters
from privacy.ledger import BudgetLedger
from privacy.protocol import SurveillanceProtocol

__all__ = ["check_aggregator"]

_RENEWAL = timedelta(days=14)
_PAGE = "docs/aggregator.md"


def check_aggregator(config: Path) -> list[HubFinding]:
    """All findings, in the order one would mend them; never raises for what it finds.

    Also while the aggregator runs: nothing is locked and nothing is changed. Peer and hub are called.
    """
    try:
        settings = load_aggregator_settings(config)
    except KelseyError as error:
        return [HubFinding.of("settings", error, page=_PAGE)]
    findings = [HubFinding("settings", True, f"{config}, the {settings.aggregator.role}")]
    try:
        protocol = settings.protocol()
    except KelseyError as error:
        return [*findings, HubFinding.of("protocol", error, page=_PAGE)]
    said = f"{protocol.name} {protocol.version}, {protocol.cell_count} cells, {protocol.hash[:12]}"
    return [
        *findings,
        HubFinding("protocol", True, said),
        check_parameters(protocol),
        _tried("signing key", lambda: f"Ed25519, public part {_own(settings)[:16]}"),
        _tried("keys of the others", lambda: _keys(settings)),
        _tried("hub key", lambda: f"{len(settings.api_key())} characters"),
        _tried("certificate", lambda: _certificate(settings)),
        _tried("uploads", lambda: _uploads(settings)),
        *_database(settings, protocol),
        _tried("ledger", lambda: _ledger(settings)),
        _tried("disk space", lambda: _disk(settings, protocol)),
        *_peer(settings, protocol),
        *_hub(settings, protocol),
    ]


def _own(settings: AggregatorSettings) -> str:
    return settings.signing_key().public_key().public_bytes_raw().hex()


def _keys(settings: AggregatorSettings) -> str:
    peer, sites = settings.peer_key(), settings.site_keys()
    if peer.public_bytes_raw().hex() == _own(settings):
        raise ConfigurationError("the peer has this aggregator's own key", hint="ask the peer for its signing.pub")
    if len({key.public_bytes_raw() for key in sites.values()}) != len(sites):
        raise ConfigurationError("two sites are registered with one key", hint="each site draws its own")
    return f"peer {peer.public_bytes_raw().hex()[:16]}; {len(sites)} sites: {', '.join(sites)}"


def _certificate(settings: AggregatorSettings) -> str:
    if settings.tls is None:
        return "none: it listens on a loopback address alone"
    settings.client_tls(settings.tls.client_ca_file, "tls.client_ca_file")  # also whether key and certificate fit
    try:
        found = x509.load_pem_x509_certificate(read_file(settings.tls.certificate_file, "tls.certificate_file"))
    except ValueError as error:
        raise ConfigurationError(f"{settings.tls.certificate_file} holds no certificate") from error
    now, end = datetime.now(UTC), found.not_valid_after_utc
    if now < found.not_valid_before_utc:
        raise ConfigurationError(
            f"not valid before {found.not_valid_before_utc:%Y-%m-%d %H:%M} UTC", hint="is this computer's clock right?"
        )
    if not now < end - _RENEWAL:
        raise ConfigurationError(
            f"valid until {end:%Y-%m-%d %H:%M} UTC", hint="renew it and start the aggregator anew: it reads it then"
        )
    return f"valid until {end:%Y-%m-%d}"


def _uploads(settings: AggregatorSettings) -> str:
    folder = settings.aggregator.uploads_directory
    place = _existing(folder)
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        raise ConfigurationError(
            f"{place} cannot be written",
            hint="make uploads_directory a folder that the aggregator's user may write",
        )
    return str(folder)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def _database(settings: AggregatorSettings, protocol: SurveillanceProtocol) -> list[HubFinding]:
    try:
        store = aggregator_store(settings.database_url())
    except KelseyError as error:
        return [HubFinding.of("database", error, page=_PAGE)]
    try:
        return [*check_database(store), check_activation(aggregator_activations(store), protocol)]
    finally:
        store.close()


def _ledger(settings: AggregatorSettings) -> str:
    if not settings.aggregator.ledger_file.exists():
        return "none yet"
    with BudgetLedger(settings.aggregator.ledger_file, is_read_only=True) as ledger:
        return f"{len(ledger.entries())} epochs booked, all hashes right"  # it is verified when it is opened


def _disk(settings: AggregatorSettings, protocol: SurveillanceProtocol) -> str:
    """Whether the ledger's disk holds the rest of the era; the database counts where it is a file."""
    url = settings.database_url()
    is_file = url.startswith("sqlite")
    with closing(aggregator_store(url)) as store, store.read() as connection:
        left = protocol.calendar.count - AggregatorShelf(protocol).agreed_count(connection)
    needed = storage_bytes(protocol, epochs=left, sites=len(settings.site), with_database=is_file)
    free = shutil.disk_usage(_existing(settings.aggregator.ledger_file)).free
    said = f"{free / 2**30:.1f} GiB free, {needed / 2**30:.1f} GiB needed for the {left} epochs left"
    if not free >= needed:
        raise ConfigurationError(said, hint=f"make room, or the volume larger; {_PAGE} says what is kept")
    return said


def _peer(settings: AggregatorSettings, protocol: SurveillanceProtocol) -> Iterator[HubFinding]:
    """Whether it answers, is the one that is named, takes this one's signature, and means the same protocol."""
    url = settings.peer.url
    try:
        tls = settings.client_tls(settings.peer.ca_file, "peer.ca_file")
        key, named = settings.signing_key(), settings.peer_key().public_bytes_raw().hex()
    except KelseyError as error:
        yield HubFinding.of("peer", error, page=_PAGE)
        return
    peer = HttpPeer(url, key=key, tls=tls)
    try:
        said = peer.introduction()
        if said.role is settings.aggregator.role:
            yield HubFinding("peer", False, f"{url} is a {said.role} too", "one is the leader, the other the helper")
        elif said.public_key != named:
            way_out = "ask its operator for signing.pub, and name it in [peer] public_key_file"
            yield HubFinding("peer", False, f"{url} answers, but signs with another key", way_out)
        else:
            yield _known(peer, url)
        yield _same_protocol("peer", said.protocol_hash, protocol)
        yield check_clock("peer's clock", said.now, whose="the peer's")
    except KelseyError as error:
        way_out = "check [peer], the certificates of both and the firewall; is the peer running?"
        yield HubFinding("peer", False, f"{url}: {error.message}", way_out)
    finally:
        peer.close()


def _known(peer: HttpPeer, url: str) -> HubFinding:
    try:
        peer.holdings(0)
    except KelseyError:
        way_out = "give its operator signing.pub, which belongs into its [peer] public_key_file"
        return HubFinding("peer", False, f"{url} answers, and does not take this aggregator's signature", way_out)
    return HubFinding("peer", True, f"{url} answers, and knows this aggregator")


def _hub(settings: AggregatorSettings, protocol: SurveillanceProtocol) -> Iterator[HubFinding]:
    url = settings.hub.url
    try:
        tls = settings.client_tls(settings.hub.ca_file, "hub.ca_file")
        hub = HttpHub(url, api_key=settings.api_key(), tls=tls)
    except KelseyError as error:
        yield HubFinding.of("hub", error, page=_PAGE)
        return
    try:
        theirs, now = hub.protocol_hash()
        yield HubFinding("hub", True, f"{url} answers, and knows the key")
        yield _same_protocol("hub", theirs, protocol)
        if now is not None:
            yield check_clock("hub's clock", now, whose="the hub's")
    except KelseyError as error:
        way_out = "check [hub], its key (kelsey hub key add --role aggregator) and the firewall"
        yield HubFinding("hub", False, f"{url}: {error.message}", way_out)
    finally:
        hub.close()


def _same_protocol(whose: str, theirs: str, protocol: SurveillanceProtocol) -> HubFinding:
    name = f"{whose}'s protocol"
    if theirs == protocol.hash:
        return HubFinding(name, True, f"{theirs[:12]}, the same")
    detail = f"the {whose} runs {theirs[:12]}, this aggregator {protocol.hash[:12]}"
    return HubFinding(name, False, detail, "agree on one: nothing is summed meanwhile (kelsey protocol diff OLD NEW)")


def _tried(name: str, look: Callable[[], str]) -> HubFinding:
    try:
        return HubFinding(name, True, look())
    except KelseyError as error:
        return HubFinding.of(name, error, page=_PAGE)
