"""What the rendered network policies let a pod reach, as Kubernetes defines it.

A pod that no policy selects for a direction may do anything in it; one that is selected may do what the union of its
policies allows.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from tests.helm.charts import Manifest

__all__ = ["egress_peers", "may_reach", "selects"]


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector matches."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for rule in selector.get("matchExpressions") or []:
        value = labels.get(rule["key"])
        matched = {
            "In": value in rule.get("values", ()),
            "NotIn": value not in rule.get("values", ()),
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[rule["operator"]]
        if not matched:
            return False
    return True


def egress_peers(manifests: tuple[Manifest, ...], labels: dict[str, str]) -> list[tuple[Manifest | None, Manifest]]:
    """Give every (peer, rule) the pod may send to; a None peer is everywhere."""
    found: list[tuple[Manifest | None, Manifest]] = []
    is_selected = False
    for policy in manifests:
        if policy["kind"] != "NetworkPolicy" or not selects(policy["spec"]["podSelector"], labels):
            continue
        if "Egress" not in policy["spec"].get("policyTypes", ["Ingress"]):
            continue
        is_selected = True
        for rule in policy["spec"].get("egress") or []:
            found += [(peer, rule) for peer in rule["to"]] if rule.get("to") else [(None, rule)]
    return found if is_selected else [(None, {})]


def may_reach(manifests: tuple[Manifest, ...], labels: dict[str, str], *, address: str, port: int) -> bool:
    """Whether the pod may open a TCP connection to an address outside of the cluster."""
    return any(_covers(peer, address) and _allows(rule, port) for peer, rule in egress_peers(manifests, labels))


def _covers(peer: Manifest | None, address: str) -> bool:
    if peer is None:
        return True
    block: dict[str, Any] | None = peer.get("ipBlock")
    if block is None:
        return False  # pods and namespaces are inside
    target = ipaddress.ip_address(address)
    return target in ipaddress.ip_network(block["cidr"]) and not any(
        target in ipaddress.ip_network(hole) for hole in block.get("except", ())
    )


def _allows(rule: Manifest, port: int) -> bool:
    ports = rule.get("ports")
    if not ports:
        return True
    return any(
        item.get("protocol", "TCP") == "TCP"
        and item.get("port", port) <= port <= item.get("endPort", item.get("port", port))
        for item in ports
    )
