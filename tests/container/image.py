"""The image made as docs/operations.md says, without a registry: a Debian base by mmdebstrap, wheels fetched before."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.container.engine import ContainerEngine
from tests.services.paths import ROOT, SERVICES

__all__ = ["IMAGE", "build_image"]

IMAGE = "localhost/kelsey:0.1.0"
_BASE = "localhost/debian-python:bookworm"
_PYTHON = (3, 11)  # of that Debian


def build_image(engine: ContainerEngine, context: Path) -> str:
    """Build the image from the working tree and give its name.

    The base and the wheels of the dependencies are kept in `.services/container` for the next run.
    """
    keep = SERVICES / "container"
    keep.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_dependencies(keep), context / "dist/wheels")
    _python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(context / "dist/wheels"), str(ROOT))
    for name in ("Containerfile", ".containerignore", "requirements.lock"):
        shutil.copy(ROOT / name, context / name)
    engine.podman("import", "--quiet", str(_base(keep)), _BASE)
    engine.buildah(
        "bud", "--quiet", "--isolation", "chroot", "--network", "host", "--file", str(context / "Containerfile"),
        "--build-arg", f"BASE={_BASE}", "--tag", IMAGE, str(context),
    )  # fmt: skip
    return IMAGE


def _base(keep: Path) -> Path:
    """Debian with Python and the usual certificates, nothing else."""
    archive = keep / "bookworm-python.tar"
    if not archive.exists():
        partial = archive.with_suffix(".partial.tar")
        command = ["mmdebstrap", "--variant=minbase", "--include=python3,ca-certificates", "bookworm", str(partial)]
        _call(*command)
        partial.rename(archive)
    return archive


def _dependencies(keep: Path) -> Path:
    """Wheels of everything in the lock file, and of pip."""
    lock = ROOT / "requirements.lock"
    folder = keep / f"wheels-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        other = [] if sys.version_info[:2] == _PYTHON else ["--python-version", ".".join(map(str, _PYTHON))]
        fetch = ["-m", "pip", "download", "--quiet", "--only-binary", ":all:", *other, "--dest", str(partial)]
        _python(*fetch, "--require-hashes", "--requirement", str(lock))
        _python(*fetch, "--no-deps", "pip")
        partial.rename(folder)
    return folder


def _python(*arguments: str) -> None:
    _call(sys.executable, *arguments)


def _call(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
