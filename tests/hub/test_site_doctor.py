"""What `kelsey doctor` says at a site that sends shares: to real aggregators, with real certificates."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors import default_vocabulary
from hub.api.context import utc_now
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Role
from streams.doctor import check_site
from streams.finding import Finding
from tests.hub.aggregator_pair import PROTOCOL, AggregatorPair, HandClock, free_port
from tests.hub.secure_sum import SITE_KEYS
from tests.privacy.examples import dump_cells, with_buckets


@pytest.fixture
def pair(tmp_path: Path) -> AggregatorPair:
    """A pair whose hub does not answer: shares are taken in all the same."""
    return AggregatorPair(tmp_path / "pair", hub_url=f"http://127.0.0.1:{free_port()}", hub_key="k" * 40)


OWN = msgspec.structs.replace(PROTOCOL, vocabulary=default_vocabulary().label)


def findings(
    pair: AggregatorPair, *, site: str = "north", protocol: bool = True, under: SurveillanceProtocol = OWN
) -> dict[str, Finding]:
    """What the doctor says in the gate's pod, by name."""
    folder = pair.folder
    under.dump(folder / "site-protocol.json")
    pem = SITE_KEYS["north"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "site-signing.pem").write_bytes(pem)
    (folder / "site-signing.pem").chmod(0o600)
    links = "".join(
        f'[[secure_sum.aggregator]]\nrole = "{role}"\nurl = "{pair.urls[role]}"\npublic_key_file = "{role}.pub"\n'
        for role in Role
    )
    (folder / "site.toml").write_text(
        f'[site]\nid = "{site}"\ndata_directory = "data"\npseudonym_key_file = "no.key"\n'
        'signing_key_file = "site-signing.pem"\n'
        + ('protocol_file = "site-protocol.json"\n' if protocol else "")
        + '[secure_sum]\nca_file = "authority.pem"\ncertificate_file = "a-site.crt"\nkey_file = "a-site.key"\n'
        + links
    )
    return {finding.name: finding for finding in check_site(folder / "site.toml", role="gate")}


def test_one_that_means_another_protocol_or_time_is_named(pair: AggregatorPair) -> None:
    OWN.dump(pair.folder / "protocol.json")
    late = HandClock(utc_now() - timedelta(seconds=90))
    with pair.serve(Role.LEADER):
        PROTOCOL.dump(pair.folder / "protocol.json")
        with pair.serve(Role.HELPER, clock=late):
            found = findings(pair)
    assert found["leader's protocol"].text() == f"ok    leader's protocol: {OWN.hash[:12]}, the same"
    assert found["leader's clock"].is_ok
    assert found["helper"].is_ok
    assert not found["helper's protocol"].is_ok
    assert found["helper's protocol"].detail == f"the helper runs {PROTOCOL.hash[:12]}, this site has {OWN.hash[:12]}"
    assert not found["helper's clock"].is_ok
    assert 89 <= int(found["helper's clock"].detail.split()[0]) <= 120


def test_exchanged_addresses_and_keys_are_told_apart_from_silence(pair: AggregatorPair) -> None:
    with pair.serve(*Role):
        urls = dict(pair.urls)
        pair.urls = {Role.LEADER: urls[Role.HELPER], Role.HELPER: urls[Role.LEADER]}
        found = findings(pair)
        assert found["leader"].detail == f"{urls[Role.HELPER]} answers, but is the helper"
        assert not found["helper"].is_ok
        pair.urls = urls
        (pair.folder / "helper.pub").write_bytes((pair.folder / "north.pub").read_bytes())
        found = findings(pair)
    assert found["leader"].is_ok
    assert not found["helper"].is_ok
    assert "signs with another key" in found["helper"].detail
    assert "signing.pub" in found["helper"].way_out


def test_each_aggregator_is_asked(pair: AggregatorPair) -> None:
    with pair.serve(Role.LEADER):
        found = findings(pair)
    assert found["leader"].text() == f"ok    leader: {pair.urls[Role.LEADER]} answers, and knows this site"
    assert not found["helper"].is_ok
    assert "the helper did not answer: ConnectError" in found["helper"].detail
    assert "check [secure_sum] and the firewall" in found["helper"].way_out
    assert "hub" not in found


def test_a_site_that_is_not_registered_hears_it(pair: AggregatorPair) -> None:
    with pair.serve(*Role):
        found = findings(pair, site="nowhere")
    for role in Role:
        assert not found[role].is_ok
        assert found[role].detail == f"{pair.urls[role]}: {role}: unknown-site"
    assert "ask its operator whether site and certificate are registered" in found["leader"].way_out


def test_a_file_that_is_missing_is_named(pair: AggregatorPair) -> None:
    (pair.folder / "a-site.key").unlink()
    assert "certificate_file and key_file cannot be used" in findings(pair)["aggregators"].detail


def test_without_a_protocol_nobody_is_asked(pair: AggregatorPair) -> None:
    found = findings(pair, protocol=False)
    assert found["aggregators"].is_ok
    assert "no protocol" in found["aggregators"].detail


def test_active_cells_that_are_missing_or_wrong_are_named(pair: AggregatorPair) -> None:
    sparse = with_buckets([0, 5], buckets=4, vocabulary=OWN.vocabulary)
    found = findings(pair, under=sparse)["protocol"]
    assert not found.is_ok and "site-protocol.cells.json: No such file" in found.detail
    assert "put it beside the protocol" in found.way_out
    dump_cells(sparse, pair.folder / "site-protocol.cells.json", 5, 7)
    found = findings(pair, under=sparse)["protocol"]
    assert not found.is_ok and f"the protocol names {sparse.active_cells}" in found.detail
    assert "ask for the artefact that belongs to the protocol" in found.way_out
    dump_cells(sparse, pair.folder / "site-protocol.cells.json")
    assert findings(pair, under=sparse)["protocol"].is_ok
