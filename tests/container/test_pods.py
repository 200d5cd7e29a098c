"""The rendered pods of all charts run from the image: probes answer, records become cases, a release reaches the hub.

Needs root (podman with runc), as the runs of the test services do.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cases import TermKind
from connectors import default_vocabulary
from connectors.generator import HospitalGenerator
from kelsey.keys import make_site_keys
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Role
from tests.container.engine import ContainerEngine
from tests.container.image import IMAGE, build_image
from tests.container.kubelet import PlayedPod, play
from tests.helm.charts import Manifest, render
from tests.helm.protocol_folder import fill_folder, folder_values, whole_protocol
from tests.hub.authority import Authority
from tests.hub.secure_sum import ROLE_KEYS
from tests.privacy.examples import dump_cells, with_buckets
from tests.services.kafka_broker import KafkaBroker

pytestmark = [pytest.mark.podman, pytest.mark.slow, pytest.mark.timeout(1500)]
_Files = dict[tuple[str, str], dict[str, bytes]]
_RECORDS = 120


@pytest.fixture(scope="module")
def engine(podman_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerEngine]:
    if os.geteuid() != 0:
        lack = "PODMAN CANNOT BE USED: podman with runc needs root here"
        pytest.fail(lack) if os.environ.get("KELSEY_REQUIRE_SERVICES") == "1" else pytest.skip(lack)
    engine = ContainerEngine(tmp_path_factory.mktemp("podman"))
    try:
        build_image(engine, tmp_path_factory.mktemp("context"))
        yield engine
    finally:
        engine.close()


def test_the_image_runs_as_anybody_without_network_or_writing(engine: ContainerEngine) -> None:
    said = engine.podman(
        "run", "--rm", "--network", "none", "--read-only", "--user", "123456:0", "--cap-drop", "ALL", IMAGE, "--version"
    )  # fmt: skip
    assert "0.1.0" in said
    user = engine.podman("inspect", "--type", "image", "--format", "{{.Config.User}} {{.Config.Entrypoint}}", IMAGE)
    assert user.split() == ["10001:10001", "[kelsey]"]


def test_the_image_holds_no_address_of_a_package_registry(engine: ContainerEngine) -> None:
    code = (
        "import pathlib, sys; home = pathlib.Path('/opt/kelsey');"
        "print(list(home.rglob('pip.conf')), list(home.rglob('direct_url.json')), (home / 'bin/pip').exists())"
    )
    said = engine.podman("run", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE, "-c", code)
    found = [word for word in said.split() if "kelsey-" not in word]
    assert found[0] == "[]"
    assert found[-1] == "False"


def test_a_record_walks_through_the_rendered_pods(engine: ContainerEngine, kafka: KafkaBroker, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    protocol = _protocol()
    keys = tmp_path / "keys"
    make_site_keys(keys)
    api_key = secrets.token_hex(32)
    claim = tmp_path / "claims" / "kelsey-protocol"
    claim.mkdir(parents=True)
    protocol.dump(claim / "protocol.json")
    dump_cells(protocol, claim / "protocol.cells.json")
    files: _Files = {
        ("Secret", "kelsey-site"): {name: (keys / name).read_bytes() for name in ("pseudonym.key", "signing.pem")},
        ("Secret", "kelsey-hub"): {"api-key": api_key.encode()},
        ("Secret", "hub-keys"): {"north": api_key.encode()},
    }
    hub = _play_hub(engine, files, (keys / "signing.pub").read_text(encoding="utf-8"), tmp_path)
    hub.wait_until_healthy()

    site = _rendered("site", _site_values(kafka.bootstrap, hub.url, protocol.hash), files)
    _write_records(tmp_path / "claims" / "records")
    topics = play(engine, _one(site, "Job", ""), files=files, folder=tmp_path, listens_on=9464)
    assert topics.wait_until_done() == 0, topics.log()

    pods = {
        role: play(engine, _one(site, kind, role), files=files, folder=tmp_path, listens_on=9464)
        for role, kind in (("connector", "Deployment"), ("worker", "StatefulSet"), ("gate", "StatefulSet"))
    }
    for pod in pods.values():
        pod.wait_until_healthy()
    worker, gate = pods["worker"], pods["gate"]
    pods["connector"].wait(lambda: pods["connector"].metric("kelsey_records_read_total") > 0, "records to be read")
    worker.wait(lambda: worker.metric("kelsey_live_cases") > 0.8 * _RECORDS, "records to become cases")
    gate.wait(lambda: gate.metric("kelsey_releases_total", state="sent") >= 1, "a release to be delivered")
    assert hub.metric("kelsey_hub_releases_total", site="north", result="accepted") >= 1

    ready = _one(site, "Pod", "")
    addresses = {f"kelsey-site-{role}:9464": pod.url.removeprefix("http://") for role, pod in pods.items()}
    checked = play(engine, ready, files=files, folder=tmp_path, listens_on=9464, replace=addresses)
    assert checked.wait_until_done() == 0, checked.log()
    assert checked.log().count("ok") == 3
    status = json.loads(worker.inside("kelsey", "site", "status", "--config", "/etc/kelsey/config/site.toml", "--json"))
    assert status["site"] == "north"
    assert status["lag"] == {"raw": 0, "cases": 0}
    for role, pod in pods.items():
        told = pod.inside("kelsey", "doctor", "--config", "/etc/kelsey/config/site.toml", "--role", role, "--json")
        assert {finding["name"] for finding in json.loads(told)} >= {"settings", "Kafka", "protocol", "disk space"}


def test_an_aggregator_finds_protocol_signatures_and_artefacts_on_its_volume(
    engine: ContainerEngine, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    claim = tmp_path / "claims" / "federation"
    claim.mkdir(parents=True)
    protocol = whole_protocol()
    fill_folder(claim, protocol)
    authority = Authority(tmp_path)
    certificate, key = authority.issue("helper")
    own = ROLE_KEYS[Role.HELPER].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files: _Files = {
        ("ConfigMap", "federation-ca"): {"ca.crt": authority.file.read_bytes()},
        ("Secret", "aggregator-signing"): {"signing.pem": own},
        ("Secret", "aggregator-tls"): {"tls.crt": certificate.read_bytes(), "tls.key": key.read_bytes()},
        ("Secret", "aggregator-hub"): {"api-key": secrets.token_hex(32).encode()},
    }
    values = {**folder_values("aggregator", "existingClaim", protocol.hash[:12]), **_image()}
    manifests = _rendered("aggregator", values, files)
    pod = play(engine, _one(manifests, "Deployment", ""), files=files, folder=tmp_path, listens_on=9464)
    pod.wait_until_healthy(probes=("startupProbe",))  # it is ready when peer and hub have answered, which are not here
    told = pod.inside("kelsey", "aggregator", "status", "--config", "/etc/kelsey/config/aggregator.toml", "--json")
    assert json.loads(told)["protocol"]["hash"] == protocol.hash


def _play_hub(engine: ContainerEngine, files: _Files, public_key: str, folder: Path) -> PlayedPod:
    values = {
        **_image(),
        "hub": {"publicUrl": "https://hub.example.org", "protocol": {"existingClaim": "kelsey-protocol"}},
        "database": {"type": "sqlite"},
        "sites": [{"id": "north", "publicKey": public_key}],
        "apiKeys": [{"name": "north", "role": "site", "site": "north", "existingSecret": "hub-keys", "key": "north"}],
    }
    manifests = _rendered("hub", values, files)
    return play(engine, _one(manifests, "Deployment", ""), files=files, folder=folder, listens_on=8080)


def _site_values(bootstrap: str, hub_url: str, protocol_hash: str) -> dict[str, Any]:
    claim = {"name": "records", "persistentVolumeClaim": {"claimName": "records"}}
    return {
        **_image(),
        "site": {
            "id": "north",
            "existingSecret": "kelsey-site",
            "protocol": {
                "existingClaim": "kelsey-protocol",
                "accepted": {"hash": protocol_hash, "by": "Dr. Imre Vass"},
            },
            "sealGraceSeconds": 1,
        },
        "kafka": {
            "bootstrap": bootstrap,
            "prefix": f"pods-{secrets.token_hex(4)}.",
            "partitions": 2,
            "replication": 1,
            "securityProtocol": "PLAINTEXT",
        },
        "hub": {"url": hub_url, "existingSecret": "kelsey-hub"},
        "sources": [{"name": "files", "type": "fhir-files", "paths": ["/records"], "pollSeconds": 5}],
        "connector": {"extraVolumes": [claim], "extraVolumeMounts": [{"name": "records", "mountPath": "/records"}]},
        "networkPolicy": {"enabled": False},  # podman has none; tests/helm reads them
    }


def _image() -> dict[str, Any]:
    name, _, tag = IMAGE.rpartition(":")
    return {"image": {"repository": name, "tag": tag}}


def _rendered(chart: str, values: dict[str, Any], files: _Files) -> list[Manifest]:
    """Objects of the chart; its ConfigMaps join `files`."""
    manifests = []
    for path, text in render(chart, values).items():
        if path.endswith(".yaml"):
            manifests += [manifest for manifest in yaml.safe_load_all(text) if manifest]
    for manifest in manifests:
        if manifest["kind"] == "ConfigMap":
            data = {key: value.encode() for key, value in manifest["data"].items()}
            files["ConfigMap", manifest["metadata"]["name"]] = data
    return manifests


def _one(manifests: list[Manifest], kind: str, suffix: str) -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"].endswith(suffix)]
    return found


def _protocol() -> SurveillanceProtocol:
    terms = default_vocabulary()
    drugs, reactions = terms.names(TermKind.DRUG), terms.names(TermKind.REACTION)
    return with_buckets(
        range(0, len(drugs) * len(reactions), 3), buckets=1024, era="pods", vocabulary=terms.label, drugs=drugs,
        reactions=reactions, calendar=EpochCalendar("day", datetime.now(UTC).date() - timedelta(days=3), 30),
    )  # fmt: skip


def _write_records(folder: Path) -> None:
    """FHIR bundles, as a hospital's export leaves them in a mounted claim."""
    folder.mkdir(parents=True)
    for number, record in enumerate(HospitalGenerator(seed=4, months=1, records=3 * _RECORDS).play("north")):
        if record.kind == "report":
            (folder / f"{number:05d}.json").write_bytes(msgspec.json.format(record.payload))
