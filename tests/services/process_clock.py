"""The clock of real processes, set by the test: what an epoch's end needs that nobody wants to wait for."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["ProcessClock"]

_SOURCE = Path(__file__).parent / "clock" / "clock.c"


class ProcessClock:
    """Wall time of every process started with `environment`; monotonic time, sleeps and timeouts stay real.

    The processes read the shift from a file about once a second, so the test moves all of them at once. Kafka's broker
    keeps the real time: stay within a day or two of it, and not ahead of it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._shift = folder / "shift"
        self._library = folder / "clock.so"
        command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(self._library), str(_SOURCE)]
        subprocess.run(command, check=True, capture_output=True)
        self.set(datetime.now(UTC))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that is to run by this clock."""
        return {**os.environ, "LD_PRELOAD": str(self._library), "KELSEY_TEST_CLOCK": str(self._shift)}

    def set(self, now: datetime) -> None:
        """Make it `now` for all processes, within about a second."""
        part = self._shift.with_suffix(".part")
        part.write_text(f"{(now - datetime.now(UTC)).total_seconds():.3f}\n")
        part.replace(self._shift)
