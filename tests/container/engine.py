"""Podman and buildah with settings, images and containers of their own, apart from those of the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["ContainerEngine", "ContainerError"]

_CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class ContainerError(RuntimeError):
    """A command of podman or buildah failed; the message ends with what it said."""


class ContainerEngine:
    """Images, pods and containers that live in one folder and are gone with it.

    Parameters
    ----------
    directory
        An empty folder; not on a network file system.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "containers.conf").write_text(_CONTAINERS_CONF, encoding="utf-8")
        (directory / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{directory}/graph"\nrunroot = "{directory}/run"\n',
            encoding="utf-8",
        )
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        }

    def podman(self, *arguments: str, seconds: float = 120) -> str:
        """Run podman and give what it prints. Raises `ContainerError`."""
        return self._run("podman", *arguments, seconds=seconds)

    def buildah(self, *arguments: str, seconds: float = 900) -> str:
        """Run buildah and give what it prints. Raises `ContainerError`."""
        return self._run("buildah", *arguments, seconds=seconds)

    def close(self) -> None:
        """Stop and remove every pod, container and image of this engine."""
        self.podman("pod", "rm", "--all", "--force", "--time", "10")
        self.podman("rm", "--all", "--force", "--time", "10")
        self.podman("rmi", "--all", "--force")
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str, seconds: float) -> str:
        done = subprocess.run(
            [program, *arguments], env=self._environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        if done.returncode:
            raise ContainerError(f"{program} {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout
