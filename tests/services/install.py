"""Install the real services of the tests: `make services`, or `python3 tests/services/install.py [NAME...]`.

Debian packages by apt-get where a program is missing, jars by Maven into `.services/`. A second run finds everything in
place and says so. Standard library only, so that it needs no environment.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.services import paths  # the folder is no installed package

__all__ = ["main"]

_DEBIAN = {
    "kafka": ["openjdk-17-jdk-headless", "maven"],
    "fhir_server": ["openjdk-17-jdk-headless", "maven"],
    "postgres": ["postgresql"],
    "prometheus": ["prometheus"],
    "podman": ["podman", "buildah", "runc", "catatonit", "mmdebstrap"],
    "chromium": ["chromium"],
    "clock": ["gcc", "libc6-dev"],
}
_PROGRAM = {"openjdk-17-jdk-headless": "javac", "maven": "mvn"}  # any JDK or Maven will do, not only Debian's
_HERE = Path(__file__).resolve().parent


class InstallError(RuntimeError):
    """A service cannot be installed; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Install what is missing; 0 if every service asked for can be started afterwards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service", nargs="*", help=f"of {', '.join(_DEBIAN)}; default: all")
    wanted = parser.parse_args(arguments).service or list(_DEBIAN)
    unknown = sorted(set(wanted) - set(_DEBIAN))
    if unknown:
        parser.error(f"unknown service: {', '.join(unknown)}")
    try:
        _install_packages(wanted)
        if "kafka" in wanted:
            _copy_jars("kafka", "dependency:copy-dependencies", "-DincludeScope=runtime")
        if "fhir_server" in wanted:
            _copy_jars("fhir_server", "compile", "dependency:copy-dependencies")
    except InstallError as error:
        _say(f"FAILED: {error}")
        return 1
    lacks = {service: lack for service in wanted if (lack := paths.missing(service)) is not None}
    for service in wanted:
        _say(f"{service}: {lacks.get(service, 'ready')}")
    return 1 if lacks else 0


def _install_packages(services: Sequence[str]) -> None:
    packages = sorted({package for service in services for package in _DEBIAN[service]})
    absent = [package for package in packages if not _is_installed(package)]
    if not absent:
        _say(f"Debian packages in place: {', '.join(packages)}")
        return
    if shutil.which("apt-get") is None:
        raise InstallError(f"no apt-get on this system: install the equivalents of {', '.join(absent)} by hand")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _say(f"installing Debian packages: {', '.join(absent)}")
    _run([*sudo, "apt-get", "update", "-qq"], environment)
    _run([*sudo, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *absent], environment)


def _is_installed(package: str) -> bool:
    program = _PROGRAM.get(package)
    if program is not None and shutil.which(program) is not None:
        return True
    if shutil.which("dpkg-query") is None:
        return shutil.which(package) is not None
    query = ["dpkg-query", "-W", "-f", "${Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout.endswith(" installed")


def _copy_jars(service: str, *goals: str) -> None:
    source, target = _HERE / service, paths.SERVICES / service
    stamp = target / "installed.sha256"
    digest = _digest(source)
    if stamp.exists() and stamp.read_text() == digest and paths.missing(service) is None:
        _say(f"{service}: jars in place")
        return
    _say(f"{service}: copying jars from Maven's repository to {target}")
    shutil.rmtree(target, ignore_errors=True)
    folders = [f"-Dservices.directory={target}", f"-DoutputDirectory={target / 'libs'}"]
    _run(["mvn", "-q", "-B", "-ntp", "-f", str(source / "pom.xml"), *goals, *folders])
    stamp.write_text(digest)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in {".xml", ".java"}):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _run(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    """Run without a word; what it said is shown if it fails."""
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise InstallError(f"{command[0]} is not installed") from error
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise InstallError(f"`{' '.join(command)}` ended with exit code {done.returncode}")


def _say(line: str) -> None:
    sys.stdout.write(f"services: {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
