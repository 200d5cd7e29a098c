"""The settings files the charts write are those the programs read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cases import ConfigurationError
from hub.aggregator.settings import load_aggregator_settings
from hub.settings import load_hub_settings
from kelsey.cli import cli
from streams.secure_sum_settings import open_aggregators
from streams.settings import load_site_settings
from tests.helm.charts import CI, Manifest, containers, objects, pod_specs, values_of
from tests.hub.authority import Authority
from tests.streams.make import SIGNING_KEY, protocol

_CONFIG = "/etc/kelsey/config"
_SUM = "secure-sum-values.yaml"
_TLS = "secrets/aggregators/"


def _write(manifests: tuple[Manifest, ...], name: str, folder: Path) -> Path:
    data = next(m for m in manifests if m["kind"] == "ConfigMap" and name in m["data"])["data"]
    for key, text in data.items():
        (folder / key).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("name", [name for chart, name in CI if chart == "site"])
def test_site_settings_are_accepted_and_say_what_the_values_say(name: str, tmp_path: Path) -> None:
    values = values_of("site", name)
    settings = load_site_settings(_write(objects("site", name), "site.toml", tmp_path))
    assert settings.site.id == values["site"]["id"]
    kafka = settings.require_kafka()
    assert kafka.bootstrap == values["kafka"]["bootstrap"]
    assert kafka.security_protocol == values["kafka"].get("securityProtocol", "SASL_SSL")
    assert [source.name for source in settings.sources] == [source["name"] for source in values["sources"]]
    assert (settings.hub is not None) is ("hub" in values)
    assert (settings.secure_sum is not None) is ("secureSum" in values)
    assert ("hub" in values or "secureSum" in values) is values.get("gate", {}).get("enabled", True)
    if settings.hub is not None:
        assert settings.hub.url == values["hub"]["url"]


def test_the_gate_opens_both_aggregators_with_what_its_pod_mounts(tmp_path: Path) -> None:
    manifests, values = objects("site", _SUM), values_of("site", _SUM)
    path = _write(manifests, "site.toml", tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("/etc/kelsey", str(tmp_path)), encoding="utf-8")
    (tmp_path / "aggregators").mkdir()
    _write(manifests, "leader.pub", tmp_path / "aggregators")
    authority = Authority(tmp_path)
    certificate, key = authority.issue("site")
    for file, place in ((authority.file, "ca/ca.crt"), (certificate, _TLS + "tls.crt"), (key, _TLS + "tls.key")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / place)
    settings = load_site_settings(path)
    assert settings.secure_sum is not None
    assert {link.role: link.url for link in settings.secure_sum.aggregator} == {
        each["role"]: each["url"] for each in values["secureSum"]["aggregators"]
    }
    open_aggregators(
        settings.secure_sum, path=settings.path, site_id=settings.site.id, signing_key=SIGNING_KEY, protocol=protocol()
    ).close()
    (tmp_path / "aggregators" / "helper.pub").unlink()
    with pytest.raises(ConfigurationError, match="public_key_file of the helper"):
        open_aggregators(
            settings.secure_sum, path=settings.path, site_id="east", signing_key=SIGNING_KEY, protocol=protocol()
        )


@pytest.mark.parametrize("name", [name for chart, name in CI if chart == "hub"])
def test_hub_settings_are_accepted_and_hold_the_sites_keys(name: str, tmp_path: Path) -> None:
    values = values_of("hub", name)
    path = _write(objects("hub", name), "hub.toml", tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(_CONFIG, str(tmp_path)), encoding="utf-8")
    settings = load_hub_settings(path)
    assert set(settings.site_keys()) == {site["id"] for site in values["sites"]}
    assert set(settings.aggregator_keys()) == {each["role"] for each in values.get("aggregators", ())}
    assert settings.hub.public_url == values["hub"]["publicUrl"]
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)


@pytest.mark.parametrize("name", [name for chart, name in CI if chart == "aggregator"])
def test_aggregator_settings_are_accepted_and_hold_all_public_keys(name: str, tmp_path: Path) -> None:
    values = values_of("aggregator", name)
    path = _write(objects("aggregator", name), "aggregator.toml", tmp_path)
    secret = tmp_path / "tls.key"
    secret.touch(mode=0o600)
    text = path.read_text(encoding="utf-8").replace("/etc/kelsey/secrets/tls", str(tmp_path))
    path.write_text(text.replace(_CONFIG, str(tmp_path)), encoding="utf-8")
    settings = load_aggregator_settings(path)
    assert settings.aggregator.role == values["aggregator"]["role"]
    assert set(settings.site_keys()) == {site["id"] for site in values["sites"]}
    assert settings.peer_key().public_bytes_raw() not in {
        key.public_bytes_raw() for key in settings.site_keys().values()
    }
    assert (settings.peer.url, settings.hub.url) == (values["peer"]["url"], values["hub"]["url"])
    assert settings.mutual_tls is not None
    assert (settings.peer.ca_file is not None) is ("caBundle" in values)


@pytest.mark.parametrize(("chart", "name"), CI)
def test_every_file_the_settings_name_is_mounted_where_it_is_read(chart: str, name: str) -> None:
    manifests = objects(chart, name)
    text = next(t for m in manifests if m["kind"] == "ConfigMap" for k, t in m["data"].items() if k == f"{chart}.toml")
    named = {word.strip('",[]') for word in text.split() if word.strip('",[]').startswith(("/etc/kelsey", "/var"))}
    mounted: set[str] = set()
    for _, _, spec in pod_specs(manifests):
        for container in containers(spec):
            for mount in container.get("volumeMounts", ()):
                volume = next((v for v in spec.get("volumes", ()) if v["name"] == mount["name"]), None)
                mounted |= {mount["mountPath"], *(f"{mount['mountPath']}/{key}" for key in _keys(volume, manifests))}
    lost = {path for path in named if path not in mounted and str(Path(path).parent) not in mounted}
    assert lost == set()


@pytest.mark.parametrize(("chart", "name"), CI)
def test_pods_run_commands_that_exist(chart: str, name: str) -> None:
    for pod, _, spec in pod_specs(objects(chart, name)):
        for container in containers(spec):
            if "command" not in container:  # else it is not the image's entry point that runs
                words = [word for word in container["args"] if not word.startswith("/")]
                done = CliRunner().invoke(cli, [*words[:2], "--help"])
                assert done.exit_code == 0, pod
                assert all(word.partition("=")[0] in done.output for word in words[2:]), pod


def _keys(volume: Manifest | None, manifests: tuple[Manifest, ...]) -> list[str]:
    if volume is None or not {"secret", "configMap"} & volume.keys():
        return []
    if "secret" in volume:
        return [item["path"] for item in volume["secret"]["items"]]
    found: Any = [
        m for m in manifests if m["kind"] == "ConfigMap" and m["metadata"]["name"] == volume["configMap"]["name"]
    ]
    return [key for m in found for key in m["data"]]
