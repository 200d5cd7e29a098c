"""The protocol's folder from a ConfigMap or a volume: mounted alike, and each program finds all of it there."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kelsey.cli import cli
from privacy.active_cells import cells_beside
from privacy.secure_sum import Role
from tests.helm.charts import CHARTS, Manifest, containers, objects_with, pod_specs, render
from tests.helm.protocol_folder import FILE, SOURCES, fill_folder, folder_values, whole_protocol
from tests.hub.secure_sum import ROLE_KEYS
from tests.services.paths import ROOT


@pytest.mark.parametrize("chart", CHARTS)
def test_a_volume_is_mounted_read_only_wherever_a_configmap_was_and_nothing_else_changes(chart: str) -> None:
    mounted = [objects_with(chart, folder_values(chart, source)) for source in SOURCES]
    for (name, _, before), (_, _, after) in zip(*map(pod_specs, mounted), strict=True):
        mounts = [m for each in containers(after) for m in each.get("volumeMounts", ()) if m["name"] == "protocol"]
        assert all(mount["readOnly"] is True for mount in mounts), name
        assert [v for v in before.get("volumes", ()) if v["name"] != "protocol"] == [
            v for v in after.get("volumes", ()) if v["name"] != "protocol"
        ]
        assert containers(before) == containers(after)
        volumes = [v for v in after.get("volumes", ()) if v["name"] == "protocol"]
        claim = {"claimName": "federation", "readOnly": True}
        assert volumes == ([{"name": "protocol", "persistentVolumeClaim": claim}] if mounts else [])
    found = {labels["app.kubernetes.io/component"] for _, labels, spec in pod_specs(mounted[1]) if _has_protocol(spec)}
    assert found == ({"connector", "worker", "gate"} if chart == "site" else {chart})


def _has_protocol(spec: Manifest) -> bool:
    return any(volume["name"] == "protocol" for volume in spec.get("volumes", ()))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("chart", CHARTS)
def test_what_its_first_container_mounts_brings_a_protocol_with_artefacts_into_force(
    chart: str, source: str, tmp_path: Path
) -> None:
    protocol = whole_protocol()
    manifests = objects_with(chart, folder_values(chart, source, protocol.hash[:12]))
    (pod,) = [spec for _, _, spec in pod_specs(manifests) if "initContainers" in spec]
    (first,) = pod["initContainers"]
    for mount in first["volumeMounts"]:
        (tmp_path / mount["mountPath"].lstrip("/")).mkdir(parents=True)
    (place,) = [mount["mountPath"] for mount in first["volumeMounts"] if mount["name"] == "protocol"]
    fill_folder(folder := tmp_path / place.lstrip("/"), protocol)
    _write_settings(manifests, chart, tmp_path)
    arguments = [word.replace("/etc/kelsey", f"{tmp_path}/etc/kelsey") for word in first["args"]]

    cells = cells_beside(folder / FILE)
    cells.rename(folder / "away")
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1
    assert "national-2027.cells.json: No such file" in done.output
    assert "put it beside the protocol" in done.output
    (folder / "away").rename(cells)
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert f"{'accepted' if chart == 'site' else 'activated'} by Dr. Sand" in done.output


def _write_settings(manifests: tuple[Manifest, ...], chart: str, root: Path) -> None:
    """The ConfigMap that the container mounts, and secrets that settings ask for, with paths below `root`."""
    data = next(m["data"] for m in manifests if m["kind"] == "ConfigMap" and f"{chart}.toml" in m["data"])
    for name, text in data.items():
        moved = text
        for place in ("/etc/kelsey", "/var/lib/kelsey"):
            moved = moved.replace(place, f"{root}{place}")
        (root / "etc/kelsey/config" / name).write_text(moved, encoding="utf-8")
    own = ROLE_KEYS[Role.HELPER].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for secret, content in (("signing/signing.pem", own), ("tls/tls.key", b"")):
        path = root / "etc/kelsey/secrets" / secret
        if path.parent.exists():
            path.write_bytes(content)
            path.chmod(0o600)


@pytest.mark.parametrize("chart", CHARTS)
def test_one_of_both_is_asked_for(chart: str) -> None:
    values = folder_values(chart, "existingClaim")
    both, neither = copy.deepcopy(values), copy.deepcopy(values)
    both[chart]["protocol"]["existingConfigMap"] = "kelsey-protocol"
    neither[chart]["protocol"]["existingClaim"] = ""
    with pytest.raises(helm.HelmError, match=rf"{chart}\.protocol\.existingConfigMap and \.existingClaim exclude each"):
        render(chart, both)
    with pytest.raises(helm.HelmError, match=rf"{chart}\.protocol\.existingConfigMap is empty.*existingClaim"):
        render(chart, neither)


@pytest.mark.parametrize("chart", CHARTS)
def test_the_notes_say_where_the_protocol_lies(chart: str) -> None:
    for source, said in zip(SOURCES, ("ConfigMap federation", "claim federation"), strict=True):
        rendered = render(chart, folder_values(chart, source))
        (notes,) = [text for path, text in rendered.items() if path.endswith("NOTES.txt")]
        assert said in notes


def test_the_documented_volume_is_valid_and_holds_what_the_values_name() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (block,) = [each for each in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "PersistentVolumeClaim" in each]
    claim, pod = yaml.safe_load_all(block)
    for manifest in (claim, pod):
        kubernetes_validate.validate(manifest, "1.34", strict=True)
    (volume,) = pod["spec"]["volumes"]
    name = volume["persistentVolumeClaim"]["claimName"]
    assert claim["metadata"]["name"] == name
    assert f"protocol: {{existingClaim: {name}}}" in page
