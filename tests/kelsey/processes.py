"""The commands of Kelsey as processes of their own."""

from __future__ import annotations

import subprocess
import sys

__all__ = ["KELSEY", "PATIENCE_SECONDS", "kelsey"]

KELSEY = [sys.executable, "-m", "kelsey"]
PATIENCE_SECONDS = 240


def kelsey(*arguments: object) -> str:
    """Run a command to its end and give what it printed; it must succeed."""
    command = [*KELSEY, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout
