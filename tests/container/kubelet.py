"""What a kubelet does and `podman kube play` does not: volumes from Secrets, ConfigMaps and claims, and probes.

Pods run on the host's network, so every process gets a port of its own where the chart gives each pod the same one.
Nothing else of a rendered pod is changed: image, arguments, environment, security context and limits are the chart's.
"""

from __future__ import annotations

import copy
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.container.engine import ContainerEngine
from tests.helm.charts import Manifest, containers
from tests.services.server_process import free_port

__all__ = ["PlayedPod", "play"]

_POLL_SECONDS = 0.25
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
# podman removes an init container as soon as it has ended, and fails where its own clean-up is not through yet
_KEPT = {"io.podman.annotations.init.container.type": "always"}


class PlayedPod:
    """A pod that runs (or has run) in podman."""

    def __init__(self, engine: ContainerEngine, manifest: Manifest, probes: Manifest, port: int) -> None:
        self._engine = engine
        self._probes = probes
        self.name: str = manifest["metadata"]["name"]
        self._container = f"{self.name}-{manifest['spec']['containers'][0]['name']}"
        self.url = f"http://127.0.0.1:{port}"

    def wait_until_healthy(self, *, probes: Sequence[str] = _PROBES, seconds: float = 120) -> None:
        """Ask the startup, readiness and liveness probe until each has answered with 200."""
        for kind in probes:
            path = self._probes[kind]["httpGet"]["path"]
            self.wait(lambda path=path: self._status(path) == 200, f"{kind} {path} to answer", seconds=seconds)

    def wait(self, condition: Any, what: str, *, seconds: float = 120) -> None:
        """Wait for a condition; fails with the pod's log when the time is over or the process has ended."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.state() in {"stopped", "exited"} or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} ({self.state()}): waited for {what}\n{self.log()[-6_000:]}")
            time.sleep(_POLL_SECONDS)

    def wait_until_done(self, *, seconds: float = 120) -> int:
        """Wait for the end of a pod that runs to completion, and give its exit code."""
        deadline = time.monotonic() + seconds
        while self.state() != "exited":  # it is "stopped" for a moment before podman has cleaned up
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} ({self.state()}) did not end\n{self.log()[-6_000:]}")
            time.sleep(_POLL_SECONDS)
        return int(self._inspect("{{.State.ExitCode}}"))

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the series of a metric that have these labels; 0 where there is none."""
        total = 0.0
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                series, _, value = line.rpartition(" ")
                if series.partition("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                    total += float(value)
        return total

    def state(self) -> str:
        """State as podman calls it: running, exited, ..."""
        return self._inspect("{{.State.Status}}").strip()

    def log(self) -> str:
        """Both outputs of the container."""
        return self._engine.podman("logs", self._container)

    def inside(self, *command: str) -> str:
        """Run a command in the container, as `kubectl exec` does."""
        return self._engine.podman("exec", self._container, *command)

    def _inspect(self, template: str) -> str:
        return self._engine.podman("inspect", "--type", "container", "--format", template, self._container)

    def _status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:  # it holds the socket
                return error.code
        except OSError:
            return 0


def play(
    engine: ContainerEngine,
    workload: Manifest,
    *,
    files: Mapping[tuple[str, str], Mapping[str, bytes]],
    folder: Path,
    listens_on: int,
    replace: Mapping[str, str] | None = None,
) -> PlayedPod:
    """Start the pod of a Deployment, StatefulSet, Job or Pod.

    Parameters
    ----------
    engine
        Where it runs.
    workload
        The rendered object.
    files
        Content of every ConfigMap and Secret, by (kind, name).
    folder
        Where volumes are made; all pods that name a claim mount ``claims/<name>`` in it, whose content is kept.
    listens_on
        Port the chart gives the process; it is replaced by a free one.
    replace
        Texts replaced in arguments (addresses of services, which only a cluster resolves).
    """
    port = free_port()
    pod = _pod(workload)
    spec = pod["spec"]
    group = spec["securityContext"].get("fsGroup", 0)
    claims = {
        name: {"persistentVolumeClaim": {"claimName": f"{name}-{workload['metadata']['name']}-0"}}
        for name in (each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", ()))
    }
    spec["volumes"] = [
        *spec.get("volumes", ()),
        *({"name": name, **source} for name, source in claims.items()),
    ]
    own = folder / pod["metadata"]["name"]
    for volume in spec["volumes"]:
        _to_host_path(volume, files, own, folder / "claims", group, (f":{listens_on}", f":{port}"))
    container = spec["containers"][0]
    probes = {kind: container.pop(kind) for kind in list(container) if kind.endswith("Probe")}
    container.pop("ports", None)
    for each in containers(spec):
        each["imagePullPolicy"] = "Never"
    for old, new in (replace or {}).items():
        container["args"] = [word.replace(old, new) for word in container["args"]]
    text = own.with_suffix(".yaml")
    text.write_text(yaml.safe_dump(pod), encoding="utf-8")
    engine.podman("kube", "play", "--network", "host", str(text))
    return PlayedPod(engine, pod, probes, port)


def _pod(workload: Manifest) -> Manifest:
    """The pod a controller would make."""
    if workload["kind"] == "Pod":
        return copy.deepcopy(workload)
    template = copy.deepcopy(workload["spec"]["template"])
    spec = template["spec"]
    if workload["kind"] == "Job":
        spec["restartPolicy"] = "Never"  # the test looks at the first attempt
    metadata = {
        "name": workload["metadata"]["name"],
        "labels": template["metadata"]["labels"],
        "annotations": _KEPT,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _to_host_path(
    volume: Manifest,
    files: Mapping[tuple[str, str], Mapping[str, bytes]],
    own: Path,
    claims: Path,
    group: int,
    port: tuple[str, str],
) -> None:
    """Turn a volume into a folder of the host with the owner and modes a kubelet would give it."""
    if "emptyDir" in volume:
        return
    if "persistentVolumeClaim" in volume:
        path = claims / volume.pop("persistentVolumeClaim")["claimName"]
        if not path.exists():
            path.mkdir(parents=True)
            os.chown(path, 0, group)
            path.chmod(0o2770)
    else:
        kind, source = (
            ("Secret", volume.pop("secret")) if "secret" in volume else ("ConfigMap", volume.pop("configMap"))
        )
        path = own / volume["name"]
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        content = files[kind, source.get("secretName") or source["name"]]
        items = {item["key"]: item["path"] for item in source.get("items", ())} or {key: key for key in content}
        for key, name in items.items():
            data = content[key]
            (path / name).write_bytes(data.replace(port[0].encode(), port[1].encode()) if kind == "ConfigMap" else data)
            os.chown(path / name, 0, group)
            (path / name).chmod(source.get("defaultMode", 0o644))
    volume["hostPath"] = {"path": str(path), "type": "Directory"}
