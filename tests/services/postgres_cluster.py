"""A real PostgreSQL server on 127.0.0.1, with a fresh database for every test that asks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pg8000.dbapi

from tests.services.paths import postgres_program
from tests.services.server_process import ServerError, ServerProcess, free_port

__all__ = ["PostgresCluster"]

_ROLE = "kelsey"
_ACCOUNT = "postgres"


class PostgresCluster:
    """A temporary cluster; it runs as the package's `postgres` account where the tests run as root.

    Nothing in it outlives the run, so it does not wait for the disk (`fsync` is off).
    """

    def __init__(self) -> None:
        programs = postgres_program("initdb"), postgres_program("postgres")
        if programs[0] is None or programs[1] is None:
            raise ServerError("the PostgreSQL server is not installed")
        # not below pytest's own temporary folder: that is closed to other accounts
        self._directory = Path(tempfile.mkdtemp(prefix="kelsey-postgres-"))
        self._port = free_port()
        run_as = _ACCOUNT if os.geteuid() == 0 else None
        if run_as is not None:
            shutil.chown(self._directory, run_as, run_as)
        self._create(programs[0], run_as)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": str(self._directory),
            "fsync": "off",
            "max_connections": "50",
            "shared_buffers": "32MB",
        }
        self._server = ServerProcess(
            "PostgreSQL",
            [str(programs[1]), "-D", str(self._directory / "data"), *(f"--{k}={v}" for k, v in options.items())],
            log_path=self._directory / "postgres.log",
            is_ready=lambda output: "ready to accept connections" in output,
            start_seconds=60,
            run_as=run_as,
            stop_signal=signal.SIGINT,  # "fast": ends the sessions instead of waiting for them
        )

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        self._server.start()

    def stop(self) -> None:
        """Stop and remove all data."""
        self._server.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, give its SQLAlchemy URL, drop it afterwards with whatever is still connected."""
        name = f"test_{uuid.uuid4().hex}"
        self._execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"postgresql+pg8000://{_ROLE}@127.0.0.1:{self._port}/{name}"
        finally:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        connection = pg8000.dbapi.connect(user=_ROLE, host="127.0.0.1", port=self._port, database="postgres")
        try:
            connection.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def _create(self, initdb: Path, run_as: str | None) -> None:
        data = str(self._directory / "data")
        command = [str(initdb), "-D", data, "-U", _ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(
            command, user=run_as, group=run_as, cwd=self._directory, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServerError(f"PostgreSQL could not make its data directory\n{done.stdout}{done.stderr}")
