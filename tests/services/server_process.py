"""One server as a child process: started, waited for, stopped, and never left behind.

Every real service of the tests is such a process. It listens on 127.0.0.1 only, writes to a log file of its own, and
dies with the test run even when that is killed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["ServerError", "ServerProcess", "free_port"]

_POLL_SECONDS = 0.05
_LOG_TAIL_LINES = 40


class ServerError(RuntimeError):
    """A service did not start, or died; the message ends with the last lines of its log."""


class ServerProcess:
    """A server program that is running or stopped, and can be started again on the same data.

    Parameters
    ----------
    name
        What messages call it.
    command
        Program and arguments.
    log_path
        File that its output is appended to.
    is_ready
        Asked every 50 ms after the start with the output since then; true ends the wait.
    start_seconds
        Longest wait for readiness, in seconds.
    run_as
        User to run as when the tests run as root (PostgreSQL refuses root); None keeps the user.
    stop_signal
        The program's signal for an orderly stop.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log_path: Path,
        is_ready: Callable[[str], bool],
        start_seconds: float,
        run_as: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._command = [*_prefix(run_as), *command]
        self._is_ready = is_ready
        self._start_seconds = start_seconds
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until ready; nothing happens if it runs. Raises `ServerError` if it dies or takes too long."""
        if self.is_running:
            return
        begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + self._start_seconds
        while not self._is_ready(self._output(begin)):
            if (code := self._process.poll()) is not None:
                raise ServerError(f"{self.name} ended with exit code {code}\n{self._tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"{self.name} was not ready after {self._start_seconds:g} s\n{self._tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, *, seconds: float = 60.0) -> None:
        """Stop in order, or kill after `seconds`. Returns when the process is gone."""
        if self._process is None:
            return
        if self.is_running:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL: what a crash or a power switch does. Returns when the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _output(self, begin: int) -> str:
        with self.log_path.open("rb") as log:
            log.seek(begin)
            return log.read().decode("utf-8", "replace")

    def _tail(self) -> str:
        lines = self._output(0).splitlines()[-_LOG_TAIL_LINES:]
        return "\n".join([f"--- end of {self.log_path}", *lines])


def free_port() -> int:
    """Give a TCP port of 127.0.0.1 that is free now.

    Taken from below the kernel's range for outgoing connections, so that no client can occupy it while its server is
    stopped in the middle of a test.
    """
    chooser = random.SystemRandom()
    for _ in range(200):
        port = chooser.randrange(20_000, 32_000)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerError("no free port between 20000 and 32000 on 127.0.0.1 after 200 tries")


def _prefix(run_as: str | None) -> list[str]:
    """`setpriv` (Linux) makes the kernel end the server when this process ends, and changes the user."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    user = ["--reuid", run_as, "--regid", run_as, "--init-groups"] if run_as and os.geteuid() == 0 else []
    return [setpriv, "--pdeathsig", "KILL", *user, "--"]
