"""A protocol with all that can lie beside it, and values of the charts that name the folder it lies in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connectors import default_vocabulary
from privacy.active_cells import cells_beside
from privacy.chosen_strategy import factorisation_beside
from privacy.protocol import SurveillanceProtocol
from privacy.protocol_signatures import PartyRole, ProtocolSignatures, signatures_beside
from privacy.secure_sum import Role
from tests.helm.charts import values_of
from tests.hub.secure_sum import ROLE_KEYS, SITE_KEYS
from tests.privacy.examples import dump_cells, with_buckets
from tests.privacy.strategies import ARTEFACTS, EPOCHS

__all__ = ["FILE", "SOURCES", "fill_folder", "folder_values", "public_pem", "whole_protocol"]

FILE = "national-2027.json"
SOURCES = ("existingConfigMap", "existingClaim")
_PARTIES = [(site, key, PartyRole.SITE) for site, key in SITE_KEYS.items()]
_PARTIES += [(f"body {role}", key, PartyRole(role)) for role, key in ROLE_KEYS.items()]


def whole_protocol() -> SurveillanceProtocol:
    """A secure sum with active cells, buckets and a matrix of its own: all that can lie beside a protocol."""
    matrix = ARTEFACTS["dense"]
    return with_buckets(
        [0, 5], buckets=4, epochs=EPOCHS, vocabulary=default_vocabulary().label, factorisation=matrix.hash,
        coefficient_bits=matrix.coefficient_bits, trust_mode="secure-sum", minimum_cohort=2, honest_fraction=0.8,
    )  # fmt: skip


def fill_folder(folder: Path, protocol: SurveillanceProtocol) -> None:
    """Put protocol, signatures and artefacts into the folder, as whoever hands them out does."""
    signatures = ProtocolSignatures.of(protocol)
    for party, key, role in _PARTIES:
        signatures = signatures.sign(protocol, key, party=party, role=role)
    protocol.dump(folder / FILE)
    signatures.dump(signatures_beside(folder / FILE))
    ARTEFACTS["dense"].dump(factorisation_beside(folder / FILE))
    dump_cells(protocol, cells_beside(folder / FILE))


def folder_values(chart: str, source: str, protocol_hash: str = "0f6d2ab91c37") -> dict[str, Any]:
    """Values with the folder from the ConfigMap or claim `federation`; the aggregator is the helper."""
    values = values_of(chart, "secure-sum-values.yaml" if chart == "site" else "minimal-values.yaml")
    word = "accepted" if chart == "site" else "activated"
    values[chart]["protocol"] = {source: "federation", "key": FILE, word: {"hash": protocol_hash, "by": "Dr. Sand"}}
    if chart != "site":
        values["sites"] = [{"id": site, "publicKey": public_pem(key)} for site, key in SITE_KEYS.items()]
    if chart == "hub":
        values["aggregators"] = [{"role": str(role), "publicKey": public_pem(key)} for role, key in ROLE_KEYS.items()]
    if chart == "aggregator":
        values["peer"]["publicKey"] = public_pem(ROLE_KEYS[Role.LEADER])
    return values


def public_pem(key: Ed25519PrivateKey) -> str:
    """Give the public half."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
