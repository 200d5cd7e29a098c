"""What a hospital's platform team checks: restricted pods, secrets by reference, and one way out."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
import yaml

from tests.helm.charts import CI, Manifest, containers, objects, pod_specs, render, values_of
from tests.helm.network import egress_peers, may_reach

_SITE = [name for chart, name in CI if chart == "site"]
_WITH_GATE = [name for name in _SITE if values_of("site", name).get("gate", {}).get("enabled", True)]
_SUM = "secure-sum-values.yaml"


@pytest.mark.parametrize(("chart", "name"), CI)
def test_pods_are_restricted(chart: str, name: str) -> None:
    pods = pod_specs(objects(chart, name))
    assert pods
    for pod, _, spec in pods:
        assert spec["automountServiceAccountToken"] is False, pod
        assert spec["securityContext"]["runAsNonRoot"] is True, pod
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), pod
        kinds = (
            {kind for volume in spec["volumes"] for kind in volume if kind != "name"} if "volumes" in spec else set()
        )
        assert kinds <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}, pod
        for container in containers(spec):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, pod
            assert context["readOnlyRootFilesystem"] is True, pod
            assert context["capabilities"] == {"drop": ["ALL"]}, pod
            assert "privileged" not in context
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, pod
            assert container["resources"]["limits"]["memory"], pod


@pytest.mark.parametrize(("chart", "name"), CI)
def test_running_processes_are_probed(chart: str, name: str) -> None:
    for manifest in objects(chart, name):
        if manifest["kind"] in {"Deployment", "StatefulSet"}:
            for container in manifest["spec"]["template"]["spec"]["containers"]:
                ports = {port["name"] for port in container["ports"]}
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    assert container[probe]["httpGet"]["port"] in ports
                # a liveness probe that asks for readiness would restart pods whenever Kafka or a database is away
                assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
                assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize(("chart", "name"), CI)
def test_nothing_is_asked_of_the_cluster_or_kept_in_the_chart(chart: str, name: str) -> None:
    kinds = {manifest["kind"] for manifest in objects(chart, name)}
    assert not kinds & {
        "Secret",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
    }
    for _, _, spec in pod_specs(objects(chart, name)):
        for container in containers(spec):
            for variable in container.get("env", ()):
                assert not re.search("KEY|SECRET|TOKEN|PASSWORD", variable["name"])


@pytest.mark.parametrize(("chart", "name"), CI)
def test_secret_files_are_readable_by_the_pod_alone(chart: str, name: str) -> None:
    for pod, _, spec in pod_specs(objects(chart, name)):
        for volume in spec.get("volumes", ()):
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440, pod
                assert volume["secret"]["items"], pod  # never a whole Secret


@pytest.mark.parametrize("name", _WITH_GATE)
def test_keys_are_mounted_only_where_they_are_used(name: str) -> None:
    secrets = {_component(labels): _secret_items(spec) for _, labels, spec in pod_specs(objects("site", name))}
    values = values_of("site", name)
    keys = {"pseudonymKey": "pseudonym.key", "signingKey": "signing.pem", **values["site"].get("secretKeys", {})}
    assert _holders(secrets, values["site"]["existingSecret"], keys["pseudonymKey"]) == {"worker"}
    assert _holders(secrets, values["site"]["existingSecret"], keys["signingKey"]) == {"gate"}
    outside = values["hub"] if _way_out(values) == "hub" else values["secureSum"]["tls"]
    assert {part for part, items in secrets.items() if outside["existingSecret"] in dict(items)} == {"gate"}
    for source in values["sources"]:
        if "token" in source:
            assert _holders(secrets, source["token"]["existingSecret"], source["token"]["key"]) == {"connector"}


@pytest.mark.parametrize("name", _SITE)
def test_every_pod_is_denied_by_default(name: str) -> None:
    for pod, labels, _ in pod_specs(objects("site", name)):
        assert (None, {}) not in egress_peers(objects("site", name), labels), pod
        assert not may_reach(objects("site", name), labels, address="203.0.113.99", port=443), pod


@pytest.mark.parametrize("name", _WITH_GATE)
def test_only_the_gate_may_reach_the_hub_or_the_aggregators(name: str) -> None:
    manifests, values = objects("site", name), values_of("site", name)
    reached = 0
    out = values["networkPolicy"][_way_out(values)]
    for peer in out["to"]:
        address = peer["ipBlock"]["cidr"].partition("/")[0]
        for port in out.get("ports", [443]):
            for _, labels, _ in pod_specs(manifests):
                is_gate = _component(labels) == "gate"
                assert may_reach(manifests, labels, address=address, port=port) is is_gate, labels
                reached += is_gate
    assert reached


@pytest.mark.parametrize("name", _SITE)
def test_no_other_peer_overlaps_with_the_way_out(name: str) -> None:
    import ipaddress

    values = values_of("site", name)
    out = values["networkPolicy"].get(_way_out(values), {})
    outside = [ipaddress.ip_network(p["ipBlock"]["cidr"]) for p in out.get("to", ())]
    for _, labels, _ in pod_specs(objects("site", name)):
        if _component(labels) != "gate":
            for peer, _ in egress_peers(objects("site", name), labels):
                assert peer is not None
                if "ipBlock" in peer:
                    assert not any(ipaddress.ip_network(peer["ipBlock"]["cidr"]).overlaps(each) for each in outside)


def test_without_a_gate_nothing_can_reach_a_hub() -> None:
    manifests = objects("site", "count-only-values.yaml")
    assert not any(_component(labels) == "gate" for _, labels, _ in pod_specs(manifests))
    assert not any(manifest["metadata"]["name"].endswith("-hub") for manifest in manifests)
    assert "[hub]" not in _config(manifests)


def test_under_secure_sum_there_is_no_way_to_a_hub() -> None:
    values = values_of("site", _SUM)
    values["networkPolicy"]["hub"] = {"to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}]}  # left over from another era
    texts = [text for path, text in render("site", values).items() if path.endswith(".yaml")]
    manifests = tuple(found for text in texts for found in yaml.safe_load_all(text) if found)
    assert "[hub]" not in _config(manifests)
    for _, labels, _ in pod_specs(manifests):
        assert not may_reach(manifests, labels, address="192.0.2.7", port=443)


def test_only_the_gate_mounts_the_aggregators_keys() -> None:
    for _, labels, spec in pod_specs(objects("site", _SUM)):
        names = {volume["configMap"]["name"] for volume in spec.get("volumes", ()) if "configMap" in volume}
        assert ("kelsey-site-aggregators" in names) is (_component(labels) == "gate")


def test_another_key_of_an_aggregator_starts_the_gate_anew() -> None:
    def checksum(values: dict[str, Any]) -> str:
        gate = yaml.safe_load_all(render("site", values)["kelsey-site/templates/gate.yaml"])
        return str(next(gate)["spec"]["template"]["metadata"]["annotations"]["checksum/settings"])

    changed = values_of("site", _SUM)
    changed["secureSum"]["aggregators"][0]["publicKey"] = changed["secureSum"]["aggregators"][1]["publicKey"]
    assert checksum(changed) != checksum(values_of("site", _SUM))


def test_only_the_gate_knows_the_proxy() -> None:
    for _, labels, spec in pod_specs(objects("site", "full-values.yaml")):
        names = {variable["name"] for container in containers(spec) for variable in container.get("env", ())}
        assert ("HTTPS_PROXY" in names) is (_component(labels) == "gate")


def test_the_policy_evaluator_sees_a_hole() -> None:
    manifests = objects("site", "minimal-values.yaml")
    worker = next(labels for _, labels, _ in pod_specs(manifests) if _component(labels) == "worker")
    hole: Manifest = {
        "kind": "NetworkPolicy",
        "spec": {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]}],
        },
    }
    assert may_reach((*manifests, hole), worker, address="198.51.100.7", port=443)
    without = tuple(m for m in manifests if m["kind"] != "NetworkPolicy")
    assert may_reach(without, worker, address="198.51.100.7", port=443)


def test_the_hub_calls_no_private_address_but_its_database() -> None:
    manifests = objects("hub", "minimal-values.yaml")
    hub = next(labels for _, labels, _ in pod_specs(manifests) if _component(labels) == "hub")
    assert may_reach(manifests, hub, address="203.0.113.5", port=443)
    for address in ("10.1.2.3", "169.254.169.254", "127.0.0.1", "192.168.1.1", "172.16.9.9"):
        assert not may_reach(manifests, hub, address=address, port=443)
    assert not may_reach(manifests, hub, address="203.0.113.5", port=25)


@pytest.mark.parametrize(("name", "peer_port"), [("minimal-values.yaml", 443), ("full-values.yaml", 8443)])
def test_an_aggregator_calls_its_peer_and_the_hub_alone(name: str, peer_port: int) -> None:
    manifests = objects("aggregator", name)
    labels = next(labels for _, labels, _ in pod_specs(manifests) if _component(labels) == "aggregator")
    assert may_reach(manifests, labels, address="203.0.113.7", port=peer_port)
    assert may_reach(manifests, labels, address="203.0.113.8", port=443)
    assert may_reach(manifests, labels, address="10.9.8.7", port=5432) is (name == "full-values.yaml")
    for address in ("203.0.113.9", "10.1.2.3", "169.254.169.254"):
        assert not may_reach(manifests, labels, address=address, port=443)


def test_an_aggregators_metrics_are_not_where_its_callers_come() -> None:
    manifests = objects("aggregator", "full-values.yaml")
    services = {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "Service"}
    assert services["national-leader"]["type"] == "LoadBalancer"
    assert [port["targetPort"] for port in services["national-leader"]["ports"]] == ["https"]
    assert services["national-leader-health"]["type"] == "ClusterIP"
    # taking shares in must not wait for the hub's word
    assert services["national-leader"]["publishNotReadyAddresses"] is True
    callers = next(m for m in manifests if m["metadata"]["name"] == "national-leader-callers")
    (rule,) = callers["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8443}]
    assert rule["from"] == [{"ipBlock": {"cidr": "198.51.100.0/24"}}]


def test_the_ingress_shows_the_api_alone() -> None:
    ingress = next(m for m in objects("hub", "full-values.yaml") if m["kind"] == "Ingress")
    assert [path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]] == [
        "/healthz",
        "/v1",
    ]
    assert ingress["spec"]["tls"][0]["secretName"] == "hub-tls"


@pytest.mark.parametrize("name", _WITH_GATE)
def test_the_notes_say_what_leaves(name: str) -> None:
    notes = next(text for path, text in render("site", values_of("site", name)).items() if path.endswith("NOTES.txt"))
    assert "What leaves this site" in notes
    values = values_of("site", name)
    outside = [values["hub"]] if _way_out(values) == "hub" else values["secureSum"]["aggregators"]
    assert all(each["url"] in notes for each in outside)


@pytest.mark.parametrize(("chart", "name"), CI)
def test_no_secret_value_is_rendered(chart: str, name: str) -> None:
    """Nothing that looks like key material: only public keys may be there."""
    text = json.dumps(objects(chart, name))
    assert "PRIVATE KEY" not in text
    for word in set(re.findall(r"[A-Za-z0-9+/]{43,}={0,2}", text)):
        if not re.fullmatch(r"[0-9a-f]{64}|0{64}", word) and "/" not in word:
            assert base64.b64decode(word + "=" * (-len(word) % 4))[:3] == b"0*0", word  # a DER public key


def _way_out(values: dict[str, Any]) -> str:
    return "aggregators" if "secureSum" in values else "hub"


def _component(labels: dict[str, str]) -> str:
    return labels["app.kubernetes.io/component"]


def _secret_items(spec: Manifest) -> list[tuple[str, str]]:
    return [
        (volume["secret"]["secretName"], item["key"])
        for volume in spec.get("volumes", ())
        if "secret" in volume
        for item in volume["secret"]["items"]
    ]


def _holders(secrets: dict[str, list[tuple[str, str]]], secret: str, key: str) -> set[str]:
    return {component for component, items in secrets.items() if (secret, key) in items}


def _config(manifests: tuple[Manifest, ...]) -> str:
    found: Any = next(m for m in manifests if m["kind"] == "ConfigMap" and "site.toml" in m["data"])["data"][
        "site.toml"
    ]
    return str(found)
