"""Keeps child processes running: starts them again when they end, and ends them together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from subprocess import TimeoutExpired
from typing import Protocol

__all__ = ["Child", "Supervisor"]

_log = logging.getLogger("kelsey.supervisor")
_FIRST_WAIT_SECONDS, _LAST_WAIT_SECONDS = 1.0, 60.0
_STEADY_SECONDS = 60.0  # a child that ran this long starts anew with the shortest wait
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 30.0


class Child(Protocol):
    """What `subprocess.Popen` offers of a process."""

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Exit code, when it has ended."""
        ...


class Supervisor:
    """Runs one child for each name.

    Parameters
    ----------
    start
        Starts the child of a name.
    names
        Which children.
    clock
        Seconds, monotonic.
    """

    def __init__(
        self,
        start: Callable[[str], Child],
        names: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._clock = clock
        self._waits = dict.fromkeys(names, _FIRST_WAIT_SECONDS)
        self._due = dict.fromkeys(names, 0.0)
        self._started = dict.fromkeys(names, 0.0)
        self._children: dict[str, Child] = {}

    @property
    def children(self) -> dict[str, Child]:
        """Children that were started and not found ended yet, by name."""
        return dict(self._children)

    def run(self, stopping: threading.Event) -> None:
        """Look after the children until `stopping` is set, then end them in order."""
        while not stopping.is_set():
            self.look()
            stopping.wait(_LOOK_SECONDS)
        self.stop()

    def look(self) -> None:
        """Start what is due, notice what has ended."""
        now = self._clock()
        for name in self._waits:
            child = self._children.get(name)
            if child is None:
                if now >= self._due[name]:
                    self._children[name] = self._start(name)
                    self._started[name] = now
                continue
            code = child.poll()
            if code is None:
                continue
            del self._children[name]
            if now - self._started[name] >= _STEADY_SECONDS:
                self._waits[name] = _FIRST_WAIT_SECONDS
            _log.warning("%s ended with code %d; again in %.0f s", name, code, self._waits[name])
            self._due[name] = now + self._waits[name]
            self._waits[name] = min(2 * self._waits[name], _LAST_WAIT_SECONDS)

    def stop(self) -> None:
        """Ask all children to end; end those that have not after half a minute."""
        for child in self._children.values():
            child.terminate()
        for name, child in self._children.items():
            try:
                child.wait(timeout=_GRACE_SECONDS)
            except TimeoutExpired:
                _log.warning("%s did not end in time; killed", name)
                child.kill()
        self._children.clear()
