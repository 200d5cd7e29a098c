"""Wrong values are refused before anything is installed, in words that say what to do."""

from __future__ import annotations

import copy
from typing import Any

import helm_python as helm
import pytest

from tests.helm.charts import render, values_of


def _with(chart: str, path: str, value: Any) -> dict[str, Any]:
    values = copy.deepcopy(values_of(chart, "minimal-values.yaml"))
    *folders, last = path.split(".")
    node = values
    for folder in folders:
        node = node.setdefault(folder, {})
    node[last] = value
    return values


_KEY = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAuaWjv4y/iyN2UWw3TImPd+kn/sYnluZq+cu887VAkhY=\n"
    "-----END PUBLIC KEY-----\n"
)
_LEADER = {"role": "leader", "url": "https://leader.example.org", "publicKey": _KEY}
_SCHEMA = [
    ("aggregator", "aggregator.role", "both", "at '/aggregator/role': value must be one of '', 'leader', 'helper'"),
    ("aggregator", "peer.url", "http://leader", "at '/peer/url'"),
    ("aggregator", "peer.publicKey", "ssh-ed25519 AAAA", "at '/peer/publicKey'"),
    ("aggregator", "replicas", 2, "additional properties 'replicas' not allowed"),
    ("site", "kafka.bootstrp", "a:1", "at '/kafka': additional properties 'bootstrp' not allowed"),
    ("site", "kafka.replication", "three", "at '/kafka/replication': got string, want integer"),
    ("site", "worker.replicas", 0, "at '/worker/replicas': minimum: got 0, want 1"),
    ("site", "kafka.securityProtocol", "TLS", "at '/kafka/securityProtocol': value must be one of 'PLAINTEXT', 'SSL'"),
    ("site", "sources", [{"name": "ehr", "type": "fhir-server"}], "at '/sources/0': missing property 'url'"),
    ("site", "sources", [{"name": "v", "type": "vaers"}], "at '/sources/0': missing property 'paths'"),
    ("site", "site.protocol.accepted.hash", "0f6d", "at '/site/protocol/accepted/hash'"),
    ("site", "secureSum.aggregators", [{"role": "leader"}], "at '/secureSum/aggregators/0': missing properties 'url'"),
    (
        "site",
        "secureSum.aggregators",
        [{"role": "leader", "url": "http://leader", "publicKey": _KEY}],
        "at '/secureSum/aggregators/0/url'",
    ),
    ("site", "networkPolicy.hub.to", [{}], "at '/networkPolicy/hub/to/0'"),
    ("hub", "database.type", "mysql", "at '/database/type': value must be one of 'postgresql', 'sqlite'"),
    ("hub", "sites", [{"id": "north", "publicKey": "ssh-ed25519 AAAA"}], "at '/sites/0/publicKey'"),
    ("hub", "replicas", 2, "additional properties 'replicas' not allowed"),
    (
        "hub",
        "apiKeys",
        [{"name": "north", "role": "site", "existingSecret": "s", "key": "k"}],
        "at '/apiKeys/0': missing property 'site'",
    ),
]
_WORDS = [
    ("aggregator", "aggregator.role", "", "aggregator.role is empty: leader or helper"),
    ("aggregator", "networkPolicy.peer.to", [], "networkPolicy.peer.to is empty: say where the peer is"),
    ("aggregator", "database.type", "postgresql", "database.existingSecret is empty"),
    ("aggregator", "tls.existingSecret", "", "the aggregator's certificate and key"),
    ("site", "site.id", "", "site.id is empty: give the name under which the hub knows this site"),
    ("site", "site.id", "North Hospital", 'site.id is "North Hospital": use lower case letters, digits and dashes'),
    ("site", "kafka.bootstrap", "", "kafka.bootstrap is empty"),
    ("site", "kafka.securityProtocol", "SASL_SSL", "needs a Secret with password"),
    ("site", "site.protocol.existingConfigMap", "", "set gate.enabled=false to count without releasing"),
    ("site", "site.protocol.accepted.by", "", "whoever accepts it gives its hash and their name"),
    ("site", "worker.replicas", 2, "a partition that moves would lose its wallet"),
    ("site", "networkPolicy.hub.to", [], "networkPolicy.hub.to is empty: say where the hub"),
    ("site", "hub.url", "", "hub.url is empty: give the https address of the hub (or secureSum.aggregators"),
    ("site", "secureSum.aggregators", [_LEADER, _LEADER], "give one leader and one helper, not leader and leader"),
    ("site", "secureSum.aggregators", [_LEADER], "hub and secureSum exclude each other"),
    ("site", "secureSum.aggregators", [_LEADER], "the certificate and the key that the site shows the aggregators"),
    (
        "site",
        "secureSum.aggregators",
        [_LEADER],
        "networkPolicy.aggregators.to is empty: say where the aggregators are",
    ),
    ("site", "networkPolicy.kafka.to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "kafka.to holds the whole internet"),
    ("site", "networkPolicy.sources.to", [{"namespaceSelector": {}}], "sources.to holds a peer that means every pod"),
    (
        "site",
        "networkPolicy.sources.to",
        [{"ipBlock": {"cidr": "198.51.100.7/32"}}],
        "name the same peer: then more than the gate could reach the hub",
    ),
    (
        "site",
        "connector.extraVolumes",
        [{"name": "files", "hostPath": {"path": "/srv"}}],
        "connector.extraVolumes: files is a hostPath, which restricted pod security forbids",
    ),
    ("aggregator", "aggregator.protocol.activated", {"by": "Dr. Sand"}, "give hash and by, or neither"),
    ("hub", "hub.protocol.activated", {"hash": "0f6d2ab91c37"}, "give hash and by, or neither"),
    ("hub", "aggregators", [{"role": "leader", "publicKey": _KEY}], "aggregators: give one leader and one helper"),
    ("hub", "sites", [], "sites is empty: register at least one site"),
    ("hub", "database.type", "postgresql", "set database.type=sqlite for a pilot"),
    ("hub", "ingress", {"enabled": True, "host": "h"}, "API keys must not travel without TLS"),
    (
        "hub",
        "apiKeys",
        [{"name": "a", "role": "site", "site": "nowhere", "existingSecret": "s", "key": "k"}],
        "for site nowhere, which is not registered under sites",
    ),
]


@pytest.mark.parametrize(("chart", "path", "value", "message"), _SCHEMA)
def test_schema_refuses(chart: str, path: str, value: Any, message: str) -> None:
    with pytest.raises(helm.HelmError) as refused:
        render(chart, _with(chart, path, value))
    assert message in str(refused.value)


@pytest.mark.parametrize(("chart", "path", "value", "message"), _WORDS)
def test_what_a_schema_cannot_say_is_said_in_words(chart: str, path: str, value: Any, message: str) -> None:
    with pytest.raises(helm.HelmError) as refused:
        render(chart, _with(chart, path, value))
    assert message in str(refused.value)


def test_what_could_reach_the_aggregators_besides_the_gate_is_refused() -> None:
    values = values_of("site", "secure-sum-values.yaml")
    values["networkPolicy"]["kafka"]["to"] = values["networkPolicy"]["aggregators"]["to"]
    values["proxy"] = {"httpsProxy": "http://proxy.hospital.example:3128"}
    with pytest.raises(helm.HelmError) as refused:
        render("site", values)
    assert "kafka.to and networkPolicy.aggregators.to name the same peer: then more than the gate" in str(refused.value)
    assert "proxy.httpsProxy is for the hub: aggregators are called directly" in str(refused.value)


def test_an_empty_installation_hears_all_of_it_at_once() -> None:
    with pytest.raises(helm.HelmError) as refused:
        render("site", {})
    assert str(refused.value).count("\n  - ") >= 8
    with pytest.raises(helm.HelmError) as refused:
        render("aggregator", {})
    assert str(refused.value).count("\n  - ") == 12


def test_more_workers_than_partitions_are_refused() -> None:
    values = _with("site", "worker", {"replicas": 9, "persistence": {"existingClaim": "shared"}})
    with pytest.raises(helm.HelmError, match="there are only 4 partitions"):
        render("site", values)
