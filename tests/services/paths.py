"""Where installed services lie, and which of them this machine lacks. Standard library only: the installer uses it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

__all__ = [
    "FHIR_CLASSES",
    "FHIR_LIBS",
    "KAFKA_LIBS",
    "ROOT",
    "SERVICES",
    "missing",
    "postgres_program",
]

ROOT = Path(__file__).resolve().parents[2]
SERVICES = Path(os.environ.get("KELSEY_SERVICES") or ROOT / ".services")
KAFKA_LIBS = SERVICES / "kafka" / "libs"
FHIR_CLASSES = SERVICES / "fhir_server" / "classes"
FHIR_LIBS = SERVICES / "fhir_server" / "libs"


def postgres_program(name: str) -> Path | None:
    """Find a PostgreSQL server program (`initdb`, `postgres`); Debian keeps them out of the search path."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = shutil.which(name)
    return debian[-1] if debian else Path(found) if found else None


def missing(service: str) -> str | None:
    """Say what a service lacks on this machine, or None if it can be started. Raises `KeyError` for an unknown one."""
    return _LACK[service]()


def _lacks_jars(folder: Path) -> str | None:
    return None if any(folder.glob("*.jar")) else f"no jars in {folder}"


def _lacks_classes() -> str | None:
    return None if any(FHIR_CLASSES.rglob("*.class")) else f"no classes in {FHIR_CLASSES}"


def _lacks_programs(*names: str) -> str | None:
    absent = [name for name in names if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


_LACK: dict[str, Callable[[], str | None]] = {
    "kafka": lambda: _lacks_programs("java") or _lacks_jars(KAFKA_LIBS),
    "fhir_server": lambda: _lacks_programs("java") or _lacks_jars(FHIR_LIBS) or _lacks_classes(),
    "postgres": lambda: None if postgres_program("initdb") else "the PostgreSQL server is not installed",
    "prometheus": lambda: _lacks_programs("prometheus", "promtool"),
    "podman": lambda: _lacks_programs("podman", "buildah", "runc", "mmdebstrap"),
    "chromium": lambda: _lacks_programs("chromium"),
    "clock": lambda: _lacks_programs("cc"),
}
