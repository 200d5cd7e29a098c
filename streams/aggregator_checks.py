"""What a site's doctor asks of both aggregators: whether they answer, know the site, and mean the same protocol."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cases import KelseyError
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Introduction
from streams.finding import Finding
from streams.release_sink import ReleaseRejected
from streams.secure_sum_settings import AggregatorLink, SecureSumSettings, open_aggregators
from streams.settings import SiteSettings

__all__ = ["check_aggregators"]

_CLOCK_SECONDS = 30.0


def check_aggregators(settings: SiteSettings, told: SecureSumSettings) -> Iterator[Finding]:
    """Whether each answers a signed question of this site, on a connection with certificates on both sides.

    And whether it is the one that is named, works under the site's protocol, and has the same time.
    """
    way_out = "check [secure_sum] and the firewall; ask its operator whether site and certificate are registered"
    try:
        protocol = settings.protocol()
        if protocol is None:
            yield Finding("aggregators", True, "not asked, as the site has accepted no protocol")
            return
        pair = open_aggregators(
            told, path=settings.path, site_id=settings.site.id, signing_key=settings.signing_key(), protocol=protocol
        )
    except KelseyError as error:
        yield Finding("aggregators", False, error.message, error.hint)
        return
    for link in told.aggregator:
        try:
            said = pair.probe(link.role)
        except KelseyError as error:
            reason = error.reason if isinstance(error, ReleaseRejected) else error.message
            yield Finding(f"{link.role}", False, f"{link.url}: {reason}", way_out)
            continue
        yield _identity(link, said, pair.public_key(link.role))
        yield _protocol(link, said, protocol)
        apart = abs((datetime.now(UTC) - said.now).total_seconds())
        yield Finding(
            f"{link.role}'s clock",
            apart <= _CLOCK_SECONDS,
            f"{apart:.0f} s from this site's",
            "run a time service (chrony) here, or ask its operator to: epochs end by these clocks",
        )
    pair.close()


def _identity(link: AggregatorLink, said: Introduction, key: Ed25519PublicKey) -> Finding:
    name = f"{link.role}"
    if said.role is not link.role:
        way_out = "exchange the addresses in [[secure_sum.aggregator]]"
        return Finding(name, False, f"{link.url} answers, but is the {said.role}", way_out)
    if said.public_key != key.public_bytes_raw().hex():
        way_out = f"ask its operator for signing.pub, and name it in public_key_file: here it is {link.public_key_file}"
        return Finding(name, False, f"{link.url} answers, but signs with another key", way_out)
    return Finding(name, True, f"{link.url} answers, and knows this site")


def _protocol(link: AggregatorLink, said: Introduction, protocol: SurveillanceProtocol) -> Finding:
    name, theirs, own = f"{link.role}'s protocol", said.protocol_hash[:12], protocol.hash[:12]
    if said.protocol_hash == protocol.hash:
        return Finding(name, True, f"{theirs}, the same")
    way_out = "agree with the others on one: shares made under another are refused (kelsey protocol diff OLD NEW)"
    return Finding(name, False, f"the {link.role} runs {theirs}, this site has {own}", way_out)
