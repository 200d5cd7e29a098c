"""A real Apache Kafka broker on 127.0.0.1."""

from __future__ import annotations

import base64
import subprocess
import uuid
from pathlib import Path

from tests.services.paths import KAFKA_LIBS
from tests.services.server_process import ServerError, ServerProcess, free_port

__all__ = ["KafkaBroker"]

_SETTINGS = Path(__file__).parent / "kafka"


class KafkaBroker:
    """One broker for the whole test run; it keeps its topics over `stop`, `kill` and `start`.

    Tests share it, so each makes its own topics and consumer groups under a prefix of its own. A test may leave the
    broker stopped: the next one that asks for it finds it running.

    Parameters
    ----------
    directory
        For settings, log and data.
    """

    def __init__(self, directory: Path) -> None:
        self._port = free_port()
        self._settings = directory / "server.properties"
        controller = free_port()
        addresses = {
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "log.dirs": str(directory / "data"),
        }
        lines = "".join(f"{name}={value}\n" for name, value in addresses.items())
        self._settings.write_text((_SETTINGS / "server.properties").read_text() + lines)
        self._format_storage()
        self._server = ServerProcess(
            "Apache Kafka",
            [*self._java("-Xms512m", "-Xmx512m", main="kafka.Kafka"), str(self._settings)],
            log_path=directory / "kafka.log",
            is_ready=lambda output: "Kafka Server started" in output,
            start_seconds=60,
        )

    @property
    def bootstrap(self) -> str:
        """Address for clients, `host:port`."""
        return f"127.0.0.1:{self._port}"

    @property
    def is_running(self) -> bool:
        """Whether the broker process is alive."""
        return self._server.is_running

    def start(self) -> None:
        """Start on the same data and port; returns when it serves clients. Nothing happens if it runs."""
        self._server.start()

    def stop(self) -> None:
        """Stop in order."""
        self._server.stop()

    def kill(self) -> None:
        """Kill -9."""
        self._server.kill()

    def _format_storage(self) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        command = self._java("-Xmx128m", main="kafka.tools.StorageTool")
        done = subprocess.run(
            [*command, "format", "-t", cluster_id, "-c", str(self._settings)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"Apache Kafka could not format its storage\n{done.stdout}{done.stderr}")

    @staticmethod
    def _java(*options: str, main: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={_SETTINGS / 'log4j2.properties'}"
        return [
            "java",
            *options,
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            logging,
            "-cp",
            f"{KAFKA_LIBS}/*",
            main,
        ]
