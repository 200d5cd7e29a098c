"""A real HAPI FHIR R4 server on 127.0.0.1, built from `tests/services/fhir_server`."""

from __future__ import annotations

import re
from pathlib import Path

from tests.services.paths import FHIR_CLASSES, FHIR_LIBS
from tests.services.server_process import ServerProcess

__all__ = ["HapiServer"]

_READY = re.compile(r"^LISTENING (\S+)$", re.MULTILINE)


class HapiServer:
    """One FHIR server for the whole test run, its resources in memory.

    It takes a minute of CPU time to start, so tests share it: each uses resource ids or tags of its own.
    """

    def __init__(self, directory: Path) -> None:
        self._url: str | None = None
        options = ["-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Djava.io.tmpdir={directory}"]
        self._server = ServerProcess(
            "HAPI FHIR server",
            ["java", *options, "-cp", f"{FHIR_CLASSES}:{FHIR_LIBS}/*", "kelsey.fhirserver.FhirServer"],
            log_path=directory / "fhir_server.log",
            is_ready=self._find_url,
            start_seconds=300,
        )

    @property
    def url(self) -> str:
        """Base URL, without a slash at the end."""
        if self._url is None:
            raise RuntimeError("the FHIR server has not been started")
        return self._url

    def start(self) -> None:
        """Start and wait until it answers."""
        self._server.start()

    def stop(self) -> None:
        """Stop; its resources are gone."""
        self._server.stop()

    def _find_url(self, output: str) -> bool:
        found = _READY.search(output)
        self._url = found.group(1) if found else None
        return found is not None
